//! Distributions in constant memory, and their form in a record.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2DeflateSerializer},
};
use record::{Latency, Throughput};

/// Three significant digits, HdrHistogram's usual precision: every value is kept to 0.1 %.
pub(crate) const DIGITS: u8 = 3;

/// The largest distinct rate, 1 TB/s, beyond the memory bandwidth of one core. A faster rate counts as this one.
const MAX_RATE: u64 = 1_000_000_000_000;

/// The longest distinct latency: one hour in nanoseconds, after which a transfer has stalled. A longer latency counts
/// as this one.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// The fewest samples for percentiles: of 20, the 5th percentile is the lowest.
const MIN_SAMPLES: u64 = 20;

/// A growing distribution, of rates in bytes per second or of latencies in nanoseconds.
#[derive(Debug)]
pub(crate) struct Distribution(Histogram<u64>);

impl Distribution {
    pub(crate) fn of_rates() -> Self {
        Self::up_to(MAX_RATE)
    }

    pub(crate) fn of_latencies() -> Self {
        Self::up_to(MAX_LATENCY)
    }

    #[allow(clippy::expect_used, reason = "bounds and digits are constants that the tests below construct")]
    fn up_to(max: u64) -> Self {
        Self(Histogram::new_with_bounds(1, max, DIGITS).expect("valid bounds"))
    }

    /// The memory of its counts, in bytes.
    pub(crate) fn footprint(&self) -> u64 {
        (self.0.distinct_values() * size_of::<u64>()) as u64
    }

    /// Records the rate of `bytes` in `elapsed`.
    pub(crate) fn record_rate(&mut self, bytes: u64, elapsed: Duration) {
        self.0.saturating_record((bytes as f64 / elapsed.as_secs_f64()) as u64);
    }

    pub(crate) fn record_latency(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The whole distribution: HdrHistogram's V2 encoding, deflated, in base64.
    fn encoded(&self) -> Option<String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }

    /// The rates as a record states them, each over `window_bytes`; `None` under [`MIN_SAMPLES`].
    pub(crate) fn throughput(&self, window_bytes: u64) -> Option<Throughput> {
        let samples = self.0.len();
        (samples >= MIN_SAMPLES).then(|| Throughput {
            window_bytes,
            unit: "bytes_per_s".into(),
            samples,
            min: self.0.min(),
            p1: self.0.value_at_quantile(0.01),
            p5: self.0.value_at_quantile(0.05),
            p50: self.0.value_at_quantile(0.5),
            p95: self.0.value_at_quantile(0.95),
            max: self.0.max(),
            hdr: self.encoded(),
        })
    }

    /// The latencies as a record states them; `None` without any.
    pub(crate) fn latency(&self) -> Option<Latency> {
        (!self.0.is_empty()).then(|| Latency {
            unit: "ns".into(),
            p50: self.0.value_at_quantile(0.5),
            p99: self.0.value_at_quantile(0.99),
            p999: self.0.value_at_quantile(0.999),
            max: self.0.max(),
            hdr: self.encoded(),
        })
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;

    #[test]
    fn percentiles_need_twenty_samples() {
        let mut rates = Distribution::of_rates();
        for _ in 0..19 {
            rates.record_rate(1 << 20, Duration::from_millis(1));
        }
        assert_eq!(rates.throughput(1 << 20), None);
        rates.record_rate(1 << 20, Duration::from_millis(2));
        let throughput = rates.throughput(1 << 20).unwrap();
        assert_eq!((throughput.samples, throughput.window_bytes), (20, 1 << 20));
        let within = |value: u64, expected: f64| (value as f64 / expected - 1.0).abs() < 0.001;
        assert!(within(throughput.p50, 1_048_576_000.0), "{throughput:?}");
        assert!(within(throughput.min, 524_288_000.0), "{throughput:?}");
    }

    #[test]
    fn values_beyond_the_bounds_count_as_the_bounds() {
        let mut latencies = Distribution::of_latencies();
        assert_eq!(latencies.latency(), None);
        latencies.record_latency(Duration::ZERO);
        latencies.record_latency(Duration::from_secs(1_000_000));
        assert!(latencies.latency().unwrap().max >= MAX_LATENCY);
        let mut rates = Distribution::of_rates();
        rates.record_rate(1, Duration::ZERO);
        assert!(rates.0.max() >= MAX_RATE);
    }

    #[test]
    fn the_encoded_distribution_reads_back() {
        let mut latencies = Distribution::of_latencies();
        (1..=1000).for_each(|us| latencies.record_latency(Duration::from_micros(us)));
        let bytes = STANDARD.decode(latencies.latency().unwrap().hdr.unwrap()).unwrap();
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(read, latencies.0);
    }
}
