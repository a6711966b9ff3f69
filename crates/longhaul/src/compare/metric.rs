//! What is compared: figures of a run, the direction in which each is better, and from where on a change counts.

use std::str::FromStr;

use crate::record::{End, Record};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Goodput,
    PeakRss(End),
    Cpu(End),
}

/// All of them, in the order in which they are shown.
pub(super) const ALL: [Metric; 5] = [
    Metric::Goodput,
    Metric::PeakRss(End::Sender),
    Metric::PeakRss(End::Receiver),
    Metric::Cpu(End::Sender),
    Metric::Cpu(End::Receiver),
];

impl Metric {
    /// The figure of a run that went well.
    pub(super) fn of(self, record: &Record) -> Option<f64> {
        let value = match self {
            Self::Goodput => record.goodput_bytes_per_s,
            Self::PeakRss(end) => record.end(end)?.memory.peak_rss_bytes.map(|bytes| bytes as f64),
            Self::Cpu(end) => record.end(end)?.cpu.s_per_gib,
        };
        // A ratio of it must mean something.
        value.filter(|value| *value > 0.0 && record.error.is_none())
    }

    /// Whether more of it is better.
    pub(super) fn more_is_better(self) -> bool {
        self == Self::Goodput
    }

    pub(super) fn is_memory(self) -> bool {
        matches!(self, Self::PeakRss(_))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Goodput => "goodput MiB/s",
            Self::PeakRss(End::Sender) => "sender's peak RSS MiB",
            Self::PeakRss(End::Receiver) => "receiver's peak RSS MiB",
            Self::Cpu(End::Sender) => "sender's CPU s/GiB",
            Self::Cpu(End::Receiver) => "receiver's CPU s/GiB",
        }
    }

    /// A value in the unit of the name.
    pub(super) fn show(self, value: f64) -> String {
        let mebi = value / f64::from(1 << 20);
        match self {
            Self::Goodput => format!("{mebi:.0}"),
            Self::PeakRss(_) => format!("{mebi:.1}"),
            Self::Cpu(_) => format!("{value:.3}"),
        }
    }
}

/// From which part of the base on a change counts, for each kind of figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thresholds {
    goodput: f64,
    rss: f64,
    cpu: f64,
}

impl Thresholds {
    pub(super) fn of(self, metric: Metric) -> f64 {
        match metric {
            Metric::Goodput => self.goodput,
            Metric::PeakRss(_) => self.rss,
            Metric::Cpu(_) => self.cpu,
        }
    }
}

/// 5 % of goodput is what medians of seven rounds differ by at most from run to run on a machine that is left
/// alone; the same for peaks; processor time varies more.
impl Default for Thresholds {
    fn default() -> Self {
        Self { goodput: 0.05, rss: 0.05, cpu: 0.10 }
    }
}

impl FromStr for Thresholds {
    type Err = String;

    /// `5%` for all, or `goodput=5%,rss=2%,cpu=10%` in any order, each at its default where it is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = |text: &str| {
            let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            number
                .filter(|number| (0.0..1000.0).contains(number))
                .map(|number| number / 100.0)
                .ok_or_else(|| format!("'{text}' is no threshold: write 5%, or goodput=5%,rss=5%,cpu=10%"))
        };
        if !text.contains('=') {
            let all = percent(text)?;
            return Ok(Self { goodput: all, rss: all, cpu: all });
        }
        let mut thresholds = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent(value)?;
            match name.trim() {
                "goodput" => thresholds.goodput = value,
                "rss" => thresholds.rss = value,
                "cpu" => thresholds.cpu = value,
                other => return Err(format!("'{other}' has no threshold: it must be goodput, rss or cpu")),
            }
        }
        Ok(thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_for_all_or_for_each() {
        assert_eq!("3%".parse(), Ok(Thresholds { goodput: 0.03, rss: 0.03, cpu: 0.03 }));
        assert_eq!("rss=2.5%, cpu=20%".parse(), Ok(Thresholds { goodput: 0.05, rss: 0.025, cpu: 0.2 }));
        for wrong in ["5", "x%", "-1%", "goodput=5", "speed=5%", ""] {
            assert!(wrong.parse::<Thresholds>().is_err(), "{wrong}");
        }
    }
}
