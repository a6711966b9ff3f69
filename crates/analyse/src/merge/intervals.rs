//! The body bytes of all senders in each interval from their common start on.

use record::{EndRecord, Record, TimelinePoint};
use serde::Serialize;

use super::Span;

/// The shortest interval, in microseconds: one second. A run starts with its processes, some tenths of a second before
/// its first byte. Shorter intervals would show this preparation.
const LEAST_WIDTH_US: u64 = 1_000_000;

/// The most intervals: as many as the points of a record's timeline.
const MOST: u64 = 256;

/// The body bytes of all senders together in intervals of equal length, of which the first begins at the common start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Intervals {
    /// The length of an interval in microseconds. The last interval ends with the common interval, and may be shorter.
    pub width_us: u64,
    /// The bytes of each interval.
    pub bytes: Vec<u64>,
}

impl Intervals {
    /// Creates empty intervals that cover `common`.
    pub(super) fn of(common: Span) -> Self {
        let length = common.length_us();
        let mut width_us = LEAST_WIDTH_US;
        while length.div_ceil(width_us) > MOST {
            width_us *= 2;
        }
        // The number is at most [`MOST`], which fits `usize`.
        Self { width_us, bytes: vec![0; length.div_ceil(width_us) as usize] }
    }

    /// Adds the bytes of a successful run that started at `start_us`. Returns the number of bytes within the common
    /// interval. Bytes between two samples of the timeline are spread evenly.
    pub(super) fn add(&mut self, common: Span, record: &Record, start_us: i64) -> u64 {
        let Some(end) = with_timeline(record) else { return 0 };
        let elapsed_s = record.elapsed_s.unwrap_or(0.0).max(0.0);
        let last = TimelinePoint { seconds: elapsed_s, rss_bytes: 0, anon_bytes: 0, body_bytes: end.bytes };
        let offset = i128::from(start_us) - i128::from(common.start_us);
        let (mut from, mut all) = ((offset, 0), 0_u64);
        for point in end.memory.timeline.iter().chain([&last]) {
            // A hostile record may state times that go back, and more bytes than the end moved. A time that is NaN
            // counts as 0.
            let at = offset + i128::from((point.seconds.clamp(0.0, elapsed_s) * 1e6) as i64);
            let to = (at.max(from.0), point.body_bytes.min(end.bytes).max(from.1));
            all = all.saturating_add(self.spread(common, from, to));
            from = to;
        }
        all
    }

    /// Adds the bytes between two points, each a time and the number of bytes until then. Returns the number of bytes
    /// within the common interval.
    fn spread(&mut self, common: Span, from: (i128, u64), to: (i128, u64)) -> u64 {
        let (width, length) = (i128::from(self.width_us), i128::from(common.length_us()));
        let until = |at: i128| match at {
            at if at <= from.0 => from.1,
            at if at >= to.0 => to.1,
            at => {
                let share = i128::from(to.1 - from.1) * (at - from.0) / (to.0 - from.0);
                from.1 + share as u64
            }
        };
        let first = usize::try_from(from.0.max(0) / width).unwrap_or(usize::MAX);
        let mut all = 0;
        for (number, bytes) in self.bytes.iter_mut().enumerate().skip(first) {
            let begin = width * number as i128;
            if begin > to.0 {
                break;
            }
            // The bytes between two points at one time belong to the interval that contains this time.
            let is_step = from.0 == to.0;
            let here = match is_step {
                true if (begin..begin + width).contains(&to.0) && to.0 < length => to.1 - from.1,
                true => 0,
                false => until((begin + width).min(length)) - until(begin),
            };
            *bytes = bytes.saturating_add(here);
            all += here;
        }
        all
    }
}

