//! Distributions in constant memory, and their form in a record.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2DeflateSerializer},
};
use record::{Latency, Throughput, Weight};

/// The precision of histograms: three significant digits, the usual precision of HdrHistogram. Every value is kept to
/// 0.1 %.
pub(crate) const DIGITS: u8 = 3;

/// The largest distinct rate in bytes per second: 1 TB/s, beyond the memory bandwidth of one core. A faster rate counts
/// as this rate.
const MAX_RATE: u64 = 1_000_000_000_000;

/// The longest distinct time in nanoseconds: one hour. A transfer that waits longer has stalled. A longer time counts
/// as one hour.
const MAX_TIME: u64 = 3_600_000_000_000;

/// The fewest windows for percentiles. A distribution of fewer windows says nothing about its tails.
const MIN_SAMPLES: u64 = 20;

/// A growing distribution of rates in bytes per second. The weight of each rate is its duration in microseconds.
/// Without weights, a stall would be one window among thousands, whatever its duration.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    by_time: Histogram<u64>,
    samples: u64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self { by_time: histogram(MAX_RATE), samples: 0 }
    }

    /// Returns the memory of the distribution's counts, in bytes.
    pub(crate) fn footprint(&self) -> u64 {
        footprint(&self.by_time)
    }

    /// Records the rate of `bytes` bytes in `elapsed`.
    pub(crate) fn record(&mut self, bytes: u64, elapsed: Duration) {
        let weight = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        self.by_time.saturating_record_n((bytes as f64 / elapsed.as_secs_f64()) as u64, weight);
        self.samples += 1;
    }

    /// Adds the rates of another distribution. No precision is lost, because all distributions have the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        add(&mut self.by_time, &other.by_time);
        self.samples += other.samples;
    }

    /// Returns the rates as a record states them, each over `window_bytes`; `None` for fewer than [`MIN_SAMPLES`]
    /// rates.
    pub(crate) fn throughput(&self, window_bytes: u64) -> Option<Throughput> {
        let at = |quantile| self.by_time.value_at_quantile(quantile);
        (self.samples >= MIN_SAMPLES).then(|| Throughput {
            window_bytes,
            unit: "bytes_per_s".into(),
            weight: Some(Weight::Time),
            samples: self.samples,
            min: self.by_time.min(),
            p1: at(0.01),
            p5: at(0.05),
            p50: at(0.5),
            p95: at(0.95),
            max: self.by_time.max(),
            under_half_median: Some(self.share_up_to(at(0.5) / 2)),
            hdr: encoded(&self.by_time),
        })
    }

    /// Returns the share of the time in which the rate was `rate` or lower.
    fn share_up_to(&self, rate: u64) -> f64 {
        self.by_time.count_between(0, rate) as f64 / self.by_time.len() as f64
    }
}

/// A growing distribution of times in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Self {
        Self(histogram(MAX_TIME))
    }

    /// Returns the memory of the distribution's counts, in bytes.
    pub(crate) fn footprint(&self) -> u64 {
        footprint(&self.0)
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds the times of another distribution. No precision is lost, because all distributions have the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        add(&mut self.0, &other.0);
    }

    /// Returns the times as a record states them; `None` if there are none.
    pub(crate) fn latency(&self) -> Option<Latency> {
        (!self.0.is_empty()).then(|| Latency {
            unit: "ns".into(),
            p50: self.0.value_at_quantile(0.5),
            p99: self.0.value_at_quantile(0.99),
            p999: self.0.value_at_quantile(0.999),
            max: self.0.max(),
            hdr: encoded(&self.0),
        })
    }
}

#[allow(clippy::expect_used, reason = "bounds and digits are constants that the tests below construct")]
fn histogram(max: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, max, DIGITS).expect("valid bounds")
}

#[allow(
    clippy::expect_used,
    reason = "only values beyond the bounds fail, and the bounds are the same constants"
)]
fn add(histogram: &mut Histogram<u64>, other: &Histogram<u64>) {
    histogram.add(other).expect("the same bounds");
}

fn footprint(histogram: &Histogram<u64>) -> u64 {
    (histogram.distinct_values() * size_of::<u64>()) as u64
}

/// Returns the whole distribution in base64: the V2 encoding of HdrHistogram, deflated.
fn encoded(histogram: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;

    fn within(value: u64, expected: f64) -> bool {
        (value as f64 / expected - 1.0).abs() < 0.001
    }

    #[test]
    fn percentiles_need_twenty_samples() {
        let mut rates = Rates::new();
        for _ in 0..19 {
            rates.record(1 << 20, Duration::from_millis(1));
        }
        assert_eq!(rates.throughput(1 << 20), None);
        rates.record(1 << 20, Duration::from_millis(2));
        let throughput = rates.throughput(1 << 20).unwrap();
        assert_eq!((throughput.samples, throughput.window_bytes), (20, 1 << 20));
        assert!(within(throughput.p50, 1_048_576_000.0), "{throughput:?}");
        assert!(within(throughput.min, 524_288_000.0), "{throughput:?}");
    }

    /// If windows were weighted by bytes, the stall would be one window of 2,049, and p1 the rate of the other windows.
    #[test]
    fn a_stall_of_a_third_of_the_time_is_a_third_of_the_distribution() {
        let mut rates = Rates::new();
        for _ in 0..2048 {
            rates.record(1 << 20, Duration::from_micros(195));
        }
        rates.record(1 << 20, Duration::from_millis(200));
        let throughput = rates.throughput(1 << 20).unwrap();
        let (stalled, flowing) = (1_048_576.0 / 0.2, 1_048_576.0 / 195e-6);
        assert!(within(throughput.p1, stalled) && within(throughput.p5, stalled), "{throughput:?}");
        assert!(within(throughput.p50, flowing) && within(throughput.p95, flowing), "{throughput:?}");
        assert_eq!((throughput.samples, throughput.weight), (2049, Some(Weight::Time)));
        let share = throughput.under_half_median.unwrap();
        assert!((share - 200.0 / 599.36).abs() < 1e-4, "{share}");
    }

    #[test]
    fn values_beyond_the_bounds_count_as_the_bounds() {
        let mut times = Times::new();
        assert_eq!(times.latency(), None);
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(1_000_000));
        assert!(times.latency().unwrap().max >= MAX_TIME);
        let mut rates = Rates::new();
        rates.record(1, Duration::ZERO);
        assert!(rates.by_time.max() >= MAX_RATE);
    }

    #[test]
    fn two_distributions_added_are_the_distribution_of_all_values() {
        let (mut parts, mut whole) = ([Rates::new(), Rates::new()], Rates::new());
        let (mut times, mut all) = ([Times::new(), Times::new()], Times::new());
        for i in 1..=500_u64 {
            let (part, time) = ((i % 3 == 0) as usize, Duration::from_micros(i * i));
            parts[part].record(i << 12, time);
            whole.record(i << 12, time);
            times[part].record(time);
            all.record(time);
        }
        let [mut rates, other] = parts;
        rates.add(&other);
        assert_eq!(rates.throughput(1), whole.throughput(1));
        let [mut some, other] = times;
        some.add(&other);
        assert_eq!(some.latency(), all.latency());
    }

    #[test]
    fn the_encoded_distribution_reads_back() {
        let mut times = Times::new();
        (1..=1000).for_each(|us| times.record(Duration::from_micros(us)));
        let bytes = STANDARD.decode(times.latency().unwrap().hdr.unwrap()).unwrap();
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(read, times.0);
    }
}
