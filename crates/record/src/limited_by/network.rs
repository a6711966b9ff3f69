//! The windows, buffers and the path as causes, from the counters of the sender's connections.

use crate::{
    ByteSize, Cause, End, H2_WINDOW, LimitedBy, QUIC_CONNECTION_WINDOW, QUIC_SEND_WINDOW, QUIC_WINDOW,
    QuicStats, Record, SOCKET_BUFFER, TcpStats, TransportStats,
};

use super::shares::Shares;

/// The least share of the time in which a sender is idle, if windows, buffers or the path limit goodput. A sender that
/// the processors of both ends limit in turns is idle for less.
const IDLE: f64 = 0.2;

/// The least ratio of the round-trip time to the least one of the run that shows a queue on the path.
const QUEUED_RATIO: f64 = 2.0;

/// The least time that packets wait in a queue on the path, in microseconds. On loopback, round trips of up to half a
/// millisecond come from the ends themselves, which take turns.
const QUEUED_US: u64 = 1000;

/// The least sum of the shares in which both ends need their processors, from which the ends themselves delay packets.
/// Between two ends that work in turns, one of them works all the time.
const ENDS_DELAY: f64 = 0.9;

/// The least time in a queue, in microseconds, where the ends themselves delay packets: a tick of the scheduler at 250
/// Hz, for which another process may keep the core of an end.
const QUEUED_BEHIND_ENDS_US: u64 = 4000;

/// The share of a window up to which a smaller congestion window is the cause. A congestion window stops growing once
/// it exceeds the bytes in flight, so it ends a little above a window that limits.
const SMALLER: f64 = 0.9;

/// A bound on the bytes that are on their way.
struct Bound {
    cause: Cause,
    /// The bytes of all connections and streams together; `None` if unknown.
    bytes: Option<u64>,
}

impl Record {
    /// Returns the window, the buffer or the path that limited goodput; `None` if the counters name none. `processors`
    /// is the sum of the shares in which the ends need their processors.
    pub(super) fn network_limit(
        &self,
        elapsed_s: f64,
        sender: Option<&Shares>,
        processors: f64,
    ) -> Option<LimitedBy> {
        let idle = sender.map_or(1.0, Shares::idle);
        if idle < IDLE {
            return None;
        }
        let Some(end) = &self.sender else { return self.seen_by_the_receiver(elapsed_s) };
        let (bound, path) = match end.transport.as_ref()? {
            TransportStats::Tcp(tcp) => (self.tcp_bound(tcp, elapsed_s)?, Path::of_tcp(tcp)),
            TransportStats::Quic(quic) => (self.quic_bound(quic)?, Path::of_quic(quic)),
        };
        let least = if processors < ENDS_DELAY { QUEUED_US } else { QUEUED_BEHIND_ENDS_US };
        if let Some(evidence) = path.queue(least) {
            let rate = self.total_rate(elapsed_s);
            return Some(LimitedBy::new(Cause::PathRate, idle, format!("{rate}, {evidence}")));
        }
        Some(self.limited_by(&bound, &path, idle, elapsed_s))
    }

    fn limited_by(&self, bound: &Bound, path: &Path, share: f64, elapsed_s: f64) -> LimitedBy {
        let round_trip = path.round_trip();
        let evidence = match bound.bytes.filter(|bytes| *bytes > 0) {
            Some(bytes) => {
                let seconds = bytes as f64 * elapsed_s / self.case.total_bytes().max(1) as f64;
                format!("{} per {}{round_trip}", ByteSize(bytes), millis(seconds))
            }
            None => format!("full{round_trip}"),
        };
        let losses = if bound.cause == Cause::CongestionWindow { path.losses() } else { String::new() };
        LimitedBy::new(bound.cause, share, format!("{evidence}{losses}"))
    }

    fn total_rate(&self, elapsed_s: f64) -> String {
        format!("{:.1} Mbit/s", self.case.total_bytes() as f64 * 8.0 / elapsed_s / 1e6)
    }

