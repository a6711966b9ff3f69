//! The number of bodies that a transfer moves at once.

use record::{Fault, FaultKind, PROTOCOLS, Protocol};

/// The bodies that a transfer moves at once: a number of connections, with a number of bodies on each. The default is one
/// body.
///
/// ```
/// use longhaul_client::Load;
///
/// assert_eq!(Load::new(2, 8).bodies(), 16);
/// assert_eq!(Load::new(0, 0), Load::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// The number of connections.
    pub connections: u32,
    /// The number of bodies in flight on each connection.
    pub streams: u32,
}

impl Load {
    /// Returns a load of `connections` with `streams` bodies on each, and at least one of both.
    pub fn new(connections: u32, streams: u32) -> Self {
        Self { connections: connections.max(1), streams: streams.max(1) }
    }

    /// Returns the number of bodies.
    pub fn bodies(self) -> u64 {
        u64::from(self.connections) * u64::from(self.streams)
    }

    /// Checks that a protocol can carry [`streams`](Self::streams) bodies at once on a connection.
    ///
    /// # Errors
    /// Fails if the protocol carries one body at a time.
    pub fn check(self, protocol: &Protocol) -> Result<(), Fault> {
        if self.streams == 1 || protocol.has_streams() {
            return Ok(());
        }
        let has_streams = |row: &&Protocol| row.is_http() && row.has_streams();
        let several: Vec<_> = PROTOCOLS.iter().filter(has_streams).map(|row| row.name).collect();
        let message = format!(
            "a connection of {} carries one body at a time; use one of {}, or more connections",
            protocol.name,
            several.join(", ")
        );
        Err(Fault::new(FaultKind::Protocol, message))
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::new(1, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protocols_with_streams_carry_several_bodies_on_a_connection() {
        for protocol in PROTOCOLS.iter().filter(|row| row.is_http()) {
            assert!(Load::new(9, 1).check(protocol).is_ok());
            let checked = Load::new(1, 2).check(protocol);
            assert_eq!(checked.is_ok(), protocol.http() != Some("1.1"), "{}", protocol.name);
        }
        let fault = Load::new(1, 2).check(Protocol::by_name("h1c").unwrap()).unwrap_err();
        assert!(
            fault.message.contains("h1c carries one body at a time; use one of h2c, h2, h3"),
            "{fault:?}"
        );
    }
}
