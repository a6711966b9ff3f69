//! One upload over a pipe in memory, for a profiler that counts instructions: `turns h1|h2 MEBIBYTES`.

use std::process::ExitCode;

use benches::{Direction, Job, Metering, turns};

/// longhaul's default.
const CHUNK: u64 = 64 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = |mebibytes: &String| mebibytes.parse::<u64>().ok();
    match arguments.as_slice() {
        [protocol, mebibytes] if matches!(protocol.as_str(), "h1" | "h2") && size(mebibytes).is_some() => {
            let size = size(mebibytes).unwrap_or_default() << 20;
            let job = Job { direction: Direction::Up, chunk: CHUNK, size, metering: Metering::On };
            turns::transfer(protocol, job);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: turns h1|h2 MEBIBYTES");
            ExitCode::from(2)
        }
    }
}
