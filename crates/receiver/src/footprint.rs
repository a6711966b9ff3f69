//! The memory of sinks, as a term of a budget.

use record::{ByteSize, SinkKind, Term};

use crate::save;

/// The most memory that the state of one digest takes, in bytes: the buffer and the secret of XXH3.
const DIGEST: u64 = 1 << 10;

/// Returns the most memory that the sinks of `bodies` concurrent bodies take; `None` for a sink without state.
///
/// The term excludes the bodies that [`SinkKind::Collect`] holds and the memory that [`SinkKind::Keep`] leaks, because
/// a memory proof must find that memory.
pub fn footprint(sink: &SinkKind, bodies: u64) -> Option<Term> {
    match sink {
        SinkKind::Discard => None,
        SinkKind::Verify | SinkKind::Collect | SinkKind::Keep(_) | SinkKind::Burn(_) => {
            let reason = format!("{} for each body: the buffer and the secret of XXH3", ByteSize(DIGEST));
            Some(Term::new("digest", bodies * DIGEST, reason))
        }
        SinkKind::Save(_) => Some(save::footprint(bodies)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sink: &str, bodies: u64) -> Option<Term> {
        footprint(&sink.parse().unwrap(), bodies)
    }

    #[test]
    fn a_digest_fits_its_term() {
        assert!(size_of::<payload::Hasher>() as u64 <= DIGEST);
        for sink in ["verify", "collect"] {
            let term = of(sink, 3).unwrap();
            assert_eq!((term.name, term.bytes), ("digest", 3 << 10));
            assert_eq!(term.reason, "1KiB for each body: the buffer and the secret of XXH3");
        }
        assert_eq!(of("discard", 3), None);
    }

    #[test]
    fn saved_bodies_take_blocks_and_the_first_eight_take_larger_ones() {
        let blocks = |bodies| of("save:/x", bodies).unwrap().bytes;
        assert_eq!((blocks(1), blocks(8), blocks(10)), (1 << 20, 8 << 20, (8 << 20) + (256 << 10)));
        let term = of("save:/x", 1).unwrap();
        assert_eq!(term.name, "blocks that wait for the disk");
        assert_eq!(term.reason, "1MiB for each of the first 8 bodies, 128KiB for each further one");
    }
}
