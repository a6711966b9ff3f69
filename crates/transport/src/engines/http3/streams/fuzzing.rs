//! The entry point of a fuzz target. Only cargo-fuzz and tests compile it.

use bytes::Bytes;

use super::{
    Role,
    frames::{Frames, Part},
    message::Message,
    violation::Violation,
};

/// The largest field section, in bytes.
const LIMIT: u32 = 64 << 10;

/// Reads the frames of a message: the first byte states the role, the second the length of the pieces in which the rest
/// arrives. For any length of the pieces, h3 must get the same bytes, and the message must end in the same way.
pub fn h3_frames(data: &[u8]) {
    let [role, length, stream @ ..] = data else { return };
    let role = if role % 2 == 0 { Role::Server } else { Role::Client };
    let (whole, end) = read(role, stream, usize::MAX);
    let (pieces, other_end) = read(role, stream, usize::from(*length).max(1));
    assert_eq!(end, other_end);
    // Valid bytes in the same piece as a violation may be dropped.
    let is_same = if end.is_ok() { whole == pieces } else { pieces.starts_with(&whole) };
    assert!(is_same, "{} bytes for h3 in one piece, {} in pieces", whole.len(), pieces.len());
}

/// Returns the bytes for h3, and the end of the message.
fn read(role: Role, stream: &[u8], length: usize) -> (Vec<u8>, Result<(), Violation>) {
    let (mut frames, mut message) = (Frames::default(), Message::new(role, LIMIT, 100));
    let mut passed = Vec::new();
    for piece in stream.chunks(length) {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match frames.next(&mut piece, &mut message) {
                Err(violation) => return (passed, Err(violation)),
                Ok(None) => break,
                Ok(Some(Part::Passing(part))) => passed.extend_from_slice(&part),
                Ok(Some(Part::Frame(frame))) => match message.checked(frame) {
                    Err(violation) => return (passed, Err(violation)),
                    Ok(frame) => {
                        message.head_was_read();
                        passed.extend_from_slice(&frame);
                    }
                },
            }
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    (passed, frames.finish())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn no_file_of_the_corpus_is_a_finding() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/h3_frames");
        let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
        files.iter().for_each(|file| super::h3_frames(&fs::read(file).unwrap()));
        assert!(files.len() > 5);
    }
}
