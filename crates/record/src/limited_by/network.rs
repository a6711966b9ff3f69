//! The windows, the buffers and the path as causes, from the counters of connections.

use crate::{
    ByteSize, Cause, End, H2_WINDOW, LimitedBy, QUIC_CONNECTION_WINDOW, QUIC_SEND_WINDOW, QUIC_WINDOW,
    QuicStats, Record, SOCKET_BUFFER, TcpStats, TransportStats,
};

use super::shares::Shares;

/// The least share of the time in which a sender is idle, or a TCP connection has data outstanding, if windows, buffers
/// or the path limit goodput. A sender that the processors of both ends limit in turns is idle for less.
const IDLE: f64 = 0.2;

/// The least ratio of the round-trip time to the shortest one of the run that shows a queue on the path.
const QUEUED_RATIO: f64 = 2.0;

/// The shortest wait in a queue on the path that counts as evidence, in microseconds. On loopback, the ends take turns,
/// which alone makes round trips of up to half a millisecond.
const QUEUED_US: u64 = 1000;

/// The least sum of the shares in which both ends work, busy-poll or wait for their cores, if the ends themselves delay
/// packets. Of two ends that work in turns, one always works.
const ENDS_DELAY: f64 = 0.9;

/// The shortest wait in a queue that counts as evidence if the ends themselves delay packets, in microseconds. It is a
/// tick of the scheduler at 250 Hz: for so long, another process may keep the core of an end.
const QUEUED_BEHIND_ENDS_US: u64 = 4000;

/// The most bytes in flight as a multiple of their bound, if a queue on the path is to explain the round-trip time. By
/// Little's law, the bytes in flight are goodput times round-trip time.
///
/// The factor allows for a goodput that is the mean of the run, and a round-trip time that is of its end. Above the
/// factor, packets wait for the core of an end, and are late, but not in flight.
const IN_FLIGHT: f64 = 2.0;

/// The largest share of a window at which the congestion window is the cause. A congestion window stops growing once it
/// exceeds the bytes in flight, so it ends a little above a window that limits.
const SMALLER: f64 = 0.9;

/// The least share of a congestion window that the bytes in flight fill, if the congestion window limits goodput and
/// not another window of unknown size. Losses must have cut the congestion window.
///
/// Over a path with a loss of 5 %, the measured share was 0.8. A window that limits is from a tenth to two thirds of
/// the congestion window: without losses, the congestion window grows up to twice the bytes in flight.
const FILLED: f64 = 0.5;

/// The least share of a window or buffer of QUIC that the bytes in flight fill, if it limits goodput. If they fill less
/// in a short run, slow start took most of it, and the congestion window of that time was smaller.
///
/// Over a path of 60 ms, a body of 4 MiB filled 36 % of a send buffer of 1 MiB. A larger buffer changed nothing.
const REACHED: f64 = 0.5;

/// The longest transfer of which slow start can take most, in round trips. It doubles its window in each of them, and
/// fills a default window within ten.
const SLOW_START_ROUND_TRIPS: f64 = 20.0;

/// The shortest round-trip time of a run, in microseconds, from which goodput and round-trip time tell the bytes in
/// flight. On loopback, most of a round trip is the wait of a packet for an end, and varies: the bytes computed in a full
/// window of 32 KiB were 6 to 98 % of it.
const MEASURABLE_US: u64 = 1000;

/// A bound on the bytes in flight: the cause that it stands for, and its size.
pub(super) struct Bound {
    pub(super) cause: Cause,
    /// The bytes of all connections and streams together; `None` if the number is unknown.
    pub(super) bytes: Option<u64>,
}

impl Bound {
    /// Returns this bound, or the congestion windows of all connections if they are smaller. `congestion` is their sum
    /// in bytes.
    fn or_congestion(self, congestion: u64, flight: &Flight) -> Self {
        let is_smaller = match self.bytes {
            Some(bytes) => (congestion as f64) < SMALLER * bytes as f64,
            None => flight.has_losses && flight.bytes >= FILLED * congestion as f64,
        };
        match is_smaller {
            true => Self { cause: Cause::CongestionWindow, bytes: Some(congestion) },
            false => self,
        }
    }

