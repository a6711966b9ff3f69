//! The window that a path needs, from samples of the bytes that pass in one round trip: a pure function of the samples.
//!
//! The rules of growth are those of the estimators in hyper (proto/h2/ping.rs) and grpc-go
//! (internal/transport/bdp_estimator.go): if a whole window passes in one round trip, the window may be the bottleneck,
//! and becomes twice the bytes that passed. Those estimators require a higher bandwidth for each growth. Here the
//! bandwidth must be higher by the factor [`GAIN`], so that noise does not open the window to its bound.

use std::time::Duration;

/// The fraction of a window that must pass in one round trip for the window to count as the bottleneck. The rest allows
/// for credit that the receiver holds back: h2 renews a window once a third of it has been read.
const FULL: (u64, u64) = (2, 3);

/// The multiple of the bytes in one round trip to which a window grows. A sender needs 3/2 of them at least, because h2
/// holds a third of a window back.
const AMPLE: u64 = 2;

/// The least ratio of the bandwidth to the bandwidth at which the window last grew. If the window is the bottleneck,
/// the bandwidth grows by the same factor as the window. BBR uses this ratio to find out whether a path is full
/// (draft-ietf-ccwg-bbr, BBRStartupFullBwThreshold).
const GAIN: f64 = 1.25;

/// The longest pause between two samples.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The bytes that a receiver has released while one or several PINGs, one after the other, were answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The most bytes in one round trip.
    pub(super) released: u64,
    /// The bytes per second over all round trips.
    pub(super) bandwidth: f64,
    /// The mean round trip.
    pub(super) round_trip: Duration,
}

/// The estimate of the window that a path needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct BandwidthDelay {
    /// The largest window, in bytes.
    bound: u32,
    /// The window, and the bandwidth with it, when a larger window was last asked for.
    asked: Option<(u32, f64)>,
    pause: Duration,
}

impl BandwidthDelay {
    /// Returns the estimate of an unknown path, for a window of at most `bound` bytes.
    pub(super) fn new(bound: u32) -> Self {
        Self { bound, asked: None, pause: Duration::ZERO }
    }

    /// Takes a sample that was made with a window of `window` bytes. Returns a larger window if the path needs it.
    ///
    /// If the window did not grow although a larger one was asked for, the larger one is asked for again.
    pub(super) fn observe(&mut self, window: u32, sample: Sample) -> Option<u32> {
        let gains = |(before, reached): (u32, f64)| window <= before || sample.bandwidth >= GAIN * reached;
        let (part, whole) = FULL;
        let is_full = sample.released.saturating_mul(whole) >= u64::from(window).saturating_mul(part);
        let needed = sample.released.saturating_mul(AMPLE).min(self.bound.into());
        let needed = u32::try_from(needed).unwrap_or(self.bound);
        if !is_full || needed <= window || !self.asked.is_none_or(gains) {
            self.pause = self.pause.saturating_mul(2).max(sample.round_trip).min(LONGEST_PAUSE);
            return None;
        }
        self.asked = Some((window, sample.bandwidth));
        self.pause = sample.round_trip.min(LONGEST_PAUSE);
        Some(needed)
    }

    /// Returns the time until the next sample. After a growth it is one round trip, in which bytes of the smaller
    /// window still arrive. It doubles after each sample without a growth.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::window_budget::FIRST_WINDOW;

    /// Returns the sample of one round trip.
    fn sample(released: u64, round_trip: Duration) -> Sample {
        let bandwidth = released as f64 / round_trip.as_secs_f64().max(1e-9);
        Sample { released, bandwidth, round_trip }
    }

    /// A path with a rate in bytes per second and a round trip.
    #[derive(Clone, Copy, Debug)]
    struct Path {
        rate: u64,
        rtt: Duration,
    }

    impl Path {
        fn bytes(self) -> u64 {
            (self.rate as f64 * self.rtt.as_secs_f64()) as u64
        }

        /// Returns the sample of one round trip with a window of `window` bytes, if the readers of bodies take `read`
        /// bytes per second.
        fn sample(self, window: u32, read: u64) -> Sample {
            let released = self.bytes().min(window.into()).min(Self { rate: read, ..self }.bytes());
            sample(released, self.rtt)
        }
    }

    /// Returns the window after `samples` samples of a path.
    fn settled(path: Path, read: u64, bound: u32, samples: usize) -> u32 {
        let (mut estimate, mut window) = (BandwidthDelay::new(bound), FIRST_WINDOW);
        for _ in 0..samples {
            window = estimate.observe(window, path.sample(window, read)).unwrap_or(window);
        }
        window
    }

