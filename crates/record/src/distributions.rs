//! Distributions in a record: rates, times, and the shares of concurrent bodies.

use serde::{Deserialize, Serialize};

/// The distribution of the rate at which body bytes passed a meter: one sample per window of body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Throughput {
    /// The number of body bytes that one sample covers.
    pub window_bytes: u64,
    /// The unit of every rate in this object: always `bytes_per_s`.
    pub unit: String,
    /// The weight of each window in the percentiles. Null in records written before 2026-11-27, whose percentiles count
    /// all windows alike.
    #[serde(default)]
    pub weight: Option<Weight>,
    /// The number of windows, each of which is one sample.
    pub samples: u64,
    /// The rate of the slowest window.
    pub min: u64,
    /// The 1st percentile: for 1 % of the time, the rate was this or lower.
    pub p1: u64,
    /// The 5th percentile: for 5 % of the time, the rate was this or lower.
    pub p5: u64,
    /// The median: for half of the time, the rate was this or lower.
    pub p50: u64,
    /// The 95th percentile: for 95 % of the time, the rate was this or lower.
    pub p95: u64,
    /// The rate of the fastest window.
    pub max: u64,
    /// The share of the time in which the rate was under half of `p50`; null in records written before 2026-11-27.
    #[serde(default)]
    pub under_half_median: Option<f64>,
    /// The whole distribution: an HdrHistogram in the V2 format, deflated and in base64. The counts are microseconds if
    /// `weight` is `time`.
    pub hdr: Option<String>,
}

/// The weight of a window of body in percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Each window counts by its duration, so that a stall counts for as long as it lasts.
    Time,
}

/// The distribution of a duration, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// The unit of every time in this object: always `ns` (nanoseconds).
    pub unit: String,
    /// The median time.
    pub p50: u64,
    /// The 99th percentile of the times.
    pub p99: u64,
    /// The 99.9th percentile of the times.
    pub p999: u64,
    /// The longest time.
    pub max: u64,
    /// The whole distribution: an HdrHistogram in the V2 format, deflated and in base64.
    pub hdr: Option<String>,
}

/// The rates of concurrent bodies, in bytes per second by the client's clock. The rate of a body is its size divided by
/// the time from the beginning of the transfer to the confirmed end of that body.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BodyRates {
    /// The number of bodies.
    pub count: u64,
    /// The rate of the slowest body.
    pub least: f64,
    /// The median of the rates.
    pub median: f64,
    /// The rate of the fastest body.
    pub most: f64,
    /// Jain's fairness index (Jain, Chiu and Hawe 1984): 1 if all bodies were equally fast, and 1/`count` if one body
    /// took the whole rate.
    pub jain: f64,
}

impl BodyRates {
    /// Summarises the rates of bodies, in bytes per second. Returns `None` for fewer than two bodies, or if a rate is
    /// not positive and finite.
    pub fn of(rates: &[f64]) -> Option<Self> {
        let mut sorted = rates.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        // A NaN sorts first or last, by its sign, and compares as false.
        let is_possible = least > 0.0 && most.is_finite();
        if sorted.len() < 2 || !is_possible {
            return None;
        }
        let median = f64::midpoint(*sorted.get((sorted.len() - 1) / 2)?, *sorted.get(sorted.len() / 2)?);
        // Rates are divided by the fastest, because the square of a rate may overflow.
        let (sum, squares) = sorted
            .iter()
            .map(|rate| rate / most)
            .fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
        let count = sorted.len() as u64;
        Some(Self { count, least, median, most, jain: sum * sum / (count as f64 * squares) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_one_for_equal_bodies_and_one_nth_if_one_has_nearly_everything() {
        let equal = BodyRates::of(&[5.0; 8]).unwrap();
        assert_eq!((equal.count, equal.least, equal.median, equal.most, equal.jain), (8, 5.0, 5.0, 5.0, 1.0));
        let unfair = BodyRates::of(&[1e-9, 1e9, 1e-9, 1e-9]).unwrap();
        assert!((unfair.jain - 0.25).abs() < 1e-9, "{unfair:?}");
        // The index by its definition: 6² / (3 × 14).
        let uneven = BodyRates::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((uneven.least, uneven.median, uneven.most), (1.0, 2.0, 3.0));
        assert!((uneven.jain - 36.0 / 42.0).abs() < 1e-12, "{uneven:?}");
    }

    #[test]
    fn one_body_and_impossible_rates_have_no_fairness() {
        let nan = f64::NAN;
        for rates in [&[][..], &[1.0], &[0.0, 1.0], &[1.0, f64::INFINITY], &[nan, 1.0], &[1.0, -nan]] {
            assert_eq!(BodyRates::of(rates), None, "{rates:?}");
        }
    }
}
