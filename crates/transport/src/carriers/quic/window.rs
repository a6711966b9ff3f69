//! Receive windows that start small and grow as far as the budgets of the server allow.

use crate::window_budget::Window;

/// Windows that open as bytes pass. A window that is `None` is open from the start.
#[derive(Debug)]
pub(crate) struct OpeningWindows {
    pub(super) connection: quinn::Connection,
    /// The window of received bytes that were not taken.
    pub(super) receive: Option<Window>,
    /// The window of sent bytes that were not acknowledged.
    pub(super) send: Option<Window>,
}

impl OpeningWindows {
    /// Counts bytes that were written to streams, which may open the window.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(size) = self.send.as_ref().and_then(|window| window.take(bytes)) {
            self.connection.set_send_window(size.into());
        }
    }

    /// Counts bytes that were taken, which may open the window.
    pub(crate) fn taken(&self, bytes: usize) {
        if let Some(size) = self.receive.as_ref().and_then(|window| window.take(bytes)) {
            self.connection.set_receive_window(size.into());
        }
    }

    /// Opens the windows as far as the budgets allow, for an engine that does not count what passes.
    pub(crate) fn open(&self) {
        while let Some(size) = self.receive.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_receive_window(size.into());
        }
        while let Some(size) = self.send.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_send_window(size.into());
        }
    }
}