    fn path(rate: u64, ms: u64) -> Path {
        Path { rate, rtt: Duration::from_millis(ms) }
    }

    #[test]
    fn a_window_fills_a_long_path_within_a_dozen_samples() {
        // 1 Gbit/s at 80 ms: 10 MB in flight.
        let window = settled(path(125_000_000, 80), u64::MAX, 1 << 30, 12);
        assert!((15_000_000..=20_000_000).contains(&window), "{window}");
    }

    #[test]
    fn a_window_that_is_large_enough_stays() {
        for (rate, ms) in [(10_000_000, 1), (1_000_000, 40), (1, 1000)] {
            assert_eq!(settled(path(rate, ms), u64::MAX, 1 << 30, 50), FIRST_WINDOW);
        }
    }

    #[test]
    fn a_reader_that_stands_still_or_is_slow_does_not_open_the_window() {
        let path = path(125_000_000, 80);
        assert_eq!(settled(path, 0, 1 << 30, 50), FIRST_WINDOW);
        assert_eq!(settled(path, 500_000, 1 << 30, 50), FIRST_WINDOW);
    }

    #[test]
    fn more_bytes_at_no_higher_bandwidth_are_a_queue_and_open_nothing() {
        let mut estimate = BandwidthDelay::new(1 << 30);
        let ms = Duration::from_millis;
        assert_eq!(estimate.observe(100_000, sample(100_000, ms(10))), Some(200_000));
        assert_eq!(estimate.observe(200_000, sample(200_000, ms(20))), None);
        assert_eq!(estimate.observe(200_000, sample(200_000, ms(17))), None);
        assert_eq!(estimate.observe(200_000, sample(200_000, ms(16))), Some(400_000));
    }

    #[test]
    fn a_growth_that_was_not_granted_is_asked_for_again() {
        let mut estimate = BandwidthDelay::new(1 << 30);
        for _ in 0..3 {
            let full = sample(100_000, Duration::from_millis(10));
            assert_eq!(estimate.observe(100_000, full), Some(200_000));
        }
    }

    #[test]
    fn pauses_grow_from_a_round_trip_to_a_second_while_nothing_changes() {
        let (mut estimate, ms) = (BandwidthDelay::new(1 << 30), Duration::from_millis);
        assert_eq!(estimate.pause(), Duration::ZERO);
        let mut pause = |released| {
            estimate.observe(100_000, sample(released, ms(40)));
            estimate.pause()
        };
        assert_eq!([pause(100_000), pause(0), pause(0), pause(0)], [ms(40), ms(80), ms(160), ms(320)]);
        assert_eq!((0..5).map(|_| pause(1)).last(), Some(ms(1000)));
        assert_eq!(pause(100_000), ms(40));
    }

    proptest! {
        #[test]
        fn a_window_never_exceeds_its_bound_and_never_shrinks(
            bound in FIRST_WINDOW..1 << 31,
            samples in prop::collection::vec((0_u64..1 << 40, 0_u64..10_000_000_000), 1..100),
        ) {
            let (mut estimate, mut window) = (BandwidthDelay::new(bound), FIRST_WINDOW);
            for (released, ns) in samples {
                let sample = sample(released, Duration::from_nanos(ns));
                if let Some(grown) = estimate.observe(window, sample) {
                    prop_assert!(grown > window && grown <= bound && u64::from(grown) <= 2 * released);
                    window = grown;
                }
                prop_assert!(estimate.pause() <= LONGEST_PAUSE);
            }
        }

        #[test]
        fn a_larger_bandwidth_delay_product_never_settles_at_a_smaller_window(
            rate in 1_u64..1 << 34,
            more in 0_u64..1 << 34,
            ms in 1_u64..500,
            bound in FIRST_WINDOW..1 << 31,
        ) {
            let settled = |rate| settled(path(rate, ms), u64::MAX, bound, 50);
            prop_assert!(settled(rate) <= settled(rate + more));
        }

        #[test]
        fn a_settled_window_is_what_h2_needs_to_fill_the_path_and_at_most_twice_its_bytes(
            rate in 1_u64..1 << 34,
            ms in 1_u64..500,
        ) {
            let (path, bound) = (path(rate, ms), (1 << 31) - 1);
            let window = u64::from(settled(path, u64::MAX, bound, 50));
            prop_assert!(window >= (path.bytes() * 3 / 2).min(bound.into()), "{window} {}", path.bytes());
            prop_assert!(window <= (path.bytes() * 2).max(FIRST_WINDOW.into()), "{window} {}", path.bytes());
        }
    }
}
