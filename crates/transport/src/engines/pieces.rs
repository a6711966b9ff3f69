//! Chunks that wait to be sent by one system call.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf as _, Bytes};

/// The most pieces of one system call: the kernel takes no more (UIO_MAXIOV in linux/uio.h).
pub(super) const MOST_PIECES: usize = 1024;

/// Chunks in the order in which they are sent. The beginning of the first may already be sent and gone.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Pieces {
    /// Adds a chunk.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.queue.push_back(chunk);
    }

    /// Returns the bytes of all pieces.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns whether the queue has as many pieces as one system call takes.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MOST_PIECES
    }

    /// Returns the first bytes, at most `most`, as slices in `space`.
    pub(super) fn first<'p, 's>(&'p self, most: usize, space: &'s mut [IoSlice<'p>]) -> &'s [IoSlice<'p>] {
        let (mut left, mut used) = (most, 0);
        for (slice, piece) in space.iter_mut().zip(&self.queue) {
            let Some(part) = piece.get(..piece.len().min(left)).filter(|part| !part.is_empty()) else {
                break;
            };
            *slice = IoSlice::new(part);
            (left, used) = (left - part.len(), used + 1);
        }
        space.get(..used).unwrap_or_default()
    }

    /// Drops the first `length` bytes.
    pub(super) fn advance(&mut self, length: usize) {
        let mut length = length.min(self.bytes);
        self.bytes -= length;
        while let Some(piece) = self.queue.front_mut() {
            if length < piece.len() {
                piece.advance(length);
                return;
            }
            length -= piece.len();
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_end_where_they_are_told_to_and_go_on_from_there() {
        let mut pieces = Pieces::default();
        for text in ["ab", "", "cde", "f"] {
            if !text.is_empty() {
                pieces.push(Bytes::from_static(text.as_bytes()));
            }
        }
        let text = |pieces: &Pieces, most| {
            let mut space = [IoSlice::new(&[]); 8];
            pieces.first(most, &mut space).iter().map(|slice| slice.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(text(&pieces, 3), [b"ab".to_vec(), b"c".to_vec()]);
        pieces.advance(3);
        assert_eq!((pieces.bytes(), text(&pieces, usize::MAX)), (3, vec![b"de".to_vec(), b"f".to_vec()]));
        pieces.advance(9);
        assert!(pieces.is_empty() && text(&pieces, 9).is_empty());
    }
}
