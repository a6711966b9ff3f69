//! The command line of longhaul.
//!
//! [`main`] is what the program does. Its flags become plain options, and a file of `commands` hands them to the
//! libraries and exits with the code of their verdict. `bench` and `prove` run their cases in a `recording`, which a
//! `live_view` shows.
//!
//! A program calls it with what it alone can decide, its build and its allocator:
//!
//! ```no_run
//! use longhaul_cli::Program;
//! # use record as longhaul_record;
//!
//! fn main() -> std::process::ExitCode {
//!     longhaul_cli::main(Program {
//!         build: longhaul_record::Build::default,
//!         allocator: "",
//!         can_trace_heap: false,
//!         licences: "MIT",
//!     })
//! }
//! ```

// `eprintln!` panics where stderr cannot be written.
#![warn(clippy::print_stderr)]

mod commands;
mod exit;
mod expectation;
mod flags;
mod input;
mod intervals;
mod kept;
mod live_view;
mod log;
mod output;
mod program;
mod recording;
mod save_folder;
mod start_at;
mod status_lines;

use std::{panic, process::ExitCode};

use nix::sys::signal::{SigSet, Signal};

pub use crate::program::Program;
use crate::{flags::Command, log::LogFormat};

/// Returns whether this process is a worker, one end of a measured transfer. Its memory is part of the measurement.
pub fn is_worker() -> bool {
    run::worker::is_requested()
}

/// Does what the arguments of this process ask for.
pub fn main(program: Program) -> ExitCode {
    program::register(program);
    outlive_file_size_limit();
    // This check comes before the parser, whose memory would be part of a worker's measurement.
    if is_worker() {
        abort_on_panic();
        return run::worker::main(|level| log::start_at(level.parse().ok(), LogFormat::Text));
    }
    if network::relay::is_requested() {
        abort_on_panic();
        return network::relay::main();
    }
    match flags::parse() {
        Ok(command) => {
            if !matches!(command, Command::Serve(_)) {
                abort_on_panic();
            }
            log::start(command.log_level(), command.log_format());
            exit::code(commands::run(command))
        }
        Err(code) => code,
    }
}

/// Makes a panic of any thread or task end the process at once: a measurement that has lost one of its parts is
/// worthless. Only a server goes on, since its other transfers belong to other clients.
fn abort_on_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        std::process::abort();
    }));
}

/// Makes a write beyond RLIMIT_FSIZE fail, instead of ending the program by SIGXFSZ. All threads inherit the blocked
/// signal.
fn outlive_file_size_limit() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    // If the signal cannot be blocked, it still ends the program at that limit.
    let _ = signals.thread_block();
}
