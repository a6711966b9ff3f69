//! A filter for the chunked coding that removes what a recipient may ignore: chunk extensions, and trailers beyond a
//! bound.
//!
//! hyper refuses a body whose extensions exceed 16 KiB in sum (CHUNKED_EXTENSIONS_LIMIT in its h1/decode.rs), however
//! long the body is. It also refuses trailers beyond the bounds of a head.

use std::io;

/// The most bytes of the extensions of one chunk.
const MOST_EXTENSION: usize = 16 << 10;

/// The most bytes of all trailers, including those that are dropped.
const MOST_TRAILERS: usize = 1 << 20;

/// The bounds within which trailers are kept: less than what hyper accepts, 16 KiB and 100 fields.
const KEPT_BYTES: usize = 12 << 10;
const KEPT_FIELDS: usize = 64;

/// A parser of the chunked coding.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// The size of the current chunk while it is being read, then the bytes of the chunk that are still to come.
    left: u64,
    /// The bytes of the extension of the current chunk, or of all trailers.
    length: usize,
    fields: usize,
    /// True if the current trailer is kept.
    is_kept: bool,
    /// The number of bytes in the current trailer line.
    line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// After a blank that follows the size: only an extension or the end of the line may follow.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    Trailers,
    Over,
}

impl Chunks {
    /// Returns a parser at the start of a body.
    pub(super) fn new() -> Self {
        Self { state: State::Size, left: 0, length: 0, fields: 0, is_kept: false, line: 0 }
    }

