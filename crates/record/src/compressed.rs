//! The opening of files that may be compressed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Opens a file. If its name ends in `.gz` or `.zst`, its content is decompressed.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = File::open(path)?;
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Some("zst") => Box::new(BufReader::new(ZstdFrames::new(BufReader::new(file)))),
        _ => Box::new(BufReader::new(file)),
    })
}

/// The content of all Zstandard frames of a source, one after the other (RFC 8878, section 3). Skippable frames have
/// no content. A frame whose checksum does not match its content is an error (section 3.1.1).
struct ZstdFrames<R> {
    source: R,
    /// The decoder of the present frame; `None` between frames.
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> Self {
        Self { source, frame: None }
    }

    /// Reads the header of the next frame, and the whole of skippable frames before it. Returns `None` at the end of
    /// the source.
    fn next_frame(&mut self) -> io::Result<Option<FrameDecoder>> {
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = FrameDecoder::new();
            match frame.init(&mut self.source) {
                Ok(()) => return Ok(Some(frame)),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(length.into())?,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(None)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        match io::copy(&mut (&mut self.source).take(length), &mut io::sink())? {
            skipped if skipped < length => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.next_frame()? {
                    Some(frame) => frame,
                    None => return Ok(0),
                },
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                let strategy = BlockDecodingStrategy::UptoBytes(buffer.len());
                frame.decode_blocks(&mut self.source, strategy).map_err(io::Error::other)?;
            }
            let read = frame.read(buffer)?;
            if read > 0 {
                self.frame = Some(frame);
                return Ok(read);
            }
            verify(&frame)?;
        }
    }
}

/// Checks the content of a frame that was read to its end against the frame's checksum, if it has one.
fn verify(frame: &FrameDecoder) -> io::Result<()> {
    match frame.get_checksum_from_data() {
        Some(stated) if frame.get_calculated_checksum() != Some(stated) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the content of a frame differs from its checksum",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn frame(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    fn content(source: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        ZstdFrames::new(source).read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn all_frames_are_read_and_skippable_ones_are_left_out() {
        // A skippable frame: magic number, length, content (RFC 8878, section 3.1.2).
        let skippable = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"???"].concat();
        let large: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_le_bytes).collect();
        let frames = [skippable.clone(), frame(b"a"), frame(b""), skippable.clone(), frame(&large)].concat();
        let expected = [b"a".as_slice(), &large].concat();
        assert_eq!(content(&frames).unwrap(), expected);
        assert_eq!(content(&[]).unwrap(), b"");
        let torn = &skippable[..skippable.len() - 1];
        assert_eq!(content(torn).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(content(&[frame(b"a"), b"rubbish".to_vec()].concat()).is_err());
    }

    #[test]
    fn a_frame_that_differs_from_its_checksum_is_an_error() {
        let whole = frame(b"a record, and another one");
        assert!(content(&whole).is_ok());
        let mut damaged = whole;
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(content(&damaged).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
