//! The settings of a measurement that do not belong to its case.

use std::{net::IpAddr, time::Duration};

/// The settings of a measurement that do not belong to its case.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The time without progress after which a transfer is aborted.
    pub timeout: Duration,
    /// The address that the server of a run listens on. `None` is the loopback address of IPv4, or of IPv6 if there is
    /// no IPv4.
    pub address: Option<IpAddr>,
    /// The port that the server of a run listens on, over TCP or UDP. With 0, the kernel chooses a free one.
    pub port: u16,
    /// True if the receiver counts the chunks, frames, records and datagrams that arrive, which takes processor time.
    pub observes_framing: bool,
    /// True if both ends log the events of their connections to standard error. The variable LONGHAUL_LOG sets the
    /// level, and enables the log by itself.
    pub logs: bool,
}

impl Settings {
    /// Returns the settings of a measurement between two ends on one machine.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, address: None, port: 0, observes_framing: false, logs: false }
    }

    /// Sets the address that the server of a run listens on.
    #[must_use]
    pub fn on_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Sets the port that the server of a run listens on; 0 is any free one.
    #[must_use]
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Makes the receiver count the chunks, frames, records and datagrams that arrive.
    #[must_use]
    pub fn observing_framing(self) -> Self {
        Self { observes_framing: true, ..self }
    }

    /// Makes both ends log the events of their connections to standard error.
    #[must_use]
    pub fn logging(self) -> Self {
        Self { logs: true, ..self }
    }
}
