//! The distributions of several runs, added up to one distribution.

use hdrhistogram::Histogram;
use record::{End, Latency, Throughput};

use crate::{Row, distribution::decode};

/// The distributions of one end over the successful runs of a row.
pub(super) struct Merged {
    pub(super) throughput: Option<Throughput>,
    pub(super) pull_wait: Option<Latency>,
}

impl Merged {
    /// Returns the sum of the distributions of all runs. If they cannot be added up, returns the distributions of the
    /// run with the median goodput.
    pub(super) fn of(row: &Row<'_>, end: End) -> Self {
        let well = || row.records.iter().filter(|run| run.is_ok()).filter_map(|run| run.end(end));
        let rates: Vec<_> = well().filter_map(|end| end.throughput.as_ref()).collect();
        let waits: Vec<_> = well().filter_map(|end| end.pull_wait()).collect();
        let typical = row.ends[end].typical;
        Self {
            throughput: throughput(&rates).or_else(|| typical?.throughput.clone()),
            pull_wait: latency(&waits).or_else(|| typical?.pull_wait().cloned()),
        }
    }
}

/// The sum of histograms. A histogram that cannot be read makes the sum unknown (`None`).
struct Sum(Option<Histogram<u64>>);

impl Sum {
    fn of<'a>(encoded: impl Iterator<Item = &'a Option<String>>) -> Option<Histogram<u64>> {
        let mut sum = Self(None);
        for encoded in encoded {
            sum.add(decode(encoded.as_ref()?).ok()?)?;
        }
        sum.0.filter(|sum| !sum.is_empty())
    }

    fn add(&mut self, other: Histogram<u64>) -> Option<()> {
        match &mut self.0 {
            Some(sum) => sum.add(&other).ok(),
            None => {
                self.0 = Some(other);
                Some(())
            }
        }
    }
}

/// Returns the throughput over several runs, without its histogram. `None` without a run, if one of several runs has no
/// histogram, or if windows differ in weight, size or unit. Weights differ between records written before and after
/// 2026-11-27.
fn throughput(runs: &[&Throughput]) -> Option<Throughput> {
    let (first, others) = runs.split_first()?;
    let like = |run: &&&Throughput| {
        (run.weight, run.window_bytes, &run.unit) == (first.weight, first.window_bytes, &first.unit)
    };
    if others.is_empty() || !others.iter().all(|run| like(&run)) {
        return others.is_empty().then(|| Throughput { hdr: None, ..(*first).clone() });
    }
    let sum = Sum::of(runs.iter().map(|run| &run.hdr))?;
    let at = |quantile| sum.value_at_quantile(quantile);
    let under_half = sum.count_between(0, at(0.5) / 2) as f64 / sum.len() as f64;
    Some(Throughput {
        samples: runs.iter().map(|run| run.samples).sum(),
        min: runs.iter().map(|run| run.min).min()?,
        p1: at(0.01),
        p5: at(0.05),
        p50: at(0.5),
        p95: at(0.95),
        max: runs.iter().map(|run| run.max).max()?,
        under_half_median: first.weight.map(|_| under_half),
        hdr: None,
        ..(*first).clone()
    })
}

/// Returns the times over several runs, without their histogram. `None` without a run, if one of several runs has no
/// histogram, or if units differ.
fn latency(runs: &[&Latency]) -> Option<Latency> {
    let (first, others) = runs.split_first()?;
    if others.is_empty() {
        return Some(Latency { hdr: None, ..(*first).clone() });
    }
    if others.iter().any(|run| run.unit != first.unit) {
        return None;
    }
    let sum = Sum::of(runs.iter().map(|run| &run.hdr))?;
    let at = |quantile| sum.value_at_quantile(quantile);
    let max = runs.iter().map(|run| run.max).max()?;
    Some(Latency { unit: first.unit.clone(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max, hdr: None })
}

#[cfg(test)]
pub(super) mod tests {
    use record::Weight;

    use super::*;
    use crate::distribution::encode;

    fn encoded(values: &[(u64, u64)]) -> Option<String> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 1_000_000_000_000, 3).unwrap();
        values.iter().for_each(|(value, count)| histogram.record_n(*value, *count).unwrap());
        encode(&histogram).ok()
    }

    fn run(values: &[(u64, u64)]) -> Throughput {
        let rates = || values.iter().map(|(value, _)| *value);
        Throughput {
            window_bytes: 1 << 20,
            unit: "bytes_per_s".into(),
            weight: Some(Weight::Time),
            samples: 20,
            min: rates().min().unwrap(),
            p1: 0,
            p5: 0,
            p50: 0,
            p95: 0,
            max: rates().max().unwrap(),
            under_half_median: None,
            hdr: encoded(values),
        }
    }

    /// Returns the throughput of 0.4 s at a constant rate.
    pub(crate) fn calm() -> Throughput {
        run(&[(5_000_000_000, 400_000)])
    }

    /// Returns the throughput of [`calm`], followed by half as much time at a thousandth of the rate.
    pub(crate) fn stalled() -> Throughput {
        run(&[(5_000_000_000, 400_000), (5_000_000, 200_000)])
    }

    fn about(found: u64, expected: f64) {
        assert!((found as f64 / expected - 1.0).abs() < 0.002, "{found} instead of {expected}");
    }

    #[test]
    fn a_stall_in_one_of_three_rounds_is_a_part_of_all() {
        let (calm, stalled) = (calm(), stalled());
        let sum = throughput(&[&calm, &stalled, &calm]).unwrap();
        about(sum.p1, 5e6);
        about(sum.p5, 5e6);
        about(sum.p50, 5e9);
        assert_eq!((sum.samples, sum.min, sum.max), (60, 5_000_000, 5_000_000_000));
        assert!((sum.under_half_median.unwrap() - 200.0 / 1400.0).abs() < 1e-9);
    }

    #[test]
    fn times_add_up_over_rounds() {
        let times = |p, values: &[(u64, u64)]| Latency {
            unit: "ns".into(),
            p50: p,
            p99: p,
            p999: p,
            max: values.last().unwrap().0,
            hdr: encoded(values),
        };
        let (quick, slow) = (times(1, &[(1000, 990)]), times(2, &[(1_000_000, 20)]));
        let sum = latency(&[&quick, &slow]).unwrap();
        about(sum.p50, 1000.0);
        about(sum.p99, 1e6);
        assert_eq!(sum.max, 1_000_000);
        assert_eq!(latency(&[&quick]).unwrap().p50, 1, "one round is itself");
        assert_eq!(latency(&[]), None);
    }

    #[test]
    fn runs_that_cannot_be_added_up_have_no_sum() {
        let (run, mut other) = (run(&[(5, 5)]), run(&[(5, 5)]));
        other.weight = None;
        assert_eq!(throughput(&[&run, &other]), None, "an earlier version weighed by bytes");
        let mut other = run.clone();
        other.hdr = Some("no base64!".into());
        assert_eq!(throughput(&[&run, &other]), None);
        other.hdr = None;
        assert_eq!(throughput(&[&run, &other]), None);
        assert_eq!(throughput(&[&other]).unwrap().min, 5, "one run needs no distribution");
    }
}
