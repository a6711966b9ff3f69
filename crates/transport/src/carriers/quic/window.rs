//! Receive windows that start small and grow as far as the budgets of the server allow.

use super::seat::Seat;
use crate::window_budget::Window;

/// Windows that open as bytes pass. A window that is `None` is open from the start.
#[derive(Debug)]
pub(crate) struct OpeningWindows {
    pub(super) connection: quinn::Connection,
    /// The window of received bytes that the application has not read.
    pub(super) receive: Option<Window>,
    /// The window of sent bytes that the peer has not acknowledged.
    pub(super) send: Option<Window>,
    /// The connection's part of the socket's receive buffer; `None` if the receive window is open from the start.
    pub(super) seat: Option<Seat>,
}

impl OpeningWindows {
    /// Counts bytes that were written to streams. The send window may grow.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(size) = self.send.as_ref().and_then(|window| window.take(bytes)) {
            self.connection.set_send_window(size.into());
        }
    }

    /// Counts bytes that the application has read. The receive window may grow. If connections take turns, it may also
    /// close until the connection's next turn.
    pub(crate) fn taken(&self, bytes: usize) {
        let Some(window) = &self.receive else { return };
        match &self.seat {
            Some(seat) => seat.taken(bytes, window, &self.connection),
            None => {
                if let Some(size) = window.take(bytes) {
                    self.connection.set_receive_window(size.into());
                }
            }
        }
    }

    /// Opens the windows as far as the budgets allow, and leaves the turns. Meant for an engine that does not count the
    /// bytes that pass.
    pub(crate) fn open(&self) {
        self.seat.iter().for_each(Seat::leave);
        while let Some(size) = self.receive.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_receive_window(size.into());
        }
        while let Some(size) = self.send.as_ref().and_then(|window| window.take(usize::MAX)) {
            self.connection.set_send_window(size.into());
        }
    }
}
