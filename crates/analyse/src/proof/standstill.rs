//! The evidence of a run whose reader stands still for a time.
//!
//! No byte is delivered during a standstill, so memory has no slope against delivered bytes. Bodies of several sizes
//! would each need a standstill. One run gives two kinds of evidence instead. A program that takes in the whole body
//! grows by more than [`bound`], which no buffer reaches. A program that still takes in bytes grows from the first
//! quarter of the standstill to its end. A [`course`] over the waiting bytes shows this growth, even if the source is
//! too slow to reach the bound.

use record::{Case, Stall, TimelinePoint};

use super::{MemorySeries, absorption, course::Course};

/// The divisor of the body that bounds the growth of memory. An eighth of the body is more than windows, buffers and
/// the garbage of a runtime. It is far less than the memory of a program that does not apply backpressure to its
/// sender.
const SHARE: u64 = 8;

/// Returns the largest growth of memory, and the most bytes that a proxy may absorb, for a body whose reader stands
/// still. All sizes are in bytes.
pub fn bound(body: u64) -> u64 {
    body / SHARE
}

/// Sets the growth of each series whose reader stands still to the growth over the peak of the smallest body with a
/// fast reader. This peak includes the memory that a runtime takes when it starts to work. It also reveals a client
/// that reads a whole file before its first byte, and so before its baseline. A body of more than half the size is no
/// reference, nor is a failed run.
pub(super) fn refer(all: &mut [MemorySeries]) {
    let smallest: Vec<Option<(u64, u64)>> =
        all.iter().map(|series| smallest_with_fast_reader(series, all)).collect();
    for (series, smallest) in all.iter_mut().zip(smallest) {
        let smallest = smallest.filter(|(body, _)| body.saturating_mul(2) <= series.largest());
        if let Some((peak, (_, reference))) = series.peak_rss_bytes().zip(smallest) {
            series.growth = peak.saturating_sub(reference);
        }
    }
}

/// Returns the size of the smallest body with a fast reader and the lowest peak of its runs, in bytes. `None` unless
/// the reader of `series` stands still.
fn smallest_with_fast_reader(series: &MemorySeries, all: &[MemorySeries]) -> Option<(u64, u64)> {
    series.case.reader_stall?;
    let mut key = series.key.clone();
    key.case = key.case.without_axis(Case::STALL);
    let fast = all.iter().find(|other| other.end == series.end && other.key == key)?;
    fast.peaks.iter().min().copied()
}

/// Returns the slope above which memory counts as growing, in bytes per GiB of waiting body. It is at least
/// [`absorption::LIMIT`], because the memory of an idle runtime is less steady than that of a busy one.
pub(super) fn limit(slope_limit: u64) -> u64 {
    const LEAST: u64 = (absorption::LIMIT as u64) << 20;
    slope_limit.max(LEAST)
}

