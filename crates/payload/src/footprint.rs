//! The memory of payloads, as a term of a budget.

use record::{ByteSize, ChunkSize, PayloadKind, Term};

use crate::{
    generated::{Block, PERIOD},
    reader::{PIECES, READ, piece_size},
};

/// Returns the most memory that the payloads of `bodies` concurrent bodies take.
pub fn footprint(kind: &PayloadKind, chunk: ChunkSize, bodies: u64) -> Term {
    let (bytes, reason) = if let PayloadKind::Cold(block) = kind {
        let reason =
            format!("one block of {block} that no cache holds, and a chunk of {chunk}, shared by all bodies");
        (block.0 + chunk.get() as u64, reason)
    } else if kind.is_generated() {
        let reason =
            format!("one block of {} and a chunk of {chunk}, shared by all bodies", ByteSize(PERIOD as u64));
        (Block::length(chunk) as u64, reason)
    } else {
        let reason = format!(
            "{PIECES} pieces for each body that is read, each of {} in whole chunks or one chunk of {chunk}",
            ByteSize(READ as u64)
        );
        (bodies * (PIECES * piece_size(chunk)) as u64, reason)
    };
    Term::new("payload", bytes, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, chunk: u64, bodies: u64) -> Term {
        footprint(&kind.parse().unwrap(), chunk.try_into().unwrap(), bodies)
    }

    #[test]
    fn a_generated_payload_takes_one_block_for_all_bodies() {
        let term = of("random", 65_536, 1000);
        assert_eq!((term.name, term.bytes), ("payload", 131_071 + 65_536));
        assert_eq!(term.reason, "one block of 131071B and a chunk of 64KiB, shared by all bodies");
    }

    #[test]
    fn a_cold_payload_takes_its_whole_block() {
        assert_eq!(of("cold:128MiB", 65_536, 8).bytes, (128 << 20) + 65_536);
    }

    #[test]
    fn a_payload_that_is_read_takes_two_pieces_a_body() {
        let term = of("file:/x", 1000, 3);
        assert_eq!(term.bytes, 3 * 2 * 131_000);
        assert_eq!(
            term.reason,
            "2 pieces for each body that is read, each of 128KiB in whole chunks or one chunk of 1000B"
        );
        assert_eq!(of("-", 1 << 20, 1).bytes, 2 << 20);
    }
}
