//! The QPACK streams of a peer (RFC 9204 section 4.2). h3 0.0.8 never reads them.

use std::task::{Context, Poll, ready};

use h3::error::Code;
use quinn::ReadError;

use super::{arriving::Arriving, recv::PIECES, supervisor::Supervisor, violation::Violation};

/// The role of the peer as the sender of QPACK instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Encoder,
    Decoder,
}

/// A stream of QPACK instructions. This end has no dynamic table, and its own field sections refer to none.
pub(super) struct Instructions {
    stream: Arriving,
    direction: Direction,
    /// True if the next byte belongs to the integer of an instruction.
    in_integer: bool,
}

impl Instructions {
    pub(super) fn new(stream: Arriving, direction: Direction) -> Self {
        Self { stream, direction, in_integer: false }
    }

    /// Reads instructions until there is a violation.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, supervisor: &Supervisor) -> Poll<Violation> {
        let mut piece = self.stream.start.split().freeze();
        loop {
            if let Err(violation) = self.check(&piece, supervisor) {
                return Poll::Ready(violation);
            }
            match ready!(self.stream.pieces.poll_next(cx, PIECES)) {
                Ok(Some(next)) => piece = next,
                Ok(None) | Err(ReadError::Reset(_)) => return Poll::Ready(Violation::CLOSED),
                // The queue of streams ends with the same error.
                Err(_) => return Poll::Pending,
            }
        }
    }

    fn check(&mut self, piece: &[u8], supervisor: &Supervisor) -> Result<(), Violation> {
        supervisor.control_bytes(piece.len() as u64)?;
        self.direction.check(piece, &mut self.in_integer)
    }
}

impl Direction {
    /// Set Dynamic Table Capacity to 0 (RFC 9204 section 4.3.1): the only instruction that an encoder may send without
    /// a dynamic table.
    const NO_CAPACITY: u8 = 0b0010_0000;

    /// The bits of Stream Cancellation (RFC 9204 section 4.4.2), the only instruction that a decoder may send for
    /// sections that refer to no dynamic table: two bits of its type, and six of an integer.
    const CANCELLATION: u8 = 0b0100_0000;
    const INTEGER: u8 = 0b0011_1111;

    /// Checks instructions. `in_integer` is true if the first byte belongs to the integer of an earlier one.
    ///
    /// # Errors
    /// Fails if an instruction needs a dynamic table (RFC 9204 sections 4.3 and 4.4).
    fn check(self, piece: &[u8], in_integer: &mut bool) -> Result<(), Violation> {
        for byte in piece {
            match self {
                Self::Encoder if *byte != Self::NO_CAPACITY => {
                    let reason = "an entry for a dynamic table that does not exist";
                    return Err(Violation::of_connection(Code::QPACK_ENCODER_STREAM_ERROR, reason));
                }
                Self::Encoder => {}
                // Each byte but the last of an integer has the highest bit set (RFC 7541 section 5.1).
                Self::Decoder if *in_integer => *in_integer = byte & 0x80 != 0,
                Self::Decoder if byte & !Self::INTEGER == Self::CANCELLATION => {
                    *in_integer = byte & Self::INTEGER == Self::INTEGER;
                }
                Self::Decoder => {
                    let reason = "an acknowledgement of entries that were never sent";
                    return Err(Violation::of_connection(Code::QPACK_DECODER_STREAM_ERROR, reason));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_without_a_dynamic_table_may_only_cancel_streams() {
        let check = |bytes: &[u8], piece| {
            let mut in_integer = false;
            let mut pieces = bytes.chunks(piece);
            pieces
                .try_for_each(|piece| Direction::Decoder.check(piece, &mut in_integer))
                .map_err(|violation| violation.code)
        };
        for piece in [1, 2, 100] {
            // Cancellations of the streams 0, 62, 63 and 5000.
            assert_eq!(check(&[0x40, 0x7e, 0x7f, 0x00, 0x7f, 0xc9, 0x26, 0x40], piece), Ok(()));
            // A section acknowledgement, increments of 0 and of 1, and an increment that follows a cancellation.
            for wrong in [&[0x80][..], &[0x00], &[0x01], &[0x7f, 0xc9, 0x26, 0x01]] {
                assert_eq!(check(wrong, piece), Err(Code::QPACK_DECODER_STREAM_ERROR), "{wrong:02x?}");
            }
        }
    }
}
