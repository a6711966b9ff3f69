//! Transfers for benches. [`WarmPair`] makes transfers over an existing connection, and [`FreshEnds`] makes each in two
//! new worker processes. [`turns`] makes one transfer on a single thread over a pipe in memory.
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

mod exchange;
mod fresh;
pub mod turns;
mod warm;

use record::{ByteSize, Case, ChunkSize, Direction, Protocol, SinkKind};
use run::Matrix;

pub use exchange::Instruments;
pub use fresh::FreshEnds;
pub use warm::WarmPair;

// The allocator of the program. With glibc's allocator, freed frames would return to the kernel, and the bench would
// measure that.
use allocator as _;

/// Returns the cases of one protocol with the sink `discard`. Sizes are in bytes.
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

/// Returns the chunk size in identifiers of benches. It is always in KiB, so that criterion finds the baselines of
/// earlier runs.
pub fn chunk_id(case: &Case) -> String {
    format!("{}KiB", case.chunk.get() >> 10)
}
