//! The negative control: ends that do grow, which must be seen to.

use payload::{ChunkSize, Kind};
use transport::{H3Recv, Limits, Transport};

use crate::{
    case::{DEFAULT_SEED, Direction, Rates, SinkKind},
    exit::Usage,
    matrix::Matrix,
    size::ByteSize,
};

/// Sizes of which the smallest is over any budget, and the largest fits any machine.
const BODIES: [ByteSize; 3] = [ByteSize(64 << 20), ByteSize(128 << 20), ByteSize(256 << 20)];

/// As many rounds as an interval takes over three sizes.
pub(super) const ROUNDS: u32 = 3;

/// Slow enough for h3 to pile up what comes, and fast enough to be over soon.
const READER: ByteSize = ByteSize(100 << 20);

/// An end that collects the body before it digests it, and h3 as it comes with a slow reader.
///
/// # Errors
/// There are no such protocols.
pub(super) fn matrices() -> Result<[Matrix; 2], Usage> {
    let chunk = ChunkSize::try_from(64 << 10).map_err(|error| Usage(error.to_string()))?;
    let control = |protocol, sink, reader, limits| {
        Ok(Matrix {
            protocols: vec![transport(protocol)?],
            directions: vec![Direction::Up],
            chunks: vec![chunk],
            bodies: BODIES.to_vec(),
            payload: Kind::Random,
            seed: DEFAULT_SEED,
            sink,
            connections: 1,
            streams: 1,
            rates: Rates { reader, limit: None },
            limits,
        })
    };
    let stock = Limits { h3_recv: H3Recv::Stock, ..Limits::default() };
    Ok([
        control("h1c", SinkKind::Collect, None, Limits::default())?,
        control("h3", SinkKind::Verify, Some(READER), stock)?,
    ])
}

fn transport(name: &str) -> Result<&'static dyn Transport, Usage> {
    transport::by_name(name).ok_or_else(|| Usage(format!("there is no protocol '{name}'")))
}
