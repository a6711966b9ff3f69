//! The memory of one end over bodies of several sizes.

use std::collections::{BTreeSet, HashMap};

use record::{Case, End, EndRecord, Record};
use serde::{Serialize, Serializer};

use crate::SeriesKey;

/// The number of fitted points of a run's timeline. Neighbouring samples depend on each other; blocks of samples do so
/// less.
const BLOCKS: usize = 16;

/// The runs of one case over all sizes of its body, as one end measured them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MemorySeries {
    /// The identity without the body.
    #[serde(serialize_with = "name")]
    pub key: SeriesKey,
    /// The case of the first run.
    #[serde(skip)]
    pub case: Case,
    /// The end.
    pub end: End,
    /// Body bytes and peak RSS of each run, in bytes.
    pub peaks: Vec<(u64, u64)>,
    /// The largest growth over a baseline, in bytes.
    pub growth: u64,
    /// The largest growth allowed, in bytes.
    pub budget: u64,
    /// RSS against body bytes within each run of the largest body.
    #[serde(skip)]
    pub courses: Vec<Vec<(u64, u64)>>,
    /// Runs whose memory is not known.
    pub unknown: usize,
}

fn name<S: Serializer>(key: &SeriesKey, serializer: S) -> Result<S::Ok, S::Error> {
    key.to_string().serialize(serializer)
}

impl MemorySeries {
    /// The series of some records, in the order of their first appearance. A run that failed counts as unknown.
    pub fn all<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut known: HashMap<(SeriesKey, End), usize> = HashMap::new();
        for record in records {
            let key = SeriesKey::of(record).without_body();
            for end in End::ALL {
                let measured = record.end(end).filter(|_| record.is_ok());
                let index = *known.entry((key.clone(), end)).or_insert_with(|| {
                    all.push(Self::new(key.clone(), record.case.clone(), end));
                    all.len() - 1
                });
                all[index].add(record.case.total_bytes(), measured);
            }
        }
        all
    }

    fn new(key: SeriesKey, case: Case, end: End) -> Self {
        let (peaks, courses) = (Vec::new(), Vec::new());
        Self { key, case, end, peaks, growth: 0, budget: 0, courses, unknown: 0 }
    }

    /// The largest body with a known peak, in bytes.
    pub fn largest(&self) -> u64 {
        self.peaks.iter().map(|peak| peak.0).max().unwrap_or(0)
    }

    /// The number of different body sizes.
    pub(crate) fn sizes(&self) -> usize {
        self.peaks.iter().map(|peak| peak.0).collect::<BTreeSet<_>>().len()
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
            let points: Vec<_> =
                end.memory.timeline.iter().map(|point| (point.body_bytes, point.rss_bytes)).collect();
            self.courses.push(course(&points, bytes));
        }
    }

    /// A series of invented peaks with a growth of 1 MiB.
    #[cfg(test)]
    pub(crate) fn synthetic(end: End, peaks: Vec<(u64, u64)>, budget: u64) -> Self {
        let case = Case::new("h2");
        let record = Record::new("synthetic", case.clone());
        let series = Self::new(SeriesKey::of(&record).without_body(), case, end);
        Self { peaks, growth: 1 << 20, budget, ..series }
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