/// Returns the course of anonymous RSS within a standstill. Its offsets are as if the rest of the body of `total` bytes
/// were delivered at a constant rate during the standstill.
pub(super) fn course(timeline: &[TimelinePoint], stall: &Stall, total: u64) -> Course {
    let until = stall.began_s + stall.seconds;
    let during = || timeline.iter().filter(|point| (stall.began_s..=until).contains(&point.seconds));
    let rest = total.saturating_sub(during().next().map_or(0, |point| point.body_bytes));
    let share = |point: &TimelinePoint| (point.seconds - stall.began_s) / stall.seconds;
    Course::of(during().map(|point| ((share(point) * rest as f64) as u64, point.anon_bytes)), rest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use record::{ByteSize, EndRecord, Record, Subject};

    use super::*;
    use crate::{
        Constancy, Judgement, Verdict,
        tests::{run, with},
    };

    const MIB: u64 = 1 << 20;

    /// Returns the record of a server that sends a body of `body` MiB in ten seconds. `grown` takes the time in tenths
    /// of a second, and returns the memory in MiB over the baseline of 10 MiB. The reader stands still from 2 s to 7 s.
    fn record(body: u64, is_stalled: bool, grown: impl Fn(u64) -> f64) -> Record {
        with(run("h1c"), |record| {
            record.subject = Some(Subject::Server);
            record.case.body = ByteSize(body * MIB);
            record.case.reader_stall = is_stalled.then_some(Duration::from_secs(5));
            record.stall = is_stalled.then_some(Stall { began_s: 2.0, seconds: 5.0, ended: None });
            let memory = |at: u64| ((10.0 + grown(at)) * f64::from(1 << 20)) as u64;
            let point = |at: u64| TimelinePoint {
                seconds: at as f64 / 10.0,
                rss_bytes: memory(at),
                anon_bytes: memory(at),
                body_bytes: if at < 20 { at } else { 1 + at.max(70) },
            };
            let mut end = EndRecord::default();
            end.memory.timeline = (0..100).map(point).collect();
            end.memory.baseline_rss_bytes = Some(10 * MIB);
            end.memory.peak_rss_bytes = (0..100).map(memory).max();
            record.receiver = Some(end);
        })
    }

    /// Returns the judgement on the last of the records.
    fn judged(records: &[Record]) -> Judgement {
        MemorySeries::all(records).into_iter().map(Judgement::of).next_back().unwrap()
    }

    #[test]
    fn a_program_that_takes_in_the_body_at_once_is_growing_although_it_is_level_afterwards() {
        let taken = judged(&[record(1024, true, |at| if at > 21 { 1000.0 } else { 0.0 })]);
        assert_eq!((taken.constancy, taken.verdict()), (Constancy::Growing, Verdict::MemoryOver));
        assert!(taken.reason.unwrap().contains("rises by 1000.0 MiB"));
        let filled = judged(&[record(1024, true, |at| if at > 21 { 100.0 } else { 0.0 })]);
        assert_eq!((filled.constancy, filled.series.budget), (Constancy::Constant, Some(128 * MIB)));
    }

    #[test]
    fn a_program_that_takes_in_the_body_slowly_is_growing_below_the_bound() {
        let slowly =
            |mib_per_s: f64| judged(&[record(1024, true, |at| mib_per_s * at.clamp(20, 70) as f64 / 10.0)]);
        assert_eq!(slowly(10.0).constancy, Constancy::Growing);
        assert!(slowly(10.0).reason.unwrap().ends_with("grows while the reader stands still"));
        assert_eq!(slowly(1.0).constancy, Constancy::GrowingSlowly);
        assert_eq!(slowly(0.01).constancy, Constancy::Constant);
    }

    #[test]
    fn growth_before_the_baseline_and_the_start_of_a_runtime_are_told_apart_by_the_smallest_body() {
        let fast = |mib: f64| record(64, false, move |_| mib);
        let runtime = judged(&[fast(200.0), record(1024, true, |_| 201.0)]);
        assert_eq!((runtime.constancy, runtime.series.growth), (Constancy::Constant, MIB));
        assert_eq!(judged(&[record(1024, true, |_| 201.0)]).constancy, Constancy::Growing, "without it");
        let mut whole = record(1024, true, |_| 1024.0);
        whole.receiver.as_mut().unwrap().memory.baseline_rss_bytes = Some(1034 * MIB);
        assert_eq!(judged(&[whole.clone()]).constancy, Constancy::Constant, "its baseline has the body");
        assert_eq!(judged(&[fast(64.0), whole]).constancy, Constancy::Growing);
    }

    #[test]
    fn a_program_that_ends_the_transfer_by_itself_is_constant_with_a_remark() {
        let mut ended = record(1024, true, |_| 1.0);
        ended.stall = Some(Stall { began_s: 2.0, seconds: 0.5, ended: Some("it said no".into()) });
        let judgement = judged(&[ended]);
        assert_eq!(judgement.constancy, Constancy::Constant);
        let remark = judgement.reason.unwrap();
        assert!(remark.starts_with("it ended the transfer by itself: it said no; by the growth"), "{remark}");
    }

    #[test]
    fn a_run_whose_reader_never_stood_still_decides_nothing() {
        let record = with(record(1024, true, |_| 0.0), |record| record.stall = None);
        assert_eq!(judged(&[record]).constancy, Constancy::Inconclusive);
    }
}
