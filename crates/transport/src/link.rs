//! What a protocol and the kernel know about a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A connection as it is in effect, and what it has counted. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The application protocol that TLS agreed on.
    pub alpn: Option<String>,
    /// The cipher that TLS agreed on, by its IANA name.
    pub cipher: Option<String>,
    /// The kernel's send buffer, in bytes, as the kernel accounts it (Linux doubles what was asked for).
    pub socket_send_buffer_bytes: Option<u64>,
    /// The kernel's receive buffer, likewise.
    pub socket_receive_buffer_bytes: Option<u64>,
    /// Kernel memory that the socket holds now, in both directions, in bytes.
    pub socket_memory_bytes: Option<u64>,
    /// The largest payload of a TCP segment or a UDP datagram, in bytes.
    pub mtu: Option<u64>,
    /// Counters.
    pub stats: Option<Stats>,
}

/// The counters of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stats {
    /// From the kernel.
    Tcp(TcpStats),
    /// From quinn.
    Quic(QuicStats),
}

/// What the kernel counted for a TCP connection (TCP_INFO).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpStats {
    /// Segments sent again.
    pub retransmits: u64,
    /// Smoothed round-trip time.
    pub rtt_us: u64,
    /// Congestion window, in segments.
    pub cwnd: u64,
    /// The largest segment sent, in bytes.
    pub mss: u64,
    /// Payload bytes sent and acknowledged.
    pub bytes_acked: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
}

/// What quinn counted for a QUIC connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuicStats {
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Bytes in them, sent.
    pub bytes_sent: u64,
    /// Bytes in them, received.
    pub bytes_received: u64,
    /// System calls that sent them.
    pub sends: u64,
    /// System calls that received them.
    pub receives: u64,
    /// Packets taken for lost.
    pub lost_packets: u64,
    /// Times the congestion controller backed off.
    pub congestion_events: u64,
    /// The largest UDP payload of the path, in bytes.
    pub mtu: u64,
    /// Smoothed round-trip time.
    pub rtt_us: u64,
    /// Congestion window, in bytes.
    pub cwnd: u64,
}

impl Link {
    /// Takes another connection of the same end in: counters and socket memory add up; everything else
    /// stays as the first connection has it.
    pub fn add(&mut self, other: &Self) {
        self.socket_memory_bytes = match (self.socket_memory_bytes, other.socket_memory_bytes) {
            (Some(mine), Some(theirs)) => Some(mine + theirs),
            (mine, theirs) => mine.or(theirs),
        };
        match (&mut self.stats, &other.stats) {
            (Some(Stats::Tcp(mine)), Some(Stats::Tcp(theirs))) => mine.add(theirs),
            (Some(Stats::Quic(mine)), Some(Stats::Quic(theirs))) => mine.add(theirs),
            _ => {}
        }
    }
}

impl TcpStats {
    fn add(&mut self, other: &Self) {
        self.retransmits += other.retransmits;
        self.bytes_acked += other.bytes_acked;
        self.bytes_received += other.bytes_received;
    }
}

impl QuicStats {
    fn add(&mut self, other: &Self) {
        self.datagrams_sent += other.datagrams_sent;
        self.datagrams_received += other.datagrams_received;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.sends += other.sends;
        self.receives += other.receives;
        self.lost_packets += other.lost_packets;
        self.congestion_events += other.congestion_events;
    }
}
