//! The memory of one end over bodies of several sizes.

use std::collections::{BTreeSet, HashMap};

use record::{Case, DEFAULT_SLOPE_LIMIT, End, EndRecord, Record, Subject};
use serde::{Serialize, Serializer};

use super::{course::Course, pace::Smallest, standstill};
use crate::{SeriesKey, ends::judged_ends, series};

/// The measurements of one end over all runs of one case and all sizes of its body.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MemorySeries {
    /// The identity of the series, without the size of the body.
    #[serde(serialize_with = "name")]
    pub key: SeriesKey,
    /// The case of the first run.
    #[serde(skip)]
    pub case: Case,
    /// The end whose memory was measured.
    pub end: End,
    /// The role of the program at the end; `None` if it is longhaul's own.
    pub subject: Option<Subject>,
    /// The body size and the peak RSS of each run, in bytes.
    pub peaks: Vec<(u64, u64)>,
    /// The largest growth of peak RSS over the baseline in any run, in bytes. If the reader stands still, it is the
    /// growth over the peak of the smallest body with a fast reader, if that body has at most half the size.
    pub growth: u64,
    /// The largest growth that the budget allows, in bytes; `None` if the end has no budget. If its reader stands
    /// still, a program under proof may grow by an eighth of the body.
    pub budget: Option<u64>,
    /// The course of the live heap within each run of the largest body; `None` for a run whose heap was not counted.
    #[serde(skip)]
    pub(super) heap: Vec<Option<Course>>,
    /// The course of anonymous RSS within each run of the largest body. If the reader stands still, it is the course
    /// within the standstill.
    #[serde(skip)]
    pub(super) anon: Vec<Course>,
    /// The most kernel memory of each run, in bytes; `None` for a run that does not state it.
    #[serde(skip)]
    pub(super) kernel: Vec<Option<u64>>,
    /// True if the peak of any run comes from samples only, and may lie below the true peak.
    pub has_sampled_peaks: bool,
    /// True if pages were swapped out in any run. RSS does not include such pages.
    pub was_swapped: bool,
    /// The slope above which memory counts as growing, in bytes per GiB of body, from the last run that states it.
    pub limit_bytes: u64,
    /// The number of runs whose memory is unknown, such as failed runs.
    pub unknown: usize,
    /// The reason for which the program itself ended a transfer whose reader stood still, from the last such run.
    pub ended: Option<String>,
}

pub(super) fn name<S: Serializer>(key: &SeriesKey, serializer: S) -> Result<S::Ok, S::Error> {
    key.to_string().serialize(serializer)
}

