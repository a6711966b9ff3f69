//! The pace of a program whose progress is unknown, such as that of `prove --series`.
//!
//! Such a program takes some time to start, whatever the size of its input: an interpreter that imports its modules can
//! take longer than the work, and its memory grows meanwhile. A larger input has been worked on as far as the smallest
//! one when the run of the smallest one would have ended. The rest follows at a constant rate.

use std::collections::{BTreeMap, HashMap};

use record::{Record, Subject, TimelinePoint};
use stats::median;

use super::course::Course;
use crate::SeriesKey;

/// The smallest input of a series, and the median of the times that its runs took, start included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Smallest {
    pub(super) bytes: u64,
    seconds: f64,
}

impl Smallest {
    /// Returns the smallest input of each series of a program whose progress is unknown.
    pub(super) fn of_all(records: &[&Record]) -> HashMap<SeriesKey, Self> {
        let mut runs: HashMap<SeriesKey, BTreeMap<u64, Vec<f64>>> = HashMap::new();
        let is_of_program = |record: &&&Record| record.is_ok() && record.subject == Some(Subject::Program);
        for record in records.iter().filter(is_of_program) {
            let Some(last) = record.receiver.as_ref().and_then(|end| end.memory.timeline.last()) else {
                continue;
            };
            let sizes = runs.entry(SeriesKey::of(record).without_body()).or_default();
            sizes.entry(record.case.total_bytes()).or_default().push(last.seconds);
        }
        let smallest = |sizes: BTreeMap<u64, Vec<f64>>| {
            let (bytes, seconds) = sizes.into_iter().next()?;
            Some(Self { bytes, seconds: median(&seconds)? })
        };
        runs.into_iter().filter_map(|(key, sizes)| Some((key, smallest(sizes)?))).collect()
    }

    /// Returns the course of anonymous RSS in a run of an input of `total` bytes, from the offset of the smallest input
    /// on. `None` if the run took so little longer than those of the smallest input that too few samples are left.
    pub(super) fn course(&self, timeline: &[TimelinePoint], total: u64) -> Option<Course> {
        let whole = timeline.last().map_or(0.0, |last| last.seconds);
        let rest = total.saturating_sub(self.bytes) as f64;
        let offset = |point: &TimelinePoint| {
            let share = (point.seconds - self.seconds) / (whole - self.seconds);
            (self.bytes.saturating_add((share * rest) as u64), point.anon_bytes)
        };
        let course =
            Course::of(timeline.iter().filter(|point| point.seconds > self.seconds).map(offset), total);
        course.has_slope().then_some(course)
    }
}

#[cfg(test)]
mod tests {
    use record::{ByteSize, EndRecord};

    use super::*;
    use crate::{
        Constancy, Judgement, MemorySeries,
        tests::{run, with},
    };

    const MIB: u64 = 1 << 20;

    /// Returns the record of a program that starts for `start` s, then takes 1 s for each GiB. Its memory is 10 MiB at
    /// the beginning, 30 MiB after its start, and `grown` MiB more for each GiB.
    fn record(gib: u64, start: f64, grown: f64) -> Record {
        with(run("program"), |record| {
            record.subject = Some(Subject::Program);
            record.case.body = ByteSize(gib << 30);
            let whole = start + gib as f64;
            let point = |at: u64| {
                let seconds = whole * at as f64 / 256.0;
                let memory = 10.0 + 20.0 * (seconds / start).min(1.0) + grown * (seconds - start).max(0.0);
                let bytes = (memory * MIB as f64) as u64;
                let body_bytes = (gib << 30) * at / 256;
                TimelinePoint { seconds, rss_bytes: bytes, anon_bytes: bytes, body_bytes }
            };
            let mut end = EndRecord::default();
            end.memory.timeline = (0..=256).map(point).collect();
            end.memory.baseline_rss_bytes = Some(10 * MIB);
            end.memory.peak_rss_bytes = end.memory.timeline.last().map(|last| last.rss_bytes);
            record.receiver = Some(end);
        })
    }

    fn judged(start: f64, grown: f64) -> Judgement {
        let records: Vec<Record> = [1, 2, 4].repeat(3).iter().map(|gib| record(*gib, start, grown)).collect();
        Judgement::of(MemorySeries::all(&records).remove(0))
    }

    #[test]
    fn the_start_of_a_program_is_no_growth_however_long_it_takes() {
        for start in [0.01, 1.0, 4.0, 20.0] {
            let steady = judged(start, 0.0);
            assert_eq!(steady.constancy, Constancy::Constant, "{start} s: {:?}", steady.reason);
        }
    }

    #[test]
    fn a_slope_counts_per_gib_of_work_without_the_start() {
        for start in [0.01, 1.0, 4.0, 20.0] {
            let slope = judged(start, 3.0).anon.unwrap().slope.estimate;
            assert!((slope - 3.0).abs() < 0.1, "{start} s: {slope}");
        }
    }

    #[test]
    fn a_program_that_takes_the_same_time_for_all_sizes_shows_no_course() {
        let mut records: Vec<Record> = [1, 2, 4].iter().map(|gib| record(*gib, 1.0, 0.0)).collect();
        for record in &mut records {
            for (at, point) in record.receiver.as_mut().unwrap().memory.timeline.iter_mut().enumerate() {
                point.seconds = at as f64;
            }
        }
        let judgement = Judgement::of(MemorySeries::all(&records).remove(0));
        assert_eq!((judgement.constancy, judgement.anon), (Constancy::Inconclusive, None));
        assert!(judgement.reason.unwrap().starts_with("too few samples"));
    }
}
