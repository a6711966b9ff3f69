//! The window of one direction of a TCP connection that ends at the relay.

use std::{collections::VecDeque, time::Duration};

/// A bound on a sender's bytes in flight. Bytes leave the window once their acknowledgement would be back at the
/// sender.
#[derive(Debug)]
pub(crate) struct Window {
    size: u64,
    most_pieces: u64,
    held: u64,
    pieces: u64,
    /// The acknowledgements on their way back, with the times of their arrival and the bytes of each.
    acknowledgements: VecDeque<(Duration, u64)>,
}

impl Window {
    /// Returns an empty window of `size` bytes in at most `most_pieces` pieces.
    pub(crate) fn new(size: u64, most_pieces: u64) -> Self {
        Self { size, most_pieces, held: 0, pieces: 0, acknowledgements: VecDeque::new() }
    }

    /// Returns the bytes that the sender may send at the time `now`.
    pub(crate) fn room(&mut self, now: Duration) -> u64 {
        while let Some((_, bytes)) = self.acknowledgements.front().filter(|(due, _)| *due <= now) {
            self.held = self.held.saturating_sub(*bytes);
            self.pieces = self.pieces.saturating_sub(1);
            self.acknowledgements.pop_front();
        }
        if self.pieces < self.most_pieces { self.size.saturating_sub(self.held) } else { 0 }
    }

    /// Returns half of the window's size, at least one byte.
    pub(crate) fn half(&self) -> u64 {
        (self.size / 2).max(1)
    }

    /// Returns the arrival of the next acknowledgement; `None` if none is on its way.
    pub(crate) fn next_acknowledgement(&self) -> Option<Duration> {
        self.acknowledgements.front().map(|(due, _)| *due)
    }

    /// Adds a piece with this number of bytes. Returns the number of bytes that the window holds now.
    pub(crate) fn take(&mut self, bytes: u64) -> u64 {
        self.held = self.held.saturating_add(bytes);
        self.pieces = self.pieces.saturating_add(1);
        self.held
    }

    /// Sends the acknowledgement of a piece back, which arrives at `due`.
    pub(crate) fn acknowledge(&mut self, due: Duration, bytes: u64) {
        self.acknowledgements.push_back((due, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn bytes_leave_a_window_when_their_acknowledgement_arrives() {
        let mut window = Window::new(100, 9);
        assert_eq!(window.take(70), 70);
        window.acknowledge(5 * MS, 50);
        assert_eq!((window.room(4 * MS), window.next_acknowledgement()), (30, Some(5 * MS)));
        assert_eq!((window.room(5 * MS), window.next_acknowledgement()), (80, None));
        assert_eq!(window.take(90), 110);
        assert_eq!(window.room(6 * MS), 0);
    }

    #[test]
    fn pieces_of_a_few_bytes_fill_a_window_too() {
        let mut window = Window::new(100, 3);
        let rooms = [1, 2, 3].map(|_| {
            window.take(1);
            window.room(MS)
        });
        assert_eq!(rooms, [99, 98, 0]);
        window.acknowledge(5 * MS, 1);
        assert_eq!((window.room(4 * MS), window.room(5 * MS)), (0, 98));
    }
}
