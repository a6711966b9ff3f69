//! One upload over a pipe in memory, for a profiler that counts instructions:
//! `turns h1|h2 MEBIBYTES [CHUNK_BYTES] [uncounted|bare]`.

use std::process::ExitCode;

use benches::{Instruments, turns};
use record::{Case, Direction, Protocol};

/// The chunk size in bytes by default: that of longhaul.
const CHUNK: u64 = 64 << 10;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut has_last = |word: &str| arguments.pop_if(|last| last == word).is_some();
    let instruments = if has_last("bare") { Instruments::None } else { Instruments::Meters };
    // The live heap is counted, as in a worker, so that this cost is part of the instructions.
    if !has_last("uncounted") && instruments == Instruments::Meters {
        count_heap();
    }
    match cases(&arguments) {
        Some(cases) => cases.iter().for_each(|case| turns::transfer(case, instruments)),
        None => {
            eprintln!("usage: turns h1|h2 MEBIBYTES [CHUNK_BYTES] [uncounted|bare]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Returns the cases of the arguments; `None` if an argument is wrong.
fn cases(arguments: &[String]) -> Option<Vec<Case>> {
    let (protocol, mebibytes, chunk) = match arguments {
        [protocol, mebibytes] => (protocol, mebibytes, CHUNK),
        [protocol, mebibytes, chunk] => (protocol, mebibytes, chunk.parse().ok()?),
        _ => return None,
    };
    let protocol = Protocol::by_name(protocol).filter(|protocol| matches!(protocol.name, "h1" | "h2"))?;
    Some(benches::cases(protocol, &[Direction::Up], &[chunk], mebibytes.parse::<u64>().ok()? << 20))
}

fn count_heap() {
    allocator::count();
    process::read_heap_by(process::HeapReader {
        bytes: || allocator::live_bytes().map(|bytes| bytes as u64),
        heap: || Some(live()),
        join: || (),
    });
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