    /// Returns the number of streams and connections that share the path.
    fn flows(&self) -> (u64, u64) {
        (u64::from(self.case.streams.max(1)), u64::from(self.case.connections.max(1)))
    }

    /// Returns whether the receiver is longhaul's own, so that the limits of the record are its windows.
    fn has_own_receiver(&self) -> bool {
        self.receiver.is_some()
            && self.subject.is_none_or(|subject| subject.end(self.case.direction) != End::Receiver)
    }

    /// Returns the bound that holds over TCP: HTTP/2's windows, the receive window, the send buffer, or the congestion
    /// window. `None` if the kernel states no times.
    fn tcp_bound(&self, tcp: &TcpStats, elapsed_s: f64) -> Option<Bound> {
        let (streams, connections) = self.flows();
        let in_flight = tcp.cwnd.saturating_mul(tcp.mss).saturating_mul(connections);
        let congestion = || Bound { cause: Cause::CongestionWindow, bytes: Some(in_flight) };
        let waits = self.sender.as_ref().and_then(|end| end.send_waits);
        if waits.is_some_and(|waits| waits.credit > waits.socket) {
            let window = self.has_own_receiver().then(|| self.limits.bytes(&H2_WINDOW));
            let cause = if streams > 1 { Cause::ConnectionWindow } else { Cause::StreamWindow };
            let bytes = window.map(|window| window.saturating_mul(connections));
            let is_smaller = bytes.is_some_and(|bytes| (in_flight as f64) < SMALLER * bytes as f64);
            return Some(if is_smaller { congestion() } else { Bound { cause, bytes } });
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
            congestion()
        })
    }

    /// Returns the smallest bound over QUIC. The peer's windows are bounds if the sender has reported that they were
    /// full.
    fn quic_bound(&self, quic: &QuicStats) -> Option<Bound> {
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
        let in_flight = quic.cwnd.saturating_mul(connections);
        let is_smaller = smallest.bytes.is_some_and(|bytes| (in_flight as f64) < SMALLER * bytes as f64);
        Some(match is_smaller {
            true => Bound { cause: Cause::CongestionWindow, bytes: Some(in_flight) },
            false => smallest,
        })
    }

    /// Returns the window of a receiver whose sender is someone else's, if that sender has reported that it was full.
    fn seen_by_the_receiver(&self, elapsed_s: f64) -> Option<LimitedBy> {
        let Some(TransportStats::Quic(quic)) = &self.receiver.as_ref()?.transport else { return None };
        let (blocked, (streams, connections)) = (quic.blocked?, self.flows());
        let of = |limit, count: u64| Some(self.limits.bytes(limit).saturating_mul(count));
        let bound = match (blocked.stream_received, blocked.connection_received) {
            (0, 0) => return None,
            (streams_full, full) if streams_full >= full => {
                Bound { cause: Cause::StreamWindow, bytes: of(&QUIC_WINDOW, streams * connections) }
            }
            _ => Bound { cause: Cause::ConnectionWindow, bytes: of(&QUIC_CONNECTION_WINDOW, connections) },
        };
        Some(self.limited_by(&bound, &Path::of_quic(quic), 1.0, elapsed_s))
    }
}

/// The round-trip times and losses of the path, as the sender saw them.
struct Path {
    rtt_us: u64,
    min_rtt_us: Option<u64>,
    losses: u64,
}

impl Path {
    fn of_tcp(tcp: &TcpStats) -> Self {
        Self { rtt_us: tcp.rtt_us, min_rtt_us: tcp.min_rtt_us, losses: tcp.retransmits }
    }

    fn of_quic(quic: &QuicStats) -> Self {
        Self { rtt_us: quic.rtt_us, min_rtt_us: quic.min_rtt_us, losses: quic.lost_packets }
    }

    /// Returns the evidence of a queue on the path of at least `least_us` microseconds; `None` without such a queue.
    fn queue(&self, least_us: u64) -> Option<String> {
        let least = self.min_rtt_us?;
        let queued = self.rtt_us.saturating_sub(least);
        let is_queued = queued >= least_us && self.rtt_us as f64 >= QUEUED_RATIO * least as f64;
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
