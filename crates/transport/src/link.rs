//! The state of a connection, as protocol and kernel know it.

use record::{LinkRecord, SendWaits, TransportStats};

/// The parameters of a connection in effect, and its counters. Unknown facts are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The application protocol that TLS agreed on.
    pub alpn: Option<String>,
    /// The cipher suite that TLS agreed on, by its IANA name.
    pub cipher: Option<String>,
    /// True if the handshake of TLS resumed an earlier session, in place of verifying a certificate.
    pub resumed: Option<bool>,
    /// True if the server accepted early data (RFC 8446 section 2.3); `None` if none was sent.
    pub early_data: Option<bool>,
    /// The send buffer of the socket in bytes, as the kernel accounts it: Linux doubles the requested size.
    pub socket_send_buffer_bytes: Option<u64>,
    /// The receive buffer of the socket in bytes, as the kernel accounts it.
    pub socket_receive_buffer_bytes: Option<u64>,
    /// The kernel memory that the socket holds now, in both directions, in bytes.
    pub socket_memory_bytes: Option<u64>,
    /// The bytes that the peer has read from a Unix socket, rounded down to the buffers that the kernel has released;
    /// `None` for other connections.
    pub unix_bytes_read: Option<u64>,
    /// The largest payload of a TCP segment or a UDP datagram, in bytes.
    pub mtu: Option<u64>,
    /// TCP's congestion controller in effect.
    pub congestion: Option<String>,
    /// The waits of bodies that are sent; `None` unless the engine counts them.
    pub send_waits: Option<SendWaits>,
    /// The receive window of a connection of HTTP/2, in bytes.
    pub receive_window_bytes: Option<u64>,
    /// The counters of the connection.
    pub stats: Option<TransportStats>,
}

impl Link {
    /// Adds another connection of the same end: counters, waits and socket memory add up, the larger receive window
    /// stays, and everything else stays that of the first connection.
    pub fn add(&mut self, other: &Self) {
        self.socket_memory_bytes = match (self.socket_memory_bytes, other.socket_memory_bytes) {
            (Some(mine), Some(theirs)) => Some(mine + theirs),
            (mine, theirs) => mine.or(theirs),
        };
        self.receive_window_bytes = self.receive_window_bytes.max(other.receive_window_bytes);
        if let (Some(mine), Some(theirs)) = (&mut self.send_waits, &other.send_waits) {
            *mine = SendWaits { credit: mine.credit + theirs.credit, socket: mine.socket + theirs.socket };
        }
        if let (Some(mine), Some(theirs)) = (&mut self.stats, &other.stats) {
            mine.add(theirs);
        }
    }

    /// Returns the facts about the connection that a record states.
    pub fn record(&self) -> LinkRecord {
        let mut record = LinkRecord::default();
        record.alpn = self.alpn.clone();
        record.cipher = self.cipher.clone();
        record.socket_send_buffer_bytes = self.socket_send_buffer_bytes;
        record.socket_receive_buffer_bytes = self.socket_receive_buffer_bytes;
        record.mtu = self.mtu;
        record.congestion = self.congestion.clone();
        record
    }
}

#[cfg(test)]
mod tests {
    use record::TcpStats;

    use super::*;

    fn link(mtu: u64, bytes_acked: u64, socket_memory_bytes: Option<u64>) -> Link {
        let stats = Some(TransportStats::Tcp(TcpStats { bytes_acked, ..TcpStats::default() }));
        Link { mtu: Some(mtu), stats, socket_memory_bytes, ..Link::default() }
    }

    #[test]
    fn the_connections_of_an_end_add_up_in_counters_and_memory_alone() {
        let mut all = link(1400, 5, None);
        let windowed = |bytes| Link { receive_window_bytes: Some(bytes), ..Link::default() };
        let mut windows = windowed(70_000);
        windows.add(&windowed(90_000));
        windows.add(&windowed(80_000));
        assert_eq!(windows, windowed(90_000));
        all.add(&link(9000, 7, Some(100)));
        all.add(&link(9000, 1, Some(50)));
        assert_eq!(all, link(1400, 13, Some(150)));
        assert_eq!(all.record().mtu, Some(1400));
    }
}