    /// Returns this bound if the bytes in flight reached it. Otherwise returns the congestion window of the slow start, of
    /// unknown size because it grew, or `None` if the transfer is too long for that.
    fn or_slow_start(self, flight: &Flight) -> Option<Self> {
        let is_reached = |bytes: u64| flight.bytes >= REACHED * bytes as f64;
        let is_full = !flight.is_measurable || self.bytes.is_none_or(is_reached);
        if is_full || self.cause == Cause::CongestionWindow {
            return Some(self);
        }
        let is_short = flight.round_trips <= SLOW_START_ROUND_TRIPS;
        is_short.then_some(Self { cause: Cause::CongestionWindow, bytes: None })
    }
}

/// The bytes in flight: goodput times round-trip time.
struct Flight {
    bytes: f64,
    /// The length of the transfer in round trips.
    round_trips: f64,
    is_measurable: bool,
    has_losses: bool,
}

impl Record {
    /// Returns the window, the buffer or the path that limited goodput; `None` if the counters name none. `ready` is
    /// the sum of the shares in which the ends work, busy-poll or wait for their cores.
    pub(super) fn network_limit(
        &self,
        elapsed_s: f64,
        sender: Option<&Shares>,
        ready: f64,
    ) -> Option<LimitedBy> {
        let idle = sender.map_or(1.0, Shares::idle);
        if idle < IDLE {
            return None;
        }
        if let Some(limited) = self.emulated_rate(elapsed_s, idle) {
            return Some(limited);
        }
        let Some(end) = &self.sender else { return self.seen_by_the_receiver(elapsed_s) };
        let transport = end.transport.as_ref()?;
        let relay = self.relay_of_tcp().filter(|_| matches!(transport, TransportStats::Tcp(_)));
        let path = relay.map_or_else(|| self.path_of(transport), Path::of_relay);
        let in_flight = self.case.total_bytes() as f64 / elapsed_s * path.rtt_us as f64 / 1e6;
        let is_measurable = path.min_rtt_us.is_some_and(|least| least >= MEASURABLE_US);
        let round_trips = elapsed_s * 1e6 / path.rtt_us.max(1) as f64;
        let flight = Flight { bytes: in_flight, round_trips, is_measurable, has_losses: path.losses > 0 };
        let bound = match transport {
            TransportStats::Tcp(tcp) => match relay {
                None => self.tcp_bound(tcp, elapsed_s, &flight)?,
                Some(relay) => self.bound_of_relayed_tcp(relay)?,
            },
            TransportStats::Quic(quic) => self.quic_bound(quic, &flight)?,
        };
        let least = if ready < ENDS_DELAY { QUEUED_US } else { QUEUED_BEHIND_ENDS_US };
        let has_room = bound.bytes.is_none_or(|bytes| in_flight <= IN_FLIGHT * bytes as f64);
        if let Some(evidence) = path.queue(least).filter(|_| has_room) {
            let rate = self.total_rate(elapsed_s);
            return Some(LimitedBy::new(Cause::PathRate, idle, format!("{rate}, {evidence}")));
        }
        Some(self.limited_by(&bound, &path, idle, elapsed_s))
    }

    /// Returns the path of a connection, with the facts of an emulated network.
    fn path_of(&self, stats: &TransportStats) -> Path {
        let path = Path::of(stats);
        match &self.network {
            Some(network) => path.over(network, self.case.direction),
            None => path,
        }
    }

    fn limited_by(&self, bound: &Bound, path: &Path, share: f64, elapsed_s: f64) -> LimitedBy {
        let round_trip = path.round_trip();
        // Windows grow: one that is as large as the body at the end was smaller when it limited.
        let is_filled = |bytes: &u64| (1..self.case.total_bytes()).contains(bytes);
        let evidence = match bound.bytes.filter(is_filled) {
            Some(bytes) => {
                let seconds = bytes as f64 * elapsed_s / self.case.total_bytes().max(1) as f64;
                format!("{} per {}{round_trip}", measured(bytes), millis(seconds))
            }
            None => format!("full{round_trip}"),
        };
        let losses = if bound.cause == Cause::CongestionWindow { path.losses() } else { String::new() };
        LimitedBy::new(bound.cause, share, format!("{evidence}{losses}"))
    }

