//! The settings of a measurement that do not belong to its case.

use std::{net::IpAddr, time::Duration};

/// The settings of a measurement that do not belong to its case.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The time without progress after which a transfer is aborted.
    pub timeout: Duration,
    /// The address that a server of this machine listens on. `None` for the loopback address of IPv4, or of IPv6 if
    /// there is no IPv4.
    pub address: Option<IpAddr>,
    /// True if the receiver counts the chunks, frames, records and datagrams that arrive, which takes processor time.
    pub observes_framing: bool,
    /// True if both ends log what their connections do to standard error. The variable LONGHAUL_LOG chooses another
    /// level.
    pub logs: bool,
}

impl Settings {
    /// Settings of a measurement between two ends on one machine.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, address: None, observes_framing: false, logs: false }
    }

    /// Sets the address that a server of this machine listens on.
    #[must_use]
    pub fn on_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Makes the receiver count the chunks, frames, records and datagrams that arrive.
    #[must_use]
    pub fn observing_framing(self) -> Self {
        Self { observes_framing: true, ..self }
    }

    /// Makes both ends log what their connections do to standard error.
    #[must_use]
    pub fn logging(self) -> Self {
        Self { logs: true, ..self }
    }
}
