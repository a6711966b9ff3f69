//! The program longhaul: it measures the speed and the memory with which HTTP carries multi-gigabyte bodies.
//!
//! [`cli`] turns flags into plain options, and a file of [`commands`] hands them to the libraries and exits with the
//! code of their verdict. `bench` and `prove` run their cases in a [`recording`], which a [`live_view`] shows.

mod build;
mod cli;
mod commands;
mod exit;
mod expectation;
mod input;
mod intervals;
mod kept;
mod live_view;
mod log;
mod output;
mod recording;
mod save_folder;
mod start_at;
mod status_lines;

use std::{
    panic::{self, PanicHookInfo},
    process::ExitCode,
};

use nix::sys::signal::{SigSet, Signal};

use crate::{cli::Command, log::LogFormat};

fn main() -> ExitCode {
    outlive_file_size_limit();
    // This check comes before the parser, whose memory would be part of a worker's measurement.
    if run::worker::is_requested() {
        allocator::count();
        read_heap();
        #[cfg(feature = "heap-trace")]
        process::trace_heap_by(heap_tracer());
        abort_on_panic();
        return run::worker::main(|level| log::start_at(level.parse().ok(), LogFormat::Text));
    }
    if network::relay::is_requested() {
        abort_on_panic();
        return network::relay::main();
    }
    read_heap();
    match cli::parse() {
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

/// Registers the allocator of this program, from which the libraries take figures of the heap.
fn read_heap() {
    process::read_heap_by(process::HeapReader {
        bytes: || allocator::live_bytes().map(|bytes| bytes as u64),
        heap: live_heap,
        join: || {
            allocator::count_thread();
            // If this fails, the thread allocates from the arena of the first thread.
            let _ = allocator::use_own_arena();
        },
    });
}

/// Returns the live heap of this process, as its allocator has counted it.
fn live_heap() -> Option<process::Heap> {
    let live = allocator::live()?;
    let c_bytes = live.c_bytes.map(|bytes| bytes as u64);
    Some(process::Heap { bytes: live.bytes as u64, allocations: live.allocations as u64, c_bytes })
}

/// Returns the trace of this process's allocator.
#[cfg(feature = "heap-trace")]
fn heap_tracer() -> process::HeapTracer {
    let sites = || {
        let site = |site: allocator::trace::Site| process::CallSite {
            bytes: site.bytes,
            allocations: site.allocations,
            frames: site.frames,
        };
        allocator::trace::sites().into_iter().map(site).collect()
    };
    process::HeapTracer { begin: allocator::trace::begin, advance: allocator::trace::advance, sites }
}

/// Makes a panic of any thread or task end the process at once: a measurement that has lost one of its parts is
/// worthless. Only a server goes on, since its other transfers belong to other clients.
fn abort_on_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if is_reader_of_stderr_gone(info) {
            std::process::exit(0);
        }
        print(info);
        std::process::abort();
    }));
}

/// Returns whether `eprintln!` has panicked because the reader of stderr is gone, such as `head` in `2>&1 | head`.
fn is_reader_of_stderr_gone(info: &PanicHookInfo<'_>) -> bool {
    let text = info.payload().downcast_ref::<String>();
    text.is_some_and(|text| text.starts_with("failed printing to stderr: Broken pipe"))
}

/// Makes a write beyond RLIMIT_FSIZE fail, instead of ending the program by SIGXFSZ. All threads inherit the blocked
/// signal.
fn outlive_file_size_limit() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    // If the signal cannot be blocked, it still ends the program at that limit.
    let _ = signals.thread_block();
}
