//! The chunks of HTTP/1.1 in the stream of one direction (RFC 9112).

use super::FrameParser;

/// The octets of a line that are kept. The rest of a longer line is skipped: names and values that matter here are
/// shorter.
const LINE: usize = 256;

/// A parser that finds the chunks of all messages, by their size. The last chunk of a body is empty and is not found.
#[derive(Debug, Default)]
pub(crate) struct Http1Chunks {
    state: State,
    /// The part of the current line that was read.
    line: Vec<u8>,
    head: Head,
}

/// The next part of the stream.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The first line of a message.
    #[default]
    Start,
    /// A line of the head.
    Field,
    /// The size of a chunk.
    Size,
    /// The octets of a chunk, of which this number is still to come.
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    /// A line of the trailers.
    Trailer,
    /// The octets of a body of announced length, of which this number is still to come.
    Announced(u64),
    /// A body that the end of the connection ends.
    Unframed,
}

/// The facts of a head that determine the framing of its body (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    is_chunked: bool,
    length: Option<u64>,
    /// True for a response that may have a body.
    may_be_unframed: bool,
}

impl FrameParser for Http1Chunks {
    fn parse(&mut self, mut bytes: &[u8], mut found: impl FnMut(u64)) {
        while !bytes.is_empty() {
            match self.state {
                State::Chunk(left) => {
                    self.state = skip(&mut bytes, left).map_or(State::ChunkEnd, State::Chunk)
                }
                State::Announced(left) => {
                    self.state = skip(&mut bytes, left).map_or(State::Start, State::Announced);
                }
                State::Unframed => return,
                _ => {
                    if self.read_line(&mut bytes) {
                        self.end_line(&mut found);
                    }
                }
            }
        }
    }
}

impl Http1Chunks {
    /// Reads up to the end of a line. Returns whether the line is complete.
    fn read_line(&mut self, bytes: &mut &[u8]) -> bool {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (bytes.get(..end), bytes.get(end.saturating_add(1)..)),
            None => (Some(*bytes), None),
        };
        let line = line.unwrap_or_default();
        let room = LINE.saturating_sub(self.line.len()).min(line.len());
        self.line.extend_from_slice(line.get(..room).unwrap_or_default());
        *bytes = rest.unwrap_or_default();
        end.is_some()
    }

    /// Acts on a complete line.
    fn end_line(&mut self, found: &mut impl FnMut(u64)) {
        let line = self.line.trim_ascii_end();
        let is_empty = line.is_empty();
        self.state = match self.state {
            // Empty lines may come before a request (RFC 9112 section 2.2).
            State::Start if is_empty => State::Start,
            State::Start => {
                self.head = Head::of(line);
                State::Field
            }
            State::Field if is_empty => self.head.body(),
            State::Field => {
                self.head.note(line);
                State::Field
            }
            State::Size => match chunk_size(line) {
                0 => State::Trailer,
                size => {
                    found(size);
                    State::Chunk(size)
                }
            },
            State::ChunkEnd => State::Size,
            State::Trailer if is_empty => State::Start,
            unchanged => unchanged,
        };
        self.line.clear();
    }
}

impl Head {
    /// Returns the facts of a head that begins with `line`.
    fn of(line: &[u8]) -> Self {
        // A status line is "HTTP/1.1 200 OK". Interim responses (1xx), 204 and 304 have no body.
        let status = line.starts_with(b"HTTP/").then(|| line.get(9..12).unwrap_or_default());
        let may_be_unframed =
            status.is_some_and(|status| !status.starts_with(b"1") && status != b"204" && status != b"304");
        Self { may_be_unframed, ..Self::default() }
    }

    /// Notes a field.
    fn note(&mut self, line: &[u8]) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = value.len() >= CHUNKED.len()
                && value.iter().rev().zip(CHUNKED.iter().rev()).all(|(a, b)| a.eq_ignore_ascii_case(b));
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
        }
    }

    /// Returns the state after the head.
    fn body(self) -> State {
        match self.length {
            _ if self.is_chunked => State::Size,
            Some(length) if length > 0 => State::Announced(length),
            None if self.may_be_unframed => State::Unframed,
            _ => State::Start,
        }
    }
}

/// The last coding of a chunked body.
const CHUNKED: &[u8] = b"chunked";

/// Returns the size at the start of a line, before any extension.
fn chunk_size(line: &[u8]) -> u64 {
    let digits = line.iter().map_while(|byte| char::from(*byte).to_digit(16));
    digits.fold(0_u64, |size, digit| size.saturating_mul(16).saturating_add(digit.into()))
}

/// Skips up to `left` octets. Returns the number that is still to come; `None` if there are no more.
fn skip(bytes: &mut &[u8], left: u64) -> Option<u64> {
    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = bytes.get(skipped..).unwrap_or_default();
    Some(left.saturating_sub(skipped as u64)).filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::assert_found, *};

    #[test]
    fn chunks_of_requests_are_found_however_they_are_cut() {
        let bytes = b"PUT /a HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
            3\r\na\r\n\r\n1a;ext=\"1\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nchecksum: 7\r\n\r\n\
            \r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n\
            PUT /b HTTP/1.1\r\nContent-Length: 8\r\n\r\n5\r\nabc\r\n\
            PUT /c HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
            00F\r\n0123456789abcde\r\n0\r\n\r\n";
        assert_found(Http1Chunks::default, bytes, &[3, 26, 15]);
    }

    #[test]
    fn responses_without_a_length_end_the_search_unless_they_have_no_body() {
        let bytes =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\
            \r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\nserver: a\r\n\r\n\
            HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
        assert_found(Http1Chunks::default, bytes, &[2]);
    }

    #[test]
    fn long_lines_and_absurd_sizes_take_no_memory_and_break_nothing() {
        let mut parser = Http1Chunks::default();
        let mut found = Vec::new();
        parser.parse(b"PUT / HTTP/1.1\r\nx: ", |size| found.push(size));
        parser.parse(&[b'a'; 10 * LINE], |size| found.push(size));
        assert!(parser.line.capacity() <= 2 * LINE, "{}", parser.line.capacity());
        parser.parse(b"\r\ntransfer-encoding:chunked\r\n\r\nfffffffffffffffffff\r\nab", |size| {
            found.push(size)
        });
        assert_eq!(found, [u64::MAX]);
    }
}
