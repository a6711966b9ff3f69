//! The counters of connections: of TCP, QUIC and HTTP/2.

use serde::{Deserialize, Serialize};

/// The counters of a connection, or of all connections of an end together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TransportStats {
    /// The counters of the kernel, for TCP.
    Tcp(TcpStats),
    /// The counters of quinn, for QUIC.
    Quic(QuicStats),
}

/// The numbers of waits of bodies sent over HTTP/2, by cause, over all connections. A wait that ends by the next poll of
/// the connection is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SendWaits {
    /// The waits for the peer's credit (RFC 9113 section 5.2), during which the socket took every write.
    pub credit: u64,
    /// The waits during which the socket refused a write because it was full.
    pub socket: u64,
}

/// The kernel's counters of a TCP connection or of several together (TCP_INFO).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TcpStats {
    /// The number of segments that were retransmitted.
    pub retransmits: u64,
    /// The smoothed round-trip time, in microseconds.
    pub rtt_us: u64,
    /// The congestion window, in segments.
    pub cwnd: u64,
    /// The largest segment sent, in bytes.
    pub mss: u64,
    /// The number of payload bytes that were sent and acknowledged.
    pub bytes_acked: u64,
    /// The number of payload bytes that were received.
    pub bytes_received: u64,
    /// The least round-trip time, in microseconds; null if there was none, and in records written before 2026-11-28.
    #[serde(default)]
    pub min_rtt_us: Option<u64>,
    /// The receive window that the peer advertised last, in bytes; null if the kernel does not state it, and in records
    /// written before 2026-11-28.
    #[serde(default)]
    pub peer_window: Option<u64>,
    /// The times during which data was outstanding, summed over all connections; null if the kernel does not state
    /// them, and in records written before 2026-11-28.
    #[serde(default)]
    pub busy: Option<TcpBusy>,
}

/// The time during which a TCP connection had data to send or to be acknowledged, in microseconds. The kernel counts in
/// ticks of its clock (1 to 10 ms).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TcpBusy {
    /// All of the time (tcpi_busy_time).
    pub total_us: u64,
    /// The part of the time during which the peer's receive window was full (tcpi_rwnd_limited).
    pub window_limited_us: u64,
    /// The part of the time during which the send buffer was full and everything in it was sent (tcpi_sndbuf_limited).
    pub buffer_limited_us: u64,
}

/// quinn's counters of a QUIC connection or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QuicStats {
    /// The number of UDP datagrams sent.
    pub datagrams_sent: u64,
    /// The number of UDP datagrams received.
    pub datagrams_received: u64,
    /// The number of bytes in the datagrams sent.
    pub bytes_sent: u64,
    /// The number of bytes in the datagrams received.
    pub bytes_received: u64,
    /// The number of system calls that sent datagrams.
    pub sends: u64,
    /// The number of system calls that received datagrams. One of the connections that share a socket states the calls
    /// of all, and the others zero. In records written before 2026-11-30, the number of datagrams.
    pub receives: u64,
    /// The number of packets that were declared lost.
    pub lost_packets: u64,
    /// The number of times that the congestion controller backed off.
    pub congestion_events: u64,
    /// The largest UDP payload of the path, in bytes.
    pub mtu: u64,
    /// The smoothed round-trip time, in microseconds.
    pub rtt_us: u64,
    /// The congestion window, in bytes.
    pub cwnd: u64,
    /// The least round-trip time, in microseconds; null in records written before 2026-11-28.
    #[serde(default)]
    pub min_rtt_us: Option<u64>,
    /// The frames by which an end told its peer that a window was full; null in records written before 2026-11-28.
    #[serde(default)]
    pub blocked: Option<QuicBlocked>,
    /// The number of times that the path stopped carrying packets of the largest size; null in records written before
    /// 2026-11-28.
    #[serde(default)]
    pub black_holes: Option<u64>,
}

/// The number of frames about a full window (RFC 9000 sections 19.12 and 19.13). A sender sends one for each limit that
/// it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QuicBlocked {
    /// The DATA_BLOCKED frames sent: the connection's window was full.
    pub connection_sent: u64,
    /// The STREAM_DATA_BLOCKED frames sent: the window of a stream was full.
    pub stream_sent: u64,
    /// The DATA_BLOCKED frames received.
    pub connection_received: u64,
    /// The STREAM_DATA_BLOCKED frames received.
    pub stream_received: u64,
}

impl TransportStats {
    /// Adds the counters of another connection of one end. Round-trip times, windows, and segment or packet sizes stay
    /// those of the first connection.
    pub fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Tcp(mine), Self::Tcp(theirs)) => {
                mine.retransmits += theirs.retransmits;
                mine.bytes_acked += theirs.bytes_acked;
                mine.bytes_received += theirs.bytes_received;
                mine.busy = together(mine.busy, theirs.busy, |a, b| TcpBusy {
                    total_us: a.total_us + b.total_us,
                    window_limited_us: a.window_limited_us + b.window_limited_us,
                    buffer_limited_us: a.buffer_limited_us + b.buffer_limited_us,
                });
            }
            (Self::Quic(mine), Self::Quic(theirs)) => {
                mine.datagrams_sent += theirs.datagrams_sent;
                mine.datagrams_received += theirs.datagrams_received;
                mine.bytes_sent += theirs.bytes_sent;
                mine.bytes_received += theirs.bytes_received;
                mine.sends += theirs.sends;
                mine.receives += theirs.receives;
                mine.lost_packets += theirs.lost_packets;
                mine.congestion_events += theirs.congestion_events;
                mine.black_holes = together(mine.black_holes, theirs.black_holes, |a, b| a + b);
                mine.blocked = together(mine.blocked, theirs.blocked, |a, b| QuicBlocked {
                    connection_sent: a.connection_sent + b.connection_sent,
                    stream_sent: a.stream_sent + b.stream_sent,
                    connection_received: a.connection_received + b.connection_received,
                    stream_received: a.stream_received + b.stream_received,
                });
            }
            _ => {}
        }
    }
}

/// Returns the sum of two counters; `None` if either is unknown.
fn together<T>(mine: Option<T>, theirs: Option<T>, sum: impl FnOnce(T, T) -> T) -> Option<T> {
    mine.zip(theirs).map(|(mine, theirs)| sum(mine, theirs))
}
