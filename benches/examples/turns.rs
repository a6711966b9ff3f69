//! One upload over a pipe in memory, for a profiler that counts instructions: `turns h1|h2 MEBIBYTES`.

use std::process::ExitCode;

use benches::turns;
use record::{Direction, Protocol};

/// longhaul's default, in bytes.
const CHUNK: u64 = 64 << 10;

fn main() -> ExitCode {
    // As a worker does: the cost of counting is part of the counts.
    allocator::count();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [protocol, mebibytes] = arguments.as_slice() else { return usage() };
    let protocol = Some(protocol).filter(|name| matches!(name.as_str(), "h1" | "h2"));
    let protocol = protocol.and_then(|name| Protocol::by_name(name));
    let (Some(protocol), Ok(mebibytes)) = (protocol, mebibytes.parse::<u64>()) else { return usage() };
    benches::cases(protocol, &[Direction::Up], &[CHUNK], mebibytes << 20).iter().for_each(turns::transfer);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: turns h1|h2 MEBIBYTES");
    ExitCode::from(2)
}
