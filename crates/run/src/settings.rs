//! The settings of a measurement: its timeout and address.

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
}

impl Settings {
    /// Settings of a measurement between two ends on one machine.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, address: None }
    }

    /// Sets the address that a server of this machine listens on.
    #[must_use]
    pub fn on_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }
}