    pub(super) fn total_rate(&self, elapsed_s: f64) -> String {
        format!("{:.1} Mbit/s", self.case.total_bytes() as f64 * 8.0 / elapsed_s / 1e6)
    }

    /// Returns the number of streams per connection, and the number of connections.
    fn flows(&self) -> (u64, u64) {
        (u64::from(self.case.streams.max(1)), u64::from(self.case.connections.max(1)))
    }

    /// Returns whether the receiver is longhaul's own. The limits of the record are then the receiver's windows.
    fn has_own_receiver(&self) -> bool {
        self.receiver.is_some()
            && self.subject.is_none_or(|subject| subject.end(self.case.direction) != End::Receiver)
    }

    /// Returns the windows of HTTP/2 as the bound, if bodies waited more often for credit than for the socket.
    pub(super) fn http2_bound(&self) -> Option<Bound> {
        let waits = self.sender.as_ref()?.send_waits?;
        let (streams, connections) = self.flows();
        let window = self.has_own_receiver().then(|| self.http2_window());
        let cause = if streams > 1 { Cause::ConnectionWindow } else { Cause::StreamWindow };
        let bytes = window.map(|window| window.saturating_mul(connections));
        (waits.credit > waits.socket).then_some(Bound { cause, bytes })
    }

    /// Returns the bound that holds over TCP: HTTP/2's windows, the receive window, the send buffer, or the congestion
    /// window. `None` if the kernel states no times.
    fn tcp_bound(&self, tcp: &TcpStats, elapsed_s: f64, flight: &Flight) -> Option<Bound> {
        let (_, connections) = self.flows();
        let congestion = tcp.cwnd.saturating_mul(tcp.mss).saturating_mul(connections);
        if let Some(bound) = self.http2_bound() {
            return Some(bound.or_congestion(congestion, flight));
        }
        let busy = tcp.busy?;
        let limited = busy.window_limited_us.saturating_add(busy.buffer_limited_us);
        let rest = busy.total_us.saturating_sub(limited);
        let most = rest.max(busy.window_limited_us).max(busy.buffer_limited_us);
        let outstanding = elapsed_s * connections as f64 * 1e6;
        if (busy.total_us as f64) < IDLE * outstanding {
            return None;
        }
        Some(if most == busy.buffer_limited_us {
            let buffer = self.limits.bytes_unless_auto(&SOCKET_BUFFER);
            Bound { cause: Cause::SendBuffer, bytes: buffer.map(|buffer| buffer.saturating_mul(connections)) }
        } else if most == busy.window_limited_us {
            let window = tcp.peer_window.map(|window| window.saturating_mul(connections));
            Bound { cause: Cause::ConnectionWindow, bytes: window }
        } else {
            Bound { cause: Cause::CongestionWindow, bytes: Some(congestion) }
        })
    }

    /// Returns the receive window over HTTP/2 in bytes: the one in effect at the end of the transfer, or that of the
    /// limits in older records.
    fn http2_window(&self) -> u64 {
        let in_effect = self.receiver.as_ref().and_then(|end| end.receive_window_bytes);
        in_effect.unwrap_or_else(|| self.limits.bytes(&H2_WINDOW))
    }

    /// Returns the smallest bound over QUIC. A window of the peer is a bound only if the sender reported that it was
    /// full. A bound that the bytes in flight did not reach gives way to the slow start.
    fn quic_bound(&self, quic: &QuicStats, flight: &Flight) -> Option<Bound> {
        let (streams, connections) = self.flows();
        let blocked = quic.blocked?;
        let of = |limit| self.limits.bytes(limit).saturating_mul(connections);
        let is_own = self.has_own_receiver();
        let of_peer = |limit| is_own.then(|| of(limit));
        let windows = [
            (
                blocked.stream_sent > 0,
                Cause::StreamWindow,
                of_peer(&QUIC_WINDOW).map(|bytes| bytes.saturating_mul(streams)),
            ),
            (blocked.connection_sent > 0, Cause::ConnectionWindow, of_peer(&QUIC_CONNECTION_WINDOW)),
        ];
        let windows = windows.into_iter().filter(|(is_full, ..)| *is_full);
        let buffer = (true, Cause::SendBuffer, Some(of(&QUIC_SEND_WINDOW)));
        let bounds = windows.chain([buffer]).map(|(_, cause, bytes)| Bound { cause, bytes });
        // A window of unknown size that was full is smaller than the send buffer.
        let smallest = bounds.min_by_key(|bound| bound.bytes.unwrap_or(0))?;
        let congestion = quic.cwnd.saturating_mul(connections);
        smallest.or_congestion(congestion, flight).or_slow_start(flight)
    }

