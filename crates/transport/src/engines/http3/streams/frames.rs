//! The frames on a stream, told apart as its pieces arrive (RFC 9114 section 7).
//!
//! h3 0.0.8 buffers any frame but DATA until all of it has arrived, however long it claims to be, and sums up what it
//! buffers at each piece. It takes an empty DATA frame, or one that the end of the stream cuts off, for the end of the
//! body. So h3 gets the payload of DATA frames piece by piece, and any other frame in one piece or not at all. Payload
//! is neither copied nor looked at.

use std::mem;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h3::error::Code;

use super::violation::Violation;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The type.
    pub(super) kind: u64,
    /// The length of the payload.
    pub(super) length: u64,
    /// The length of the head itself.
    pub(super) size: usize,
}

impl FrameHead {
    /// Reads a head from the start of `bytes`; `None` if it is incomplete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, size) = integer(bytes)?;
        let (length, more) = integer(bytes.get(size..)?)?;
        Some(Self { kind, length, size: size + more })
    }

    /// The length of head and payload. Both have at most 62 bits.
    pub(super) fn total(&self) -> u64 {
        self.length.saturating_add(self.size as u64)
    }
}

/// Reads an integer of RFC 9000 section 16 from the start of `bytes`. Returns it with its length, or `None` if it is
/// incomplete.
pub(super) fn integer(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let rest = bytes.get(1..1 << (first >> 6))?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, 1 + rest.len()))
}

/// The treatment of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// h3 gets it piece by piece. Its payload is not empty.
    Pass,
    /// h3 gets it in one piece.
    Gather,
    /// h3 never learns of it.
    Skip,
    /// h3 gets other bytes at once, and the frame is skipped.
    Replace(Bytes),
}

/// The rules for the frames on a stream.
pub(super) trait Rules {
    /// Decides on a frame by its head.
    ///
    /// # Errors
    /// The frame must not come here, or it is too long.
    fn judge(&mut self, head: &FrameHead) -> Result<Treatment, Violation>;
}

/// Bytes for h3.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A part of one or more frames that pass.
    Passing(Bytes),
    /// A whole frame.
    Frame(Bytes),
}

/// The frames on a stream, up to the byte that was looked at last.
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
    /// This many bytes of a frame are still to pass.
    Passing(u64),
    /// This many bytes of a frame are still to be gathered.
    Gathering(u64),
    /// This many bytes of a frame are still to be skipped.
    Skipping(u64),
}

impl Frames {
    /// Takes bytes from the front of `input` until there is something for h3, or until nothing is left.
    ///
    /// # Errors
    /// The rules do not admit a frame.
    pub(super) fn next(
        &mut self,
        input: &mut Bytes,
        rules: &mut impl Rules,
    ) -> Result<Option<Part>, Violation> {
        // The bytes at the front that pass.
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
    /// The last frame is cut off.
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

    /// Takes up to `left` bytes; returns the frame if these are its last ones.
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
    /// The state itself, or the one between frames if nothing is left of this frame.
    fn unless_over(self) -> Self {
        match self {
            Self::Passing(0) | Self::Gathering(0) | Self::Skipping(0) => Self::Between,
            unfinished => unfinished,
        }
    }
}

/// The lesser of a count of bytes and the length of a buffer.
fn least(count: u64, length: usize) -> usize {
    usize::try_from(count).map_or(length, |count| count.min(length))
}

#[cfg(test)]
mod tests;