    /// Returns whether the body has ended.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Removes the parts of `bytes` that a recipient may ignore, and moves the rest to the start of `bytes`. Returns
    /// the number of examined bytes (all, unless the body ends earlier), and the number of bytes that are left of them.
    ///
    /// Malformed bytes remain, for hyper to refuse.
    ///
    /// # Errors
    /// Fails if the extension of a chunk or the trailers are too long, or a blank is within the size of a chunk.
    pub(super) fn strip(&mut self, bytes: &mut [u8]) -> io::Result<(usize, usize)> {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() && !self.is_over() {
            if self.state == State::Data {
                let length =
                    bytes.len().saturating_sub(at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                let end = at.saturating_add(length);
                if at != kept {
                    bytes.copy_within(at..end, kept);
                }
                self.left = self.left.saturating_sub(length as u64);
                (at, kept) = (end, kept.saturating_add(length));
                if self.left == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            let byte = bytes.get(at).copied().unwrap_or_default();
            if self.keeps(byte)? {
                if let Some(place) = bytes.get_mut(kept) {
                    *place = byte;
                }
                kept = kept.saturating_add(1);
            }
            at = at.saturating_add(1);
        }
        Ok((at, kept))
    }

    /// Parses one byte outside of chunk data. Returns whether the byte is kept.
    fn keeps(&mut self, byte: u8) -> io::Result<bool> {
        match (self.state, byte) {
            (State::Size, b' ' | b'\t') => {
                (self.state, self.length) = (State::Blank, 0);
                return Ok(false);
            }
            (State::Size | State::Blank, b';') => {
                (self.state, self.length) = (State::Extension, 0);
                return Ok(false);
            }
            (State::Blank, b' ' | b'\t') => {
                return self.count(MOST_EXTENSION, "the extension of a chunk").map(|()| false);
            }
            (State::Size | State::Blank | State::Extension, b'\r') => self.state = State::SizeEnd,
            (State::Size, digit) => {
                let digit = (digit as char).to_digit(16).unwrap_or_default();
                self.left = self.left.saturating_mul(16).saturating_add(digit.into());
            }
            // A bare LF is left, for hyper to refuse.
            (State::Blank | State::Extension, b'\n') => {}
            // If the blank were removed here, hyper would read the digits before and after it as one size.
            (State::Blank, _) => return Err(invalid("a blank within the size of a chunk")),
            (State::Extension, _) => {
                return self.count(MOST_EXTENSION, "the extension of a chunk").map(|()| false);
            }
            (State::SizeEnd, _) if self.left == 0 => {
                (self.state, self.length, self.line) = (State::Trailers, 0, 0);
            }
            (State::SizeEnd, _) => self.state = State::Data,
            (State::DataEnd, b'\n') => (self.state, self.left) = (State::Size, 0),
            (State::Trailers, byte) => return self.trailer(byte),
            (State::DataEnd | State::Data | State::Over, _) => {}
        }
        Ok(true)
    }

    /// Parses one byte of the trailers. Returns whether the byte is kept.
    fn trailer(&mut self, byte: u8) -> io::Result<bool> {
        self.count(MOST_TRAILERS, "the trailers of a body")?;
        if self.line == 0 {
            // The empty line ends the body.
            let is_last = matches!(byte, b'\r' | b'\n');
            self.is_kept = is_last || (self.fields < KEPT_FIELDS && self.length < KEPT_BYTES);
            self.fields = self.fields.saturating_add(usize::from(!is_last));
        }
        let is_last = self.line <= 1 && byte == b'\n';
        self.line = if byte == b'\n' { 0 } else { self.line.saturating_add(1) };
        if is_last {
            self.state = State::Over;
        }
        Ok(self.is_kept)
    }

    fn count(&mut self, most: usize, what: &str) -> io::Result<()> {
        self.length = self.length.saturating_add(1);
        if self.length > most {
            return Err(invalid(format!("{what} may have at most {most} bytes")));
        }
        Ok(())
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Strips `bytes` in pieces of `piece` bytes, up to the end of the body.
    fn strip(bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let (mut chunks, mut left) = (Chunks::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            let mut piece = piece.to_vec();
            let (seen, kept) = chunks.strip(&mut piece)?;
            left.extend(&piece[..kept]);
            if chunks.is_over() {
                return Ok(left);
            }
            assert_eq!(seen, piece.len());
        }
        panic!("no end after {:?}", String::from_utf8_lossy(&left));
    }

    #[test]
    fn extensions_are_removed_and_everything_else_is_left() {
        let bytes = b"3;sig=\"a;b\"\r\nab;\r\n5 ; x\r\n\r\n0\r\n\r\n0;last\r\na: b\r\n\r\nGET";
        for piece in 1..bytes.len() {
            let left = strip(bytes, piece).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&left),
                "3\r\nab;\r\n5\r\n\r\n0\r\n\r\n0\r\na: b\r\n\r\n",
                "{piece}"
            );
        }
    }

    #[test]
    fn trailers_beyond_the_bounds_are_dropped_whole() {
        let fields: String = (0..5000).map(|at| format!("field-{at}: {}\r\n", "v".repeat(100))).collect();
        let left = strip(format!("0\r\n{fields}\r\n").as_bytes(), 1000).unwrap();
        let left = String::from_utf8(left).unwrap();
        assert!(left.len() < 16 << 10 && left.ends_with("v\r\n\r\n"), "{}", left.len());
        assert!(left.lines().skip(1).all(|line| line.is_empty() || line.len() > 100));
        let endless = format!("0\r\nx: {}", "v".repeat(MOST_TRAILERS));
        assert!(Chunks::new().strip(&mut endless.into_bytes()).is_err());
    }

    #[test]
    fn a_blank_may_precede_an_extension_but_no_other_part_of_a_size() {
        assert_eq!(strip(b"5 \t \r\nhello\r\n0 ;x\r\n\r\n", 1).unwrap(), b"5\r\nhello\r\n0\r\n\r\n");
        for size in ["5 5", "5\t5", "5 x;y"] {
            assert!(Chunks::new().strip(&mut format!("{size}\r\nhello").into_bytes()).is_err(), "{size}");
        }
    }

    #[test]
    fn an_extension_without_end_is_an_error() {
        let endless = format!("1;{}", "x".repeat(MOST_EXTENSION + 1));
        assert!(Chunks::new().strip(&mut endless.into_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn bodies_pass_unchanged_however_they_are_cut(
            chunks in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..300), ".{0,20}"), 0..20),
            piece in 1_usize..400,
        ) {
            let (mut coded, mut expected) = (Vec::new(), Vec::new());
            for (data, extension) in &chunks {
                let extension: String = extension.chars().filter(|c| !c.is_control()).collect();
                coded.extend(format!("{:x};{extension}\r\n", data.len()).bytes());
                expected.extend(format!("{:x}\r\n", data.len()).bytes());
                for coding in [&mut coded, &mut expected] {
                    coding.extend(data);
                    coding.extend(b"\r\n");
                }
            }
            coded.extend(b"0\r\n\r\n");
            expected.extend(b"0\r\n\r\n");
            prop_assert_eq!(strip(&coded, piece).unwrap(), expected);
        }
    }
}
