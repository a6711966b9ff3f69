//! The metrics: one table entry for each figure that is compared.

use record::{End, Record, three_digits};
use serde::{Serialize, Serializer};

use crate::Verdict;

/// A figure of a run that is compared: an entry of [`METRICS`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Metric {
    /// The name of the metric with the unit.
    pub name: &'static str,
    /// The name of the metric's threshold. Metrics of one kind share a threshold.
    pub threshold: &'static str,
    /// The default threshold: the smallest change that counts, as a share of the base.
    pub default_threshold: f64,
    /// True if a larger value is better.
    pub more_is_better: bool,
    /// The family in which changes of the metric are tested.
    pub family: MetricFamily,
    /// The verdict on a candidate whose value is worse.
    pub if_worse: Verdict,
    /// The divisor that converts a value from the unit of a record to the unit in the name.
    unit: f64,
    /// The number of digits after the decimal point; `None` for three significant digits.
    digits: Option<usize>,
    value: fn(&Record) -> Option<f64>,
}

/// The families of metrics. Each family is tested by itself, so that tests of other figures do not hide changes of
/// goodput.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricFamily {
    /// The goodputs, about which a comparison must come to a conclusion.
    Goodput,
    /// All other figures.
    Other,
}

impl MetricFamily {
    /// All families, in the order in which they are tested.
    pub const ALL: [Self; 2] = [Self::Goodput, Self::Other];
}

/// All metrics, in display order. On an idle machine, medians of seven rounds differ from run to run by at most 5 % in
/// goodput and in peaks, and by more in processor time.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "goodput MiB/s",
        threshold: "goodput",
        default_threshold: 0.05,
        more_is_better: true,
        family: MetricFamily::Goodput,
        if_worse: Verdict::Slower,
        unit: MIB,
        digits: None,
        value: |record| record.goodput_bytes_per_s,
    },
    peak_rss("sender's peak RSS MiB", |record| peak(record, End::Sender)),
    peak_rss("receiver's peak RSS MiB", |record| peak(record, End::Receiver)),
    cpu("sender's CPU s/GiB", |record| record.end(End::Sender)?.cpu.s_per_gib),
    cpu("receiver's CPU s/GiB", |record| record.end(End::Receiver)?.cpu.s_per_gib),
];

const MIB: f64 = (1 << 20) as f64;

const fn peak_rss(name: &'static str, value: fn(&Record) -> Option<f64>) -> Metric {
    Metric {
        name,
        threshold: "rss",
        default_threshold: 0.05,
        more_is_better: false,
        family: MetricFamily::Other,
        if_worse: Verdict::MemoryOver,
        unit: MIB,
        digits: Some(1),
        value,
    }
}

const fn cpu(name: &'static str, value: fn(&Record) -> Option<f64>) -> Metric {
    Metric {
        name,
        threshold: "cpu",
        default_threshold: 0.10,
        more_is_better: false,
        family: MetricFamily::Other,
        if_worse: Verdict::Slower,
        unit: 1.0,
        digits: Some(3),
        value,
    }
}

fn peak(record: &Record, end: End) -> Option<f64> {
    record.end(end)?.memory.peak_rss_bytes.map(|bytes| bytes as f64)
}

impl Metric {
    /// Returns the figure of a successful run. `None` for a failed run, and for a figure that is missing. `None` also
    /// for a figure that is not positive, because it has no ratio.
    pub fn of(&self, record: &Record) -> Option<f64> {
        (self.value)(record).filter(|value| *value > 0.0 && record.is_ok())
    }

    /// Returns whether the figure depends on the speed of the machine.
    pub fn is_speed(&self) -> bool {
        self.if_worse == Verdict::Slower
    }

    /// Returns a value as text, in the unit of the metric's name.
    pub fn show(&self, value: f64) -> String {
        let value = value / self.unit;
        self.digits.map_or_else(|| three_digits(value), |digits| format!("{value:.digits$}"))
    }
}

/// Serialises a metric as its name.
pub(crate) fn name<S: Serializer>(metric: &&'static Metric, serializer: S) -> Result<S::Ok, S::Error> {
    metric.name.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_goodput_has_as_many_digits_as_a_fast_one() {
        let shown = [0.4612, 1.41, 3030.4].map(|mib| METRICS[0].show(mib * MIB));
        assert_eq!(shown, ["0.461", "1.41", "3030"]);
    }
}
