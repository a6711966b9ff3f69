//! The goodput that a flow-control window allows over a path.

use std::time::Duration;

use record::Protocol;

/// A network path without loss and without other traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    bytes_per_s: f64,
    rtt: Duration,
}

impl Path {
    /// Returns a path with a rate in bits per second and a round-trip time. `None` unless both are above zero and
    /// finite.
    pub fn new(bits_per_s: f64, rtt: Duration) -> Option<Self> {
        let bytes_per_s = bits_per_s / 8.0;
        (bytes_per_s.is_finite() && bytes_per_s > 0.0 && !rtt.is_zero()).then_some(Self { bytes_per_s, rtt })
    }

    /// Returns the rate in bytes per second.
    pub fn bytes_per_s(self) -> f64 {
        self.bytes_per_s
    }

    /// Returns the round-trip time.
    pub fn rtt(self) -> Duration {
        self.rtt
    }

    /// Returns the bandwidth-delay product: the bytes in flight that fill the path.
    pub fn in_flight(self) -> u64 {
        (self.bytes_per_s * self.rtt.as_secs_f64()).ceil() as u64
    }
}

/// The renewal of a window. A receiver sends new credit once a share of the window has been consumed, in whole pieces,
/// so the window circulates in parts. A rest of the window, less than a part, waits at the receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    /// The reciprocal of the share that is consumed before new credit is sent; 0 if each byte is credited at once.
    parts: u64,
    /// The bytes that are consumed at once: the content of a frame or a datagram.
    piece: u64,
}

/// The largest DATA frame that every HTTP/2 peer accepts, in bytes (SETTINGS_MAX_FRAME_SIZE, RFC 9113 section 6.5.2).
pub const DATA_FRAME: u64 = 16_384;

/// The body bytes in a QUIC datagram; eight of them are a whole number of KiB. The value lies between 1200, which every
/// path carries (RFC 9000 section 14.1), and 1452, which an Ethernet frame carries over IPv6 (quinn-proto's
/// config/transport.rs).
const DATAGRAM: u64 = 1280;

impl Renewal {
    /// Returns the renewal of a protocol's windows.
    ///
    /// h2 sends WINDOW_UPDATE once the consumed bytes are half of the window that the sender has left
    /// (`unclaimed_capacity`, proto/streams/flow_control.rs). With a reader that keeps up, this is a third of the whole
    /// window. quinn sends MAX_STREAM_DATA and MAX_DATA once an eighth is consumed (quinn-proto's
    /// connection/streams/recv.rs and state.rs). TCP announces its window in every acknowledgement.
    pub(super) fn of(protocol: &Protocol) -> Self {
        match protocol.http() {
            Some("2") => Self { parts: 3, piece: DATA_FRAME },
            Some("3") => Self { parts: 8, piece: DATAGRAM },
            _ => Self { parts: 0, piece: 1 },
        }
    }

    /// Returns the step, in bytes, between windows that circulate in whole parts. How much of the rest of any other
    /// window circulates depends on where frames end.
    pub(super) fn step(self) -> u64 {
        self.parts.max(1).saturating_mul(self.piece)
    }

    /// Returns the credit that a receiver sends at once, in bytes.
    fn part(self, window: u64) -> u64 {
        match self.parts {
            0 => 0,
            parts => window.div_ceil(parts).div_ceil(self.piece).saturating_mul(self.piece).min(window),
        }
    }

    /// Returns the smallest window of whole parts that fills a path, in bytes. The credit of one part is always on its
    /// way, so the other parts must cover the bandwidth-delay product.
    pub(super) fn window(self, path: Path) -> u64 {
        let bytes = path.in_flight();
        let step = self.step();
        let filled = match self.parts {
            0 | 1 => bytes,
            parts => bytes.saturating_mul(parts).div_ceil(parts - 1),
        };
        filled.div_ceil(step).saturating_mul(step)
    }

    /// Returns the goodput with a window, in bytes per second. The credit of a part comes back a round trip after its
    /// last byte has left. The rest of the window carries the first `rest` bytes of the next part, so only `part -
    /// rest` bytes of that part wait for the credit.
    pub(super) fn goodput(self, path: Path, window: u64) -> f64 {
        let (rate, rtt) = (path.bytes_per_s(), path.rtt().as_secs_f64());
        let part = self.part(window);
        let Some(rest) = window.checked_rem(part) else { return rate.min(window as f64 / rtt) };
        rate.min((window - rest) as f64 / (rtt + (part - rest) as f64 / rate))
    }
}

