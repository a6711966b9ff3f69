//! The growth of a figure over a period, from a line that is fitted through its samples.

use std::time::Duration;

use stats::{median, theil_sen};

/// The number of fitted points. Neighbouring samples are correlated; the medians of blocks are less so.
const BLOCKS: usize = 20;

/// The growth over a period, with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    pub(super) estimate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Growth {
    /// Returns the growth over a period from samples of (seconds, value). The first tenth is left out, in which the
    /// server fills its caches. `None` if there are too few samples.
    pub(super) fn of(samples: &[(f64, f64)], period: Duration) -> Option<Self> {
        let settled = samples.get(samples.len() / 10..)?;
        let points: Vec<(f64, f64)> =
            settled.chunks((settled.len() / BLOCKS).max(1)).filter_map(middle).collect();
        let slope = theil_sen(&points)?;
        let over = period.as_secs_f64();
        Some(Self { estimate: slope.estimate * over, low: slope.low * over, high: slope.high * over })
    }
}

/// Returns the median time and the median value of a block.
fn middle(block: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (times, values): (Vec<f64>, Vec<f64>) = block.iter().copied().unzip();
    Some((median(&times)?, median(&values)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns samples around a line, with the periodic swings of traffic.
    fn samples(per_second: f64) -> Vec<(f64, f64)> {
        (0..180)
            .map(f64::from)
            .map(|time| (time, 30.0 + 8.0 * (time * 0.7).sin() + per_second * time))
            .collect()
    }

    #[test]
    fn a_leak_is_seen_and_swings_are_not_growth() {
        let period = Duration::from_secs(180);
        let flat = Growth::of(&samples(0.0), period).unwrap();
        assert!(flat.estimate.abs() < 2.0 && flat.low < 0.0 && flat.high > 0.0, "{flat:?}");
        let leak = Growth::of(&samples(0.1), period).unwrap();
        assert!(leak.low > 10.0 && (leak.estimate - 18.0).abs() < 3.0, "{leak:?}");
        assert_eq!(Growth::of(&samples(0.0)[..4], period), None);
    }
}
