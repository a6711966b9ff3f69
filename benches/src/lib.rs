//! Transfers for benches. [`WarmPair`] makes them over an existing connection, and [`FreshEnds`] makes each in two
//! fresh worker processes. [`turns`] makes one on a single thread over a pipe in memory.
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

mod exchange;
mod fresh;
pub mod turns;
mod warm;

use criterion::Criterion;
use record::{ByteSize, Case, ChunkSize, Direction, Protocol, SinkKind};
use run::Matrix;

pub use exchange::Instruments;
pub use fresh::FreshEnds;
pub use warm::WarmPair;

// The allocator of the binary. With that of glibc, frames go back to the kernel and the bench measures that.
use allocator as _;

/// Criterion, without pictures if the arguments have `--quick`: they take three seconds per case, and a quick
/// measurement takes a tenth of one.
pub fn criterion() -> Criterion {
    let criterion = Criterion::default();
    if std::env::args().any(|argument| argument == "--quick") { criterion.without_plots() } else { criterion }
}

/// The cases of one protocol whose receiver drops the bytes. Sizes are in bytes.
pub fn cases(protocol: &'static Protocol, directions: &[Direction], chunks: &[u64], body: u64) -> Vec<Case> {
    let mut template = Case::new(protocol.name);
    template.sink = SinkKind::Discard;
    let chunks = chunks.iter().map(|bytes| ChunkSize::try_from(*bytes).expect("a chunk size"));
    let matrix = Matrix {
        protocols: vec![protocol],
        ceilings: Vec::new(),
        directions: directions.to_vec(),
        chunks: chunks.collect(),
        bodies: vec![ByteSize(body)],
        template,
    };
    matrix.cases().expect("one stream per connection")
}

/// The chunk size in identifiers of benches. It is always in KiB, so that criterion finds the baselines of earlier
/// runs.
pub fn chunk_id(case: &Case) -> String {
    format!("{}KiB", case.chunk.get() >> 10)
}