/// Returns the end that shows the course of a run: the first with a timeline, or else the first in the record. The
/// sender comes before the receiver.
fn with_timeline(record: &Record) -> Option<&EndRecord> {
    let ends = [record.sender.as_ref(), record.receiver.as_ref()];
    let measured = ends.into_iter().flatten().find(|end| !end.memory.timeline.is_empty());
    measured.or(ends.into_iter().flatten().next())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use record::Case;

    use super::*;

    /// Returns the record of a run whose sender has the given timeline of seconds and bytes.
    pub(crate) fn run(elapsed_s: f64, timeline: &[(f64, u64)], bytes: u64) -> Record {
        let mut record = Record::new("run", Case::new("h2"));
        record.elapsed_s = Some(elapsed_s);
        let mut end = EndRecord::default();
        end.bytes = bytes;
        let point = |(seconds, body_bytes): &(f64, u64)| TimelinePoint {
            seconds: *seconds,
            rss_bytes: 0,
            anon_bytes: 0,
            body_bytes: *body_bytes,
        };
        end.memory.timeline = timeline.iter().map(point).collect();
        record.sender = Some(end);
        record
    }

    fn span(from_s: f64, to_s: f64) -> Span {
        Span { start_us: (from_s * 1e6) as i64, end_us: (to_s * 1e6) as i64 }
    }

    #[test]
    fn the_bytes_of_senders_add_up_from_the_common_start_on() {
        let common = span(100.0, 102.5);
        let mut intervals = Intervals::of(common);
        // One run moves 10 bytes/s from 99 s on, and 30 bytes/s from 101 s on. The other moves 8 bytes/s from 100 s on.
        let early = run(4.0, &[(2.0, 20)], 80);
        assert_eq!(intervals.add(common, &early, 99_000_000), 10 + 30 + 15);
        let late = run(10.0, &[], 80);
        assert_eq!(intervals.add(common, &late, 100_000_000), 20);
        assert_eq!(intervals, Intervals { width_us: 1_000_000, bytes: vec![18, 38, 19] });
    }

    #[test]
    fn bytes_that_pass_at_one_moment_are_in_its_interval() {
        let common = span(0.0, 3.0);
        let mut intervals = Intervals::of(common);
        assert_eq!(intervals.add(common, &run(3.0, &[(1.0, 0), (1.0, 50), (3.0, 50)], 50), 0), 50);
        assert_eq!(intervals.bytes, [0, 50, 0]);
    }

    #[test]
    fn a_day_has_few_intervals() {
        let intervals = Intervals::of(span(0.0, 86_400.0));
        assert!(intervals.bytes.len() as u64 <= MOST && intervals.width_us == 512_000_000);
        let longest = Intervals::of(Span { start_us: i64::MIN, end_us: i64::MAX });
        assert!(longest.bytes.len() as u64 <= MOST);
    }

    proptest! {
        #[test]
        fn every_byte_within_the_common_interval_is_in_one_interval(
            start in -20.0..20.0_f64,
            elapsed in 0.1..40.0_f64,
            points in prop::collection::vec((-1.0..50.0_f64, 0_u64..2000), 0..9),
            length in 0.1..600.0_f64,
        ) {
            let (common, run) = (span(0.0, length), run(elapsed, &points, 1000));
            let mut intervals = Intervals::of(common);
            let all = intervals.add(common, &run, (start * 1e6) as i64);
            prop_assert_eq!(intervals.bytes.iter().sum::<u64>(), all);
            prop_assert!(all <= 1000);
            if start >= 0.0 && start + elapsed < length - 1e-5 {
                prop_assert_eq!(all, 1000);
            }
        }

        #[test]
        fn numbers_of_a_hostile_record_do_not_panic(seconds: f64, bytes: u64, elapsed: f64, start: i64, common: (i64, i64)) {
            let common = Span { start_us: common.0.min(common.1), end_us: common.0.max(common.1) };
            let mut intervals = Intervals::of(common);
            intervals.add(common, &run(elapsed, &[(seconds, bytes), (f64::NAN, 1), (f64::INFINITY, 7)], bytes), start);
        }
    }
}
