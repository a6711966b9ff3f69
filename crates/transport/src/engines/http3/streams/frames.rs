//! A parser that divides a stream into frames as its pieces arrive (RFC 9114 section 7).
//!
//! h3 0.0.8 buffers any frame but DATA until all of it has arrived, however long it claims to be. For each new piece,
//! h3 adds up the lengths of all buffered pieces. It takes an empty DATA frame, or one that the end of the stream cuts
//! off, for the end of the body. So h3 gets the payload of DATA frames piece by piece, and any other frame in one piece
//! or not at all. Payload is neither copied nor inspected.

use std::mem;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h3::error::Code;

use super::violation::Violation;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The type of the frame.
    pub(super) kind: u64,
    /// The length of the payload, in bytes.
    pub(super) length: u64,
    /// The length of the head itself, in bytes.
    pub(super) size: usize,
}

impl FrameHead {
    /// Reads a head from the start of `bytes`; `None` if it is incomplete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, size) = integer(bytes)?;
        let (length, more) = integer(bytes.get(size..)?)?;
        Some(Self { kind, length, size: size + more })
    }

    /// Returns the length of head and payload together, in bytes. Both have at most 62 bits.
    pub(super) fn total(&self) -> u64 {
        self.length.saturating_add(self.size as u64)
    }
}

/// Reads an integer of RFC 9000 section 16 from the start of `bytes`. Returns the integer and its length in bytes, or
/// `None` if it is incomplete.
pub(super) fn integer(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let rest = bytes.get(1..1 << (first >> 6))?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, 1 + rest.len()))
}

/// The treatment of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Passed to h3 piece by piece. The payload of the frame is not empty.
    Pass,
    /// Passed to h3 in one piece.
    Gather,
    /// Hidden from h3.
    Skip,
    /// Skipped. h3 at once gets these bytes in place of the frame.
    Replace(Bytes),
}

/// The rules for the frames on a stream.
pub(super) trait Rules {
    /// Returns the treatment of a frame, by its head.
    ///
    /// # Errors
    /// Fails if the frame is not allowed at this point, or is too long.
    fn judge(&mut self, head: &FrameHead) -> Result<Treatment, Violation>;
}

/// Bytes for h3.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A part of one or more frames that pass piece by piece.
    Passing(Bytes),
    /// A whole frame.
    Frame(Bytes),
}

/// The state of the parser after the last byte that was examined.
#[derive(Debug, Default)]
pub(super) struct Frames {
    state: State,
    /// The bytes of a frame that is gathered, or of a head that is incomplete.
    gathered: BytesMut,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before a frame, or within its head.
    #[default]
    Between,
    /// Within a frame that passes: the number of its bytes still to come.
    Passing(u64),
    /// Within a frame that is gathered: the number of its bytes still to come.
    Gathering(u64),
    /// Within a frame that is skipped: the number of its bytes still to come.
    Skipping(u64),
}

impl Frames {
    /// Takes bytes from the front of `input` until there are bytes for h3, or until `input` is empty.
    ///
    /// # Errors
    /// Fails if the rules do not admit a frame.
    pub(super) fn next(
        &mut self,
        input: &mut Bytes,
        rules: &mut impl Rules,
    ) -> Result<Option<Part>, Violation> {
        // The number of bytes at the front of `input` that pass.
        let mut passing = 0;
        while passing < input.len() || matches!(self.state, State::Gathering(0)) {
            match self.state {
                State::Passing(left) => {
                    let taken = least(left, input.len() - passing);
                    passing += taken;
                    self.state = State::Passing(left - taken as u64).unless_over();
                }
                State::Between if self.gathered.is_empty() => {
                    let Some(head) = input.get(passing..).and_then(FrameHead::parse) else { break };
                    match rules.judge(&head)? {
                        Treatment::Pass => {
                            passing += head.size;
                            self.state = State::Passing(head.length).unless_over();
                        }
                        Treatment::Gather => self.state = State::Gathering(head.total()),
                        Treatment::Skip => self.state = State::Skipping(head.total()),
                        Treatment::Replace(other) => {
                            self.state = State::Skipping(head.total());
                            return Ok(Some(Part::Frame(other)));
                        }
                    }
                }
                _ if passing > 0 => break,
                State::Between => {
                    if let Some(part) = self.complete_head(input.get_u8(), rules)? {
                        return Ok(Some(part));
                    }
                }
                State::Gathering(left) => {
                    if let Some(frame) = self.gather(input, left) {
                        return Ok(Some(Part::Frame(frame)));
                    }
                }
                State::Skipping(left) => {
                    let taken = least(left, input.len());
                    input.advance(taken);
                    self.state = State::Skipping(left - taken as u64).unless_over();
                }
            }
        }
        if passing > 0 {
            return Ok(Some(Part::Passing(input.split_to(passing))));
        }
        // What is left is an incomplete head: keep it until the rest arrives.
        self.gathered.extend_from_slice(input);
        input.clear();
        Ok(None)
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// Fails if the last frame is cut off.
    pub(super) fn finish(&self) -> Result<(), Violation> {
        match self.state {
            State::Between if self.gathered.is_empty() => Ok(()),
            _ => Err(Violation::of_connection(Code::H3_FRAME_ERROR, "the stream ended within a frame")),
        }
    }

    /// Adds a byte to a head that began in an earlier piece, and decides on the frame once the head is complete.
    fn complete_head(&mut self, byte: u8, rules: &mut impl Rules) -> Result<Option<Part>, Violation> {
        self.gathered.put_u8(byte);
        let Some(head) = FrameHead::parse(&self.gathered) else { return Ok(None) };
        match rules.judge(&head)? {
            Treatment::Gather => self.state = State::Gathering(head.length),
            Treatment::Pass => {
                self.state = State::Passing(head.length).unless_over();
                return Ok(Some(Part::Passing(mem::take(&mut self.gathered).freeze())));
            }
            Treatment::Skip => {
                self.gathered.clear();
                self.state = State::Skipping(head.length).unless_over();
            }
            Treatment::Replace(other) => {
                self.gathered.clear();
                self.state = State::Skipping(head.length).unless_over();
                return Ok(Some(Part::Frame(other)));
            }
        }
        Ok(None)
    }

    /// Takes up to `left` bytes. Returns the frame once it is complete.
    fn gather(&mut self, input: &mut Bytes, left: u64) -> Option<Bytes> {
        let taken = input.split_to(least(left, input.len()));
        let left = left - taken.len() as u64;
        self.state = State::Gathering(left).unless_over();
        if left == 0 && self.gathered.is_empty() {
            return Some(taken);
        }
        self.gathered.extend_from_slice(&taken);
        (left == 0).then(|| mem::take(&mut self.gathered).freeze())
    }
}

impl State {
    /// Returns the state itself, or `Between` if nothing is left of the frame.
    fn unless_over(self) -> Self {
        match self {
            Self::Passing(0) | Self::Gathering(0) | Self::Skipping(0) => Self::Between,
            unfinished => unfinished,
        }
    }
}

/// Returns the smaller of `count` and `length`.
fn least(count: u64, length: usize) -> usize {
    usize::try_from(count).map_or(length, |count| count.min(length))
}

#[cfg(test)]
mod tests;
