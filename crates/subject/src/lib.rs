//! Proofs of constant memory for third-party programs that carry HTTP bodies.
//!
//! A [`ClientProgram`] is an [`Executor`](run::Executor). For each case, it starts a fresh server and the client, and
//! samples the memory of the client's processes while the body moves. It then checks that the body arrived whole. The
//! outcome is a record whose one end is the program, for [`analyse`] to judge. A [`ServerProgram`] is a server that
//! longhaul's client uploads to or downloads from. A [`ProxyProgram`] stands between longhaul's client and longhaul's
//! server. A [`SeriesProgram`] is any program whose input has a size.
//!
//! Beside proofs, a [`PeerExecutor`](peers::PeerExecutor) measures another program as one end of a bench.
//!
//! [`analyse`]: https://docs.rs/longhaul-analyse
//!
//! # Example
//! curl uploads 16 MiB from a file:
//!
//! ```
//! use std::time::Duration;
//!
//! use longhaul_record::{ByteSize, Case};
//! use longhaul_run::{Executor as _, Unobserved};
//! use longhaul_subject::{Bodies, ClientProgram, CommandLine};
//! # use {record as longhaul_record, run as longhaul_run};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let words = ["curl", "-sSf", "-H", "Expect:", "-T", "{file}", "{url}"].map(Into::into);
//! let command = CommandLine::of_client(words.into())?;
//! let mut case = Case::new("h1c");
//! case.body = ByteSize(16 << 20);
//!
//! let bodies = Bodies::write(&std::env::temp_dir(), &[case.body])?;
//! let client = ClientProgram::new(command, Duration::from_secs(30)).uploading(bodies);
//! let outcome = client.run(&case, &mut Unobserved).await;
//! # if outcome.fault.as_ref().is_some_and(|fault| fault.message.contains("cannot be started")) { return Ok(()); }
//! assert_eq!(outcome.fault, None);
//! assert!(outcome.integrity.is_some_and(|integrity| integrity.matches));
//! assert!(outcome.ends.sender.is_some_and(|curl| curl.memory.peak_rss_bytes > Some(1 << 20)));
//! # Ok(())
//! # }
//! ```

mod bodies;
mod client;
mod command;
mod conform;
mod endpoints;
mod environment;
mod exchange;
mod listener;
mod origin;
mod output;
pub mod peers;
mod processes;
mod program;
mod proxy;
mod ready;
mod sampling;
mod series;
mod server;
mod service;
mod source;
mod standstill;
mod watch;

pub use bodies::{Bodies, BodiesError};
pub use client::ClientProgram;
pub use command::{CommandError, CommandLine, NoProgram};
pub use conform::{CONFORM_CASES, ConformCase, LEAST_BODY, SMALL_UPLOAD, Step, Suite, Tested};
pub use endpoints::Endpoints;
pub use proxy::ProxyProgram;
pub use ready::Ready;
pub use series::SeriesProgram;
pub use server::ServerProgram;
pub use source::Source;
