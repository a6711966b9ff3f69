//! Distributions in constant memory, and their form in a record.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2DeflateSerializer},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Three significant digits, HdrHistogram's usual precision: every value is kept to 0.1 %.
const DIGITS: u8 = 3;

/// The largest rate kept apart, 1 TB/s; a faster one is counted as this.
const MAX_RATE: u64 = 1_000_000_000_000;

/// The longest latency kept apart, one hour in nanoseconds; a longer one is counted as this.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// The fewest samples of which percentiles are given.
const MIN_SAMPLES: u64 = 20;

/// A distribution that is still growing.
#[derive(Debug)]
pub(crate) struct Distribution(Histogram<u64>);

impl Distribution {
    pub(crate) fn of_rates() -> Self {
        Self::up_to(MAX_RATE)
    }

    pub(crate) fn of_latencies() -> Self {
        Self::up_to(MAX_LATENCY)
    }

    #[allow(clippy::expect_used, reason = "bounds and digits are constants that the test below constructs")]
    fn up_to(max: u64) -> Self {
        Self(Histogram::new_with_bounds(1, max, DIGITS).expect("valid bounds"))
    }

    /// What its counts take, in bytes.
    pub(crate) fn footprint(&self) -> u64 {
        (self.0.distinct_values() * size_of::<u64>()) as u64
    }

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

/// How fast body bytes passed a meter: one sample per window of body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Bytes of body that one sample covers.
    pub window_bytes: u64,
    /// The unit of every figure below: `bytes_per_s`.
    pub unit: String,
    /// How many windows passed.
    pub samples: u64,
    /// The slowest window.
    pub min: u64,
    /// 1 % of the windows were this slow or slower.
    pub p1: u64,
    /// 5 % of the windows were this slow or slower.
    pub p5: u64,
    /// The median window.
    pub p50: u64,
    /// 95 % of the windows were this slow or slower.
    pub p95: u64,
    /// The fastest window.
    pub max: u64,
    /// The distribution: HdrHistogram V2, deflated, base64.
    pub hdr: Option<String>,
}

/// How long the protocol took with a chunk: from being handed one to asking for the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The unit of every figure below: `ns`.
    pub unit: String,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p999: u64,
    /// The longest.
    pub max: u64,
    /// The distribution: HdrHistogram V2, deflated, base64.
    pub hdr: Option<String>,
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
    fn extremes_are_counted_at_the_bounds() {
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
