//! The memory of one end over bodies of several sizes, as records tell it.

use std::collections::BTreeSet;

use crate::record::{End, EndRecord, Record};

/// How many points of a run's timeline are fitted: neighbours lean on each other, blocks of them less.
const BLOCKS: usize = 16;

/// All runs of one case, whatever the size of the body, as one end saw them.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The case's name without its body.
    pub(crate) name: String,
    pub(crate) end: End,
    /// Body bytes and peak RSS of each run.
    pub(crate) peaks: Vec<(u64, u64)>,
    /// The most that was added to a baseline, and what may be.
    pub(crate) growth: u64,
    pub(crate) budget: u64,
    /// RSS against body bytes within each run of the largest body.
    pub(crate) courses: Vec<Vec<(u64, u64)>>,
    /// Runs of which the memory is not known.
    pub(crate) unknown: usize,
}

impl Series {
    fn new(name: String, end: End) -> Self {
        let (peaks, courses) = (Vec::new(), Vec::new());
        Self { name, end, peaks, growth: 0, budget: 0, courses, unknown: 0 }
    }

    /// The largest body of which there is a peak.
    pub(crate) fn largest(&self) -> u64 {
        self.peaks.iter().map(|peak| peak.0).max().unwrap_or(0)
    }

    fn add(&mut self, bytes: u64, end: Option<&EndRecord>) {
        let figures = end.and_then(|end| {
            let memory = &end.memory;
            Some((memory.peak_rss_bytes?, memory.growth()?, memory.budget_bytes?))
        });
        let (Some((peak, growth, budget)), Some(end)) = (figures, end) else {
            self.unknown += 1;
            return;
        };
        if bytes > self.largest() {
            self.courses.clear();
        }
        self.peaks.push((bytes, peak));
        (self.growth, self.budget) = (self.growth.max(growth), budget);
        if bytes == self.largest() {
            let points: Vec<_> = end.memory.timeline.iter().map(|point| (point.3, point.1)).collect();
            self.courses.push(course(&points, bytes));
        }
    }
}

/// The series of some records, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Evidence(pub(crate) Vec<Series>);

impl Evidence {
    /// Takes a record in; of a run that failed, nothing is known.
    pub(crate) fn add(&mut self, record: &Record) {
        let name = record.case.series();
        for end in [End::Sender, End::Receiver] {
            let measured = record.end(end).filter(|_| record.error.is_none());
            let known = self.0.iter().position(|series| series.name == name && series.end == end);
            let index = known.unwrap_or_else(|| {
                self.0.push(Series::new(name.clone(), end));
                self.0.len() - 1
            });
            self.0[index].add(record.case.total_bytes, measured);
        }
    }
}

/// A timeline in blocks, from a quarter of the body on: before that, buffers fill for the first time.
fn course(points: &[(u64, u64)], bytes: u64) -> Vec<(u64, u64)> {
    let settled: Vec<_> = points.iter().filter(|point| point.0 >= bytes / 4).collect();
    let distinct: BTreeSet<u64> = settled.iter().map(|point| point.0).collect();
    if distinct.len() < BLOCKS {
        return Vec::new();
    }
    settled.chunks(settled.len().div_ceil(BLOCKS)).map(|block| *block[block.len() / 2]).collect()
}