/// Returns the goodput in bytes per second that a window of `window` bytes allows a body of `protocol` over a path, if
/// its reader keeps up.
pub fn admitted_goodput(protocol: &Protocol, path: Path, window: u64) -> f64 {
    Renewal::of(protocol).goodput(path, window)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn path(mbit: f64, ms: u64) -> Path {
        Path::new(mbit * 1e6, Duration::from_millis(ms)).unwrap()
    }

    fn renewals() -> impl Strategy<Value = Renewal> {
        prop::sample::select(vec![(3, DATA_FRAME), (8, DATAGRAM)])
            .prop_map(|(parts, piece)| Renewal { parts, piece })
    }

    #[test]
    fn the_bandwidth_delay_product_is_in_bytes() {
        assert_eq!(path(1000.0, 80).in_flight(), 10_000_000);
        assert_eq!(Path::new(0.0, Duration::from_secs(1)), None);
        assert_eq!(Path::new(f64::INFINITY, Duration::from_secs(1)), None);
        assert_eq!(Path::new(1e9, Duration::ZERO), None);
    }

    #[test]
    fn a_window_of_h2_that_is_no_multiple_of_three_frames_gives_two_parts_a_round_trip() {
        let h2 = Renewal { parts: 3, piece: DATA_FRAME };
        // At a rate this high, only the credit limits the goodput.
        let frames =
            |frames: u64| (h2.goodput(path(1e9, 100), frames * DATA_FRAME) * 0.1 / DATA_FRAME as f64).round();
        assert_eq!([3, 6, 48].map(frames), [3.0, 6.0, 48.0]);
        assert_eq!([8, 16, 32, 64].map(frames), [6.0, 12.0, 22.0, 44.0]);
    }

    /// Simulates a transfer frame by frame. A frame is sent when its credit and the line are free. The receiver returns
    /// the credit of a part once the whole part has arrived.
    fn simulated(path: Path, window: u64, renewal: Renewal) -> f64 {
        let (rate, rtt) = (path.bytes_per_s(), path.rtt().as_secs_f64());
        let (part, frames) = (renewal.part(window), 20_000);
        let (mut credit, mut free, mut consumed) = (VecDeque::from([(0.0_f64, window)]), 0.0_f64, 0);
        for _ in 0..frames {
            let mut lacking = renewal.piece;
            while lacking > 0 {
                let (at, bytes) = credit.front_mut().unwrap();
                let sent = lacking.min(*bytes);
                free = free.max(*at) + sent as f64 / rate;
                (lacking, *bytes) = (lacking - sent, *bytes - sent);
                consumed += sent;
                let is_used = *bytes == 0;
                if consumed >= part {
                    credit.push_back((free + rtt, consumed));
                    consumed = 0;
                }
                if is_used {
                    credit.pop_front();
                }
            }
        }
        (frames * renewal.piece) as f64 / free
    }

    proptest! {
        #[test]
        fn the_goodput_is_that_of_a_transfer_frame_by_frame(
            mbit in 1.0..10_000.0_f64,
            ms in 1_u64..300,
            pieces in 8_u64..400,
            renewal in renewals(),
        ) {
            let (path, window) = (path(mbit, ms), pieces * renewal.piece);
            let (law, followed) = (renewal.goodput(path, window), simulated(path, window, renewal));
            prop_assert!((law / followed - 1.0).abs() < 0.03, "{law} {followed}");
        }

        #[test]
        fn the_window_that_fills_a_path_is_the_smallest_of_whole_parts(
            mbit in 1.0..10_000.0_f64,
            ms in 1_u64..300,
            renewal in renewals(),
        ) {
            let path = path(mbit, ms);
            let window = renewal.window(path);
            prop_assert!(renewal.goodput(path, window) > 0.999_999 * path.bytes_per_s());
            prop_assert_eq!(window % renewal.step(), 0);
            let less = window - renewal.step();
            prop_assert!(less == 0 || renewal.goodput(path, less) < path.bytes_per_s());
        }
    }

    #[test]
    fn a_window_of_tcp_is_all_under_way() {
        let tcp = Renewal { parts: 0, piece: 1 };
        assert_eq!(tcp.window(path(1000.0, 80)), 10_000_000);
        assert_eq!(tcp.goodput(path(1000.0, 80), 5_000_000), 62_500_000.0);
    }
}
