//! The receive window of a connection, where it starts small and opens as the budget of the server allows.

use crate::receive_budget::Window;

/// A window that opens as bytes are taken from streams.
#[derive(Debug)]
pub(crate) struct OpeningWindow {
    connection: quinn::Connection,
    window: Window,
}

impl OpeningWindow {
    pub(super) fn new(connection: quinn::Connection, window: Window) -> Self {
        Self { connection, window }
    }

    /// Counts bytes that were taken, which may open the window.
    pub(crate) fn taken(&self, bytes: usize) {
        if let Some(size) = self.window.take(bytes) {
            self.connection.set_receive_window(size.into());
        }
    }

    /// Opens the window as far as the budget allows, for an engine that does not count what it takes.
    pub(crate) fn open(&self) {
        while let Some(size) = self.window.take(usize::MAX) {
            self.connection.set_receive_window(size.into());
        }
    }
}
