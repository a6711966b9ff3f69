//! What is compared: figures of a run, and the direction in which each is better.

use crate::{
    cli::Thresholds,
    record::{End, Record},
};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
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

    /// From which part of the base on a change of it counts.
    pub(super) fn threshold(self, thresholds: Thresholds) -> f64 {
        match self {
            Self::Goodput => thresholds.goodput,
            Self::PeakRss(_) => thresholds.rss,
            Self::Cpu(_) => thresholds.cpu,
        }
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
