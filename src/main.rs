//! The program longhaul: it measures the speed and the memory with which HTTP carries multi-gigabyte bodies.
//!
//! `longhaul-cli` has its flags and commands. What a program alone can decide is here: the allocator, and the build.

use std::process::ExitCode;

use record::Build;

fn main() -> ExitCode {
    if cli::is_worker() {
        allocator::count();
        #[cfg(feature = "heap-trace")]
        process::trace_heap_by(heap_tracer());
    }
    process::read_heap_by(process::HeapReader {
        bytes: || allocator::live_bytes().map(|bytes| bytes as u64),
        heap: live_heap,
        join: || {
            allocator::count_thread();
            // If this fails, the thread allocates from the arena of the first thread.
            let _ = allocator::use_own_arena();
        },
    });
    cli::main(cli::Program {
        build: this_build,
        allocator: allocator::SETTINGS,
        can_trace_heap: cfg!(feature = "heap-trace"),
        licences: include_str!("../THIRD-PARTY.txt"),
    })
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

/// Returns the build of this program, as its records state it.
fn this_build() -> Build {
    let versions = env!("LONGHAUL_VERSIONS").split(' ').filter_map(|entry| entry.split_once('='));
    let mut build = Build::default();
    build.version = env!("CARGO_PKG_VERSION").into();
    build.commit = option_env!("LONGHAUL_COMMIT").map(str::to_owned);
    build.profile = env!("LONGHAUL_PROFILE").into();
    build.allocator = allocator::description();
    build.versions = versions.map(|(name, version)| (name.into(), version.into())).collect();
    build
}
