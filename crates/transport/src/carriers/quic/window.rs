//! Receive windows that start small and grow as far as the budgets of the server and the buffer of its socket allow.

use std::sync::atomic::{AtomicU32, Ordering};

use super::share::Share;
use crate::window_budget::Window;

/// Windows that open as bytes pass. A window that is `None` is open from the start.
#[derive(Debug)]
pub(crate) struct OpeningWindows {
    pub(super) connection: quinn::Connection,
    /// The window of received bytes that the application has not read.
    pub(super) receive: Option<ReceiveWindow>,
    /// The window of sent bytes that the peer has not acknowledged.
    pub(super) send: Option<Window>,
}

/// A receive window, which is at most the connection's share of the socket's buffer.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    budgeted: Window,
    share: Share,
    /// The size that quinn was given last, in bytes.
    in_force: AtomicU32,
}

impl ReceiveWindow {
    pub(super) fn new(budgeted: Window, share: Share) -> Self {
        let in_force = AtomicU32::new(budgeted.size());
        Self { budgeted, share, in_force }
    }

    /// Counts bytes that have passed. Returns the size of the window if it has changed.
    fn take(&self, bytes: usize) -> Option<u32> {
        self.budgeted.take(bytes);
        let size = self.budgeted.size().min(self.share.bytes());
        (self.in_force.swap(size, Ordering::Relaxed) != size).then_some(size)
    }
}

impl OpeningWindows {
    /// Counts bytes that were written to streams. The send window may grow.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(size) = self.send.as_ref().and_then(|window| window.take(bytes)) {
            self.connection.set_send_window(size.into());
        }
    }

    /// Counts bytes that the application has read. The receive window may grow, or shrink as other connections come.
    pub(crate) fn taken(&self, bytes: usize) {
        if let Some(size) = self.receive.as_ref().and_then(|window| window.take(bytes)) {
            self.connection.set_receive_window(size.into());
        }
    }

    /// Opens the windows as far as the budgets allow, for an engine that does not count the bytes that pass.
    pub(crate) fn open(&self) {
        while let Some(size) = self.receive.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_receive_window(size.into());
        }
        while let Some(size) = self.send.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_send_window(size.into());
        }
    }
}