    /// Returns the window of a receiver whose sender is a program of someone else, if that sender reported that the
    /// window was full.
    fn seen_by_the_receiver(&self, elapsed_s: f64) -> Option<LimitedBy> {
        let stats = self.receiver.as_ref()?.transport.as_ref()?;
        let TransportStats::Quic(quic) = stats else { return None };
        let (blocked, (streams, connections)) = (quic.blocked?, self.flows());
        let of = |limit, count: u64| Some(self.limits.bytes(limit).saturating_mul(count));
        let bound = match (blocked.stream_received, blocked.connection_received) {
            (0, 0) => return None,
            (streams_full, full) if streams_full >= full => {
                Bound { cause: Cause::StreamWindow, bytes: of(&QUIC_WINDOW, streams * connections) }
            }
            _ => Bound { cause: Cause::ConnectionWindow, bytes: of(&QUIC_CONNECTION_WINDOW, connections) },
        };
        Some(self.limited_by(&bound, &Path::of(stats), 1.0, elapsed_s))
    }
}

/// The round-trip times and losses of the path, according to the counters of one end.
pub(super) struct Path {
    pub(super) rtt_us: u64,
    /// The shortest round trip without a queue.
    pub(super) min_rtt_us: Option<u64>,
    /// The longest time for which a packet may have waited in a queue.
    pub(super) longest_wait_us: u64,
    pub(super) losses: u64,
}

impl Path {
    fn of(stats: &TransportStats) -> Self {
        let (rtt_us, min_rtt_us, losses) = match stats {
            TransportStats::Tcp(tcp) => (tcp.rtt_us, tcp.min_rtt_us, tcp.retransmits),
            TransportStats::Quic(quic) => (quic.rtt_us, quic.min_rtt_us, quic.lost_packets),
        };
        Self { rtt_us, min_rtt_us, longest_wait_us: u64::MAX, losses }
    }

    /// Returns the evidence of a queue on the path of at least `least_us` microseconds; `None` without such a queue.
    fn queue(&self, least_us: u64) -> Option<String> {
        let least = self.min_rtt_us?;
        let queued = self.rtt_us.saturating_sub(least).min(self.longest_wait_us);
        let rest = self.rtt_us.saturating_sub(queued);
        let is_queued = queued >= least_us && self.rtt_us as f64 >= QUEUED_RATIO * rest as f64;
        is_queued.then(|| {
            let [rtt, queued] = [self.rtt_us, queued].map(|us| millis(us as f64 / 1e6));
            format!("round trip {rtt}, of which {queued} in a queue")
        })
    }

    fn round_trip(&self) -> String {
        format!(", round trip {}", millis(self.rtt_us as f64 / 1e6))
    }

    fn losses(&self) -> String {
        match self.losses {
            0 => String::new(),
            1 => ", 1 packet lost".to_owned(),
            lost => format!(", {lost} packets lost"),
        }
    }
}

/// Returns a time in milliseconds, in three significant digits.
fn millis(seconds: f64) -> String {
    let ms = 1e3 * seconds;
    let digits = if ms < 1.0 { 3 } else { usize::from(ms < 100.0) };
    format!("{ms:.digits$} ms")
}

/// Returns a size that was measured, such as a congestion window: in whole KiB unless it is small.
fn measured(bytes: u64) -> ByteSize {
    const KIB: u64 = 1 << 10;
    let is_small = bytes < 16 * KIB;
    ByteSize(if is_small { bytes } else { bytes.saturating_add(KIB / 2) / KIB * KIB })
}
