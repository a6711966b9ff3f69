//! The heads of HTTP/2 frames in a byte stream, regardless of how reads or writes cut the stream.

use crate::framing::FrameParser;

/// The octets of the client's connection preface (RFC 9113 section 3.4).
pub(super) const PREFACE: u64 = 24;

/// The octets of a frame's head (RFC 9113 section 4.1).
const HEAD: usize = 9;

/// The octets of the payload of RST_STREAM and of WINDOW_UPDATE (RFC 9113 sections 6.4 and 6.9).
const NUMBER: u32 = 4;

/// The type of DATA, and its flag for padding (RFC 9113 section 6.1).
const DATA: u8 = 0;
const PADDED: u8 = 8;

/// The types of HEADERS, RST_STREAM, WINDOW_UPDATE and CONTINUATION (RFC 9113 sections 6.2, 6.4, 6.9 and 6.10).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// The header of a frame (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) stream: u32,
    pub(super) kind: Kind,
}

/// The kinds of frames that the parser distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DATA.
    Data {
        /// The payload without padding, in bytes.
        payload: u32,
        /// The bytes that flow control counts.
        flow: u32,
    },
    /// HEADERS, with its length in bytes.
    Headers(u32),
    /// CONTINUATION, with its length in bytes.
    Continuation(u32),
    /// RST_STREAM, with its error code.
    Reset(u32),
    /// WINDOW_UPDATE, with its increment in bytes.
    Credit(u32),
    /// Any other frame.
    Other,
}

/// A parser of frame heads.
#[derive(Debug)]
pub(super) struct Parser {
    /// The bytes to skip before the next head.
    skip: u64,
    /// The head that is being read, with the length of the padding or the number in the payload.
    head: [u8; HEAD + NUMBER as usize],
    /// The bytes of the head that were read.
    read: usize,
}

impl Parser {
    /// Returns a parser of a stream whose first frame follows `skip` bytes.
    pub(super) fn after(skip: u64) -> Self {
        Self { skip, head: [0; HEAD + NUMBER as usize], read: 0 }
    }

    /// Returns the number of bytes to skip before the next head.
    pub(super) fn skip(&self) -> u64 {
        self.skip
    }

    /// Parses bytes that were read or written, and calls `found` with the head of each frame.
    pub(super) fn parse(&mut self, mut bytes: &[u8], mut found: impl FnMut(FrameHead)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip = self.skip.saturating_sub(skipped as u64);
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.head.get_mut(self.read) {
                *byte = first;
            }
            (self.read, bytes) = (self.read.saturating_add(1), rest);
            if let Some((head, unread)) = self.head() {
                (self.skip, self.read) = (unread.into(), 0);
                found(head);
            }
        }
    }

    /// Returns the head that was read and the number of frame bytes that follow it, if the head is complete.
    fn head(&self) -> Option<(FrameHead, u32)> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, i0, i1, i2, i3] = self.head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let more = match kind {
            DATA if flags & PADDED != 0 => length.min(1),
            RST_STREAM | WINDOW_UPDATE if length == NUMBER => length,
            _ => 0,
        };
        if self.read < HEAD.saturating_add(more as usize) {
            return None;
        }
        let unread = length.saturating_sub(more);
        let padding = if more > 0 { i0.into() } else { 0 };
        let kind = match kind {
            DATA => Kind::Data { payload: unread.saturating_sub(padding), flow: length },
            HEADERS => Kind::Headers(length),
            CONTINUATION => Kind::Continuation(length),
            RST_STREAM if more > 0 => Kind::Reset(u32::from_be_bytes([i0, i1, i2, i3])),
            WINDOW_UPDATE if more > 0 => Kind::Credit(without_reserved([i0, i1, i2, i3])),
            _ => Kind::Other,
        };
        Some((FrameHead { stream: without_reserved([s0, s1, s2, s3]), kind }, unread))
    }
}

impl FrameParser for Parser {
    /// Finds DATA frames, by their payload without padding.
    fn parse(&mut self, bytes: &[u8], mut found: impl FnMut(u64)) {
        self.parse(bytes, |head| {
            if let Kind::Data { payload, .. } = head.kind {
                found(payload.into());
            }
        });
    }
}

/// Returns the number in the low 31 bits. The highest bit is reserved.
fn without_reserved(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & (u32::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::assert_found;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn parsed(parser: &mut Parser, bytes: &[u8]) -> Vec<(u32, Kind)> {
        let mut found = Vec::new();
        parser.parse(bytes, |head| found.push((head.stream, head.kind)));
        found
    }

    #[test]
    fn the_sizes_of_data_frames_are_those_of_their_payload() {
        let bytes = [
            frame(DATA, 0, 1, &[7; 300]),
            frame(HEADERS, 4, 3, b"head"),
            frame(DATA, PADDED, 5, &[2, 7, 7, 7, 0, 0]),
            frame(DATA, 1, 5, b""),
        ]
        .concat();
        assert_found(|| Parser::after(0), &bytes, &[300, 3, 0]);
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let padded = [&[250][..], &[7; 3], &[0; 250]].concat();
        let bytes = [
            vec![0; PREFACE as usize],
            frame(DATA, 0, 1, b"x"),
            frame(1, 0, 3, b"head"),
            frame(9, 4, 3, b"er"),
            frame(DATA, 0, 3, b""),
            frame(DATA, PADDED, 5, &padded),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]),
            frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 1, 2]),
            frame(WINDOW_UPDATE, 0, 1, b"bad"),
            frame(DATA, 1, 0x8000_0007, &[7; 300]),
        ]
        .concat();
        let data = |payload, flow| Kind::Data { payload, flow };
        let expected = [
            (1, data(1, 1)),
            (3, Kind::Headers(4)),
            (3, Kind::Continuation(2)),
            (3, data(0, 0)),
            (5, data(3, 254)),
            (3, Kind::Reset(8)),
            (0, Kind::Credit(258)),
            (1, Kind::Other),
            (7, data(300, 300)),
        ];
        assert_eq!(parsed(&mut Parser::after(PREFACE), &bytes), expected);
        for cut in 0..bytes.len() {
            let mut parser = Parser::after(PREFACE);
            let found = [parsed(&mut parser, &bytes[..cut]), parsed(&mut parser, &bytes[cut..])].concat();
            assert_eq!(found, expected, "cut at {cut}");
        }
    }
}