impl MemorySeries {
    /// Returns the series of records, in the order of their first appearance, or in the order of a matrix if rounds
    /// were shuffled. The memory of a failed run is unknown. Records of `bench --peer` prove nothing about the other
    /// program, and are left out.
    pub fn all<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut known: HashMap<(SeriesKey, End), usize> = HashMap::new();
        let mut is_shuffled = false;
        let records: Vec<&Record> =
            records.into_iter().filter(|record| record.peer_program.is_none()).collect();
        let smallest = Smallest::of_all(&records);
        for record in records {
            is_shuffled |= series::is_shuffled(record);
            let key = SeriesKey::of(record).without_body();
            for end in judged_ends(record) {
                let has_stood_still = record.case.reader_stall.is_none() || record.stall.is_some();
                let measured = record.end(end).filter(|_| record.is_ok() && has_stood_still);
                let index = *known.entry((key.clone(), end)).or_insert_with(|| {
                    all.push(Self::new(key.clone(), record.case.clone(), end, record.subject));
                    all.len() - 1
                });
                all[index].add(record, measured, smallest.get(&key));
                all[index].limit_to(record.slope_limit_bytes);
            }
        }
        standstill::refer(&mut all);
        if is_shuffled {
            all.sort_by_cached_key(|of| series::place(&of.key));
        }
        all
    }

    fn new(key: SeriesKey, case: Case, end: End, subject: Option<Subject>) -> Self {
        Self {
            key,
            case,
            end,
            subject,
            peaks: Vec::new(),
            growth: 0,
            budget: None,
            heap: Vec::new(),
            anon: Vec::new(),
            kernel: Vec::new(),
            has_sampled_peaks: false,
            was_swapped: false,
            limit_bytes: DEFAULT_SLOPE_LIMIT.0,
            unknown: 0,
            ended: None,
        }
    }

    /// Returns whether the reader of the body stands still for a time.
    pub(crate) fn is_stalled(&self) -> bool {
        self.case.reader_stall.is_some()
    }

    /// Returns the size of the largest body with a known peak, in bytes.
    pub fn largest(&self) -> u64 {
        self.peaks.iter().map(|peak| peak.0).max().unwrap_or(0)
    }

    /// Returns the highest peak RSS of any run, in bytes; `None` without a known peak.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.peaks.iter().map(|peak| peak.1).max()
    }

    /// Returns the most kernel memory of any run, in bytes. `None` unless all runs state their kernel memory.
    pub fn kernel_bytes(&self) -> Option<u64> {
        self.kernel.iter().copied().collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    /// Returns the name of the end; for a program under proof, the name of its role.
    pub fn end_name(&self) -> String {
        self.subject.map_or_else(|| self.end.to_string(), |subject| subject.to_string())
    }

    /// Returns the number of different body sizes.
    pub(crate) fn sizes(&self) -> usize {
        self.peaks.iter().map(|peak| peak.0).collect::<BTreeSet<_>>().len()
    }

    fn limit_to(&mut self, slope_limit: Option<u64>) {
        let limit = slope_limit.unwrap_or(self.limit_bytes);
        self.limit_bytes = if self.is_stalled() { standstill::limit(limit) } else { limit };
    }

    /// Adds a run. `smallest` is the smallest input of a program whose progress is unknown.
    fn add(&mut self, record: &Record, end: Option<&EndRecord>, smallest: Option<&Smallest>) {
        let (bytes, stall) = (record.case.total_bytes(), record.stall.as_ref());
        let figures = end.and_then(|end| {
            let memory = &end.memory;
            Some((memory.peak_rss_bytes?, memory.growth()?, memory.budget_bytes))
        });
        let (Some((peak, growth, budget)), Some(end)) = (figures, end) else {
            self.unknown += 1;
            return;
        };
        if bytes > self.largest() {
            self.heap.clear();
            self.anon.clear();
        }
        self.peaks.push((bytes, peak));
        (self.growth, self.budget) =
            (self.growth.max(growth), budget.or(stall.map(|_| standstill::bound(bytes))));
        self.ended = stall.and_then(|stall| stall.ended.clone()).or(self.ended.take());
        let memory = &end.memory;
        self.kernel.push(memory.kernel_bytes);
        self.has_sampled_peaks |= memory.peak_is_of_samples == Some(true);
        self.was_swapped |= memory.swap_bytes.is_some_and(|swap| swap.peak > swap.baseline);
        if bytes == self.largest() {
            let heap = memory.heap_timeline.as_ref().map(|points| {
                Course::of(points.iter().map(|point| (point.body_bytes, point.total_bytes())), bytes)
            });
            self.heap.push(heap);
            let timeline = &memory.timeline;
            self.anon.extend(match (stall, smallest) {
                (Some(stall), _) => Some(standstill::course(timeline, stall, bytes)),
                (None, Some(smallest)) if smallest.bytes < bytes => smallest.course(timeline, bytes),
                (None, _) => {
                    let points = timeline.iter().map(|point| (point.body_bytes, point.anon_bytes));
                    Some(Course::of(points, bytes))
                }
            });
        }
    }

    /// Creates a synthetic series with the given peaks and a growth of 1 MiB.
    #[cfg(test)]
    pub(crate) fn synthetic(end: End, peaks: Vec<(u64, u64)>, budget: u64) -> Self {
        let case = Case::new("h2");
        let record = Record::new("synthetic", case.clone());
        let series = Self::new(SeriesKey::of(&record).without_body(), case, end, None);
        Self { peaks, growth: 1 << 20, budget: Some(budget), ..series }
    }

    /// Sets the kernel memory of the runs.
    #[cfg(test)]
    pub(crate) fn with_kernel(self, kernel: &[Option<u64>]) -> Self {
        Self { kernel: kernel.to_vec(), ..self }
    }

    /// Adds a run of the largest body. Each point is a body offset and the size of the heap there, in bytes.
    #[cfg(test)]
    pub(crate) fn with_heap(mut self, points: impl Iterator<Item = (u64, u64)>) -> Self {
        self.heap.push(Some(Course::of(points, self.largest())));
        self.anon.push(Course::default());
        self
    }
}
