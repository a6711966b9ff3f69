//! Runs of cases with both ends measured: matrix, sessions, worker processes, budgets and machine probes.
//!
//! A [`Session`] runs the cases of a [`Matrix`] round by round. Its [`Executor`] runs one case: [`ProcessExecutor`]
//! starts the embedding program twice more, once for each end. Peak RSS and processor time thus belong to one end of
//! one run. Each end measures itself with a [`Measurement`]: baseline, meter, watch for progress, reading. Each run
//! yields a [`record::Record`]. The server's end of a run may be on another host, a [`MeasuringHost`].
//!
//! A program that embeds this crate first checks whether it was started as a worker:
//!
//! ```no_run
//! use longhaul_run::worker;
//!
//! fn main() -> std::process::ExitCode {
//!     if worker::is_requested() {
//!         return worker::main(|_level| ());
//!     }
//!     // … a session with ProcessExecutor::of_this_program …
//!     std::process::ExitCode::SUCCESS
//! }
//! ```
//!
//! Cases with an emulated network also need `network::relay`, which the embedding program offers in the same way.

mod affinity;
mod baseline;
mod budget;
mod child_process;
mod earlier;
mod exchange;
mod executor;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod growth_trace;
mod heartbeat;
mod holdings;
mod host;
mod host_facts;
mod interruption;
mod last_line;
pub mod machine;
mod matrix;
mod measurement;
mod messages;
mod nominal;
pub mod path_plan;
mod plan;
mod process;
mod relay_process;
mod reply;
mod rounds;
#[cfg(test)]
mod scripts;
mod session;
mod settings;
#[cfg(test)]
mod skipped;
mod thread_share;
mod threads;
mod two_hosts;
pub mod worker;
mod worker_process;

pub use affinity::{Affinity, AffinityError};
pub use baseline::Baseline;
pub use budget::Budget;
pub use earlier::{Earlier, ResumeError};
pub use exchange::{Outgoing, receive};
pub use executor::{Executor, Observer, Outcome, Unobserved};
pub use heartbeat::{Heartbeat, Links, together};
pub use host::{describe_ends, this_host};
pub use host_facts::{HostFacts, other_build};
pub use interruption::Interruption;
pub use last_line::last_line;
pub use matrix::{Matrix, MatrixError, check_threads};
pub use measurement::Measurement;
pub use nominal::nominal_time;
pub use plan::Plan;
pub use process::{OwnEnd, OwnReport, ProcessExecutor};
pub use relay_process::{RelayError, RelayProcess};
pub use reply::{accepted, short_body};
pub use session::{Entry, Session, SessionError, Stop, command_line, run_entries};
pub use settings::Settings;
pub use thread_share::ThreadShare;
pub use threads::{Place, Threads};
pub use two_hosts::{
    CONTROL_PATH, CONTROL_VERSION, Control, ControlError, ControlSession, MeasuringHost, Opened, PeerHost,
    VERSION_FIELD,
};

/// The most threads of one runtime that read and write files concurrently. No body occupies a thread between two
/// blocks, so all bodies take turns. Each thread costs a stack and an allocator cache.
pub const DISK_THREADS: usize = 64;
