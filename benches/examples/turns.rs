//! One upload over a pipe in memory, for a profiler that counts instructions: `turns h1|h2 MEBIBYTES [uncounted]`.

use std::process::ExitCode;

use benches::turns;
use record::{Direction, Protocol};

/// The chunk size in bytes: the default of longhaul.
const CHUNK: u64 = 64 << 10;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.last().is_some_and(|last| last == "uncounted") {
        arguments.pop();
    } else {
        // The live heap is counted, as in a worker, so that this cost is part of the instructions.
        allocator::count();
        process::read_heap_by(process::HeapReader {
            bytes: || allocator::live_bytes().map(|bytes| bytes as u64),
            heap: || Some(live()),
            join: || (),
        });
    }
    let [protocol, mebibytes] = arguments.as_slice() else { return usage() };
    let protocol = Some(protocol).filter(|name| matches!(name.as_str(), "h1" | "h2"));
    let protocol = protocol.and_then(|name| Protocol::by_name(name));
    let (Some(protocol), Ok(mebibytes)) = (protocol, mebibytes.parse::<u64>()) else { return usage() };
    benches::cases(protocol, &[Direction::Up], &[CHUNK], mebibytes << 20).iter().for_each(turns::transfer);
    ExitCode::SUCCESS
}

/// Returns the live heap, as the allocator has counted it.
fn live() -> process::Heap {
    let live = allocator::live();
    let (bytes, allocations) = live.map_or((0, 0), |live| (live.bytes as u64, live.allocations as u64));
    process::Heap {
        bytes,
        allocations,
        c_bytes: live.and_then(|live| live.c_bytes).map(|bytes| bytes as u64),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: turns h1|h2 MEBIBYTES [uncounted]");
    ExitCode::from(2)
}
