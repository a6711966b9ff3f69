//! The goodput that a window allows over a path.

use std::time::Duration;

use record::Protocol;

/// A path without loss and without other traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    bytes_per_s: f64,
    rtt: Duration,
}

impl Path {
    /// Returns a path of a rate in bits per second, and a round-trip time. `None` unless both are above zero and finite.
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

    /// Returns the bytes in flight that fill the path: the bandwidth-delay product.
    pub fn in_flight(self) -> u64 {
        (self.bytes_per_s * self.rtt.as_secs_f64()).ceil() as u64
    }
}

/// The renewal of a window: a receiver tells the sender of new credit once this share of the window has been consumed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal(f64);

impl Renewal {
    /// Returns the renewal of a protocol's windows. h2 sends WINDOW_UPDATE once the consumed bytes are half of what the sender has
    /// left (`unclaimed_capacity` in its proto/streams/flow_control.rs), which with a reader that keeps up is a third of the window.
    /// quinn sends MAX_STREAM_DATA and MAX_DATA from an eighth on (quinn-proto's connection/streams/recv.rs and state.rs). TCP
    /// announces its window in every acknowledgement.
    pub(super) fn of(protocol: &Protocol) -> Self {
        match protocol.http() {
            Some("2") => Self(1.0 / 3.0),
            Some("3") => Self(1.0 / 8.0),
            _ => Self(0.0),
        }
    }

    /// Returns the smallest window that fills a path, in bytes: the credit that the receiver holds back must not be missing at the
    /// sender while a path full of bytes is under way.
    pub(super) fn window(self, path: Path) -> u64 {
        let bytes = path.bytes_per_s() * path.rtt().as_secs_f64() / (1.0 - self.0);
        bytes.ceil() as u64
    }

    /// Returns the goodput with a window, in bytes per second. The window circulates in parts, each of which comes back a round trip
    /// after the last byte of the part has left.
    pub(super) fn goodput(self, path: Path, window: u64) -> f64 {
        let (rate, window) = (path.bytes_per_s(), window as f64);
        let part = self.0 * window;
        rate.min(window / (path.rtt().as_secs_f64() + part / rate))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(mbit: f64, ms: u64) -> Path {
        Path::new(mbit * 1e6, Duration::from_millis(ms)).unwrap()
    }

    #[test]
    fn the_bandwidth_delay_product_is_in_bytes() {
        assert_eq!(path(1000.0, 80).in_flight(), 10_000_000);
        assert_eq!(Path::new(0.0, Duration::from_secs(1)), None);
        assert_eq!(Path::new(f64::INFINITY, Duration::from_secs(1)), None);
        assert_eq!(Path::new(1e9, Duration::ZERO), None);
    }

    /// Follows the bytes of a transfer part by part: each part is sent when its credit and the line are free.
    fn simulated(path: Path, window: f64, renewal: f64) -> f64 {
        let (rate, rtt) = (path.bytes_per_s(), path.rtt().as_secs_f64());
        let part = renewal * window;
        let (mut credit, mut free, parts) = (std::collections::VecDeque::new(), 0.0_f64, 4000);
        credit.extend(std::iter::repeat_n(0.0, (1.0 / renewal).round() as usize));
        for _ in 0..parts {
            let sent = credit.pop_front().map_or(free, |at: f64| at.max(free)) + part / rate;
            free = sent;
            credit.push_back(sent + rtt);
        }
        f64::from(parts) * part / free
    }

    proptest! {
        #[test]
        fn the_goodput_is_that_of_a_transfer_part_by_part(
            mbit in 1.0..10_000.0_f64,
            ms in 1_u64..300,
            kib in 16_u64..100_000,
            eighths in prop::sample::select(vec![1_u32, 4]),
        ) {
            let (path, renewal) = (path(mbit, ms), f64::from(eighths) / 8.0);
            let (law, followed) = (Renewal(renewal).goodput(path, kib << 10), simulated(path, (kib << 10) as f64, renewal));
            prop_assert!((law / followed - 1.0).abs() < 0.02, "{law} {followed}");
        }

        #[test]
        fn the_window_that_fills_a_path_is_the_smallest(mbit in 1.0..10_000.0_f64, ms in 1_u64..300, eighths in 0_u32..5) {
            let (path, renewal) = (path(mbit, ms), Renewal(f64::from(eighths) / 8.0));
            let window = renewal.window(path);
            prop_assert!(renewal.goodput(path, window) > 0.999_999 * path.bytes_per_s());
            let less = renewal.goodput(path, window - window / 100 - 1);
            prop_assert!(less < path.bytes_per_s());
        }
    }
}
