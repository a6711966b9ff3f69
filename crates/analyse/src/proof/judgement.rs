//! The judgement on one series of runs: whether memory is constant.

use record::{SinkKind, mib};
use serde::{Serialize, Serializer};
use stats::{Slope, theil_sen};

use super::{
    Constancy, MemorySeries, SIZES,
    course::{self, Course, Fit},
    peaks::Peaks,
};
use crate::Verdict;

/// A series, the lines fitted through it, and the conclusion.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The runs on which the judgement is based.
    pub series: MemorySeries,
    /// The slope of peak RSS against body size over all runs, with Sen's interval of 95 %, in MiB per GiB.
    #[serde(serialize_with = "optional_slope")]
    pub over_sizes: Option<Slope>,
    /// The fit of the live heap within runs of the largest body; `None` if the heap was not counted, or at too few
    /// offsets.
    pub heap: Option<Fit>,
    /// The fit of anonymous RSS within runs of the largest body; `None` if there are too few samples.
    pub anon: Option<Fit>,
    /// The conclusion about the memory of the end.
    pub constancy: Constancy,
    /// The reason if memory is not constant. If memory is constant, a remark, or `None`.
    pub reason: Option<String>,
}

fn optional_slope<S: Serializer>(slope: &Option<Slope>, serializer: S) -> Result<S::Ok, S::Error> {
    match slope {
        Some(slope) => course::slope(slope, serializer),
        None => serializer.serialize_none(),
    }
}

impl Judgement {
    /// Judges a series.
    pub fn of(series: MemorySeries) -> Self {
        let limit = mib(series.limit_bytes);
        let heap: Option<Vec<Course>> = series.heap.iter().cloned().collect();
        let mut judgement = Self {
            over_sizes: theil_sen(&scaled(&series.peaks)),
            heap: heap.and_then(|courses| Fit::of(&courses, limit)),
            anon: Fit::of(&series.anon, limit),
            constancy: Constancy::Inconclusive,
            reason: None,
            series,
        };
        (judgement.constancy, judgement.reason) = judgement.judge();
        judgement
    }

    /// Returns whether the memory of the end grew by more than its budget in any run.
    pub fn is_over_budget(&self) -> bool {
        self.series.budget.is_some_and(|budget| self.series.growth > budget)
    }

    /// Returns the fit that decides the judgement: of the live heap, or of anonymous RSS if the heap was not counted.
    pub fn deciding(&self) -> Option<Fit> {
        self.heap.or(self.anon)
    }

    /// Returns whether further rounds may decide: the conclusion is open, the memory of all runs is known, and an
    /// interval can become narrower.
    pub fn needs_rounds(&self) -> bool {
        let is_open = self.constancy == Constancy::Inconclusive && self.series.unknown == 0;
        let has_sizes = self.series.sizes() >= SIZES || self.series.is_stalled();
        is_open && has_sizes && self.deciding().is_some() && !self.is_over_budget()
    }

    /// Returns the upper bound of the slope at 99 %, in bytes per GiB and in bytes per chunk. `None` without a fit.
    pub fn bound(&self) -> Option<(f64, f64)> {
        let per_gib = self.deciding()?.slope.high.max(0.0) * f64::from(1 << 20);
        Some((per_gib, per_gib * u64::from(self.series.case.chunk) as f64 / f64::from(1 << 30)))
    }

    /// Returns whether a control behaves as its case demands. For a receiver that keeps some bytes per chunk, the slope
    /// alone decides.
    pub fn is_as_expected(&self) -> bool {
        let found = match self.series.case.sink {
            SinkKind::Keep(_) => self.deciding().map(|fit| fit.constancy),
            _ => Some(self.constancy),
        };
        found == Some(self.expected())
    }

    /// Returns the conclusion that the case of a control demands. A receiver that keeps a number of bytes per chunk has
    /// a known slope, which determines the conclusion. Any other control must grow.
    pub fn expected(&self) -> Constancy {
        let SinkKind::Keep(bytes) = self.series.case.sink else { return Constancy::Growing };
        let per_gib = bytes as f64 * f64::from(1 << 30) / u64::from(self.series.case.chunk) as f64;
        let slope = Slope { estimate: per_gib, low: per_gib, high: per_gib };
        Constancy::within_limit(slope, self.series.limit_bytes as f64)
    }

    /// Returns the verdict that the conclusion gives a command.
    pub fn verdict(&self) -> Verdict {
        match self.constancy {
            _ if self.is_over_budget() => Verdict::MemoryOver,
            Constancy::Growing | Constancy::GrowingSlowly => Verdict::MemoryOver,
            Constancy::Inconclusive => Verdict::Inconclusive,
            Constancy::Constant => Verdict::Good,
        }
    }

    /// Returns the conclusion as a word. Memory that is over its budget, but does not grow for certain, is "over budget".
    pub fn word(&self) -> String {
        match self.constancy {
            Constancy::Constant | Constancy::Inconclusive if self.is_over_budget() => {
                "over budget".to_owned()
            }
            constancy => constancy.to_string(),
        }
    }

    fn judge(&self) -> (Constancy, Option<String>) {
        let (constancy, reason) = self.judge_known();
        let unknown = match self.series.unknown {
            0 => return (constancy, reason),
            1 => "the memory of 1 run is not known".to_owned(),
            runs => format!("the memory of {runs} runs is not known"),
        };
        match reason.filter(|_| constancy.is_growth()) {
            Some(growth) => (constancy, Some(format!("{growth}; {unknown}"))),
            None => (Constancy::Inconclusive, Some(unknown)),
        }
    }

    /// Returns the conclusion from the runs whose memory is known. Other runs can hide growth, but not undo it.
    fn judge_known(&self) -> (Constancy, Option<String>) {
        let series = &self.series;
        let unclear = |reason: String| (Constancy::Inconclusive, Some(reason));
        if series.is_stalled() && self.is_over_budget() {
            let grown = mib(series.growth);
            let reason = format!(
                "peak RSS rises by {grown:.1} MiB beside a reader that stands still, more than an eighth of the body"
            );
            return (Constancy::Growing, Some(reason));
        }
        if let Some(budget) = series.budget.filter(|budget| series.largest() <= *budget) {
            return unclear(format!(
                "bodies of at most {} bytes would fit into the budget of {budget} bytes: use larger bodies",
                series.largest()
            ));
        }
        if self.peaks() == Peaks::Growing {
            return (Constancy::Growing, Some("peak RSS grows with the size of the body".into()));
        }
        let what = match (self.heap, series.subject) {
            (Some(_), _) => "the live heap",
            (None, Some(_)) => "the anonymous memory of its processes",
            (None, None) => "anonymous RSS (its heap was not counted)",
        };
        let Some(fit) = self.deciding() else {
            // The growth is within its bound, which alone decides a standstill with too few samples.
            return match series.is_stalled() {
                true => self.judge_constant(None),
                false => {
                    unclear("too few samples within a run for an interval: larger bodies have more".into())
                }
            };
        };
        let during = if series.is_stalled() { "while the reader stands still" } else { "within a run" };
        match fit.constancy {
            Constancy::Constant => self.judge_constant(Some(fit)),
            Constancy::Inconclusive => unclear(format!(
                "the interval of {what} {during} is too wide: more rounds or larger bodies narrow it"
            )),
            growth => (growth, Some(format!("{what} grows {during}"))),
        }
    }

    /// Returns the conclusion for memory that is constant within runs, with which RSS, budget and peaks must agree.
    /// `fit` is `None` if a standstill has too few samples.
    fn judge_constant(&self, fit: Option<Fit>) -> (Constancy, Option<String>) {
        let unclear = |reason: &str| (Constancy::Inconclusive, Some(reason.to_owned()));
        if self.anon.is_some_and(|anon| anon.constancy == Constancy::Growing) {
            return unclear("anonymous RSS grows within a run, but the live heap does not");
        }
        if self.is_over_budget() {
            return unclear("peak RSS is over its budget");
        }
        if self.lacks_comparison() {
            return unclear("runs of one size only: their peaks have no other size to compare with");
        }
        let peaks = match self.peaks() {
            Peaks::Level(remark) => remark,
            Peaks::Growing => return unclear("peak RSS grows with the size of the body"),
            Peaks::Unclear(reason) => return unclear(reason),
        };
        let is_counted = self.heap.is_some() || self.series.subject.is_some();
        let heap = (!is_counted).then(|| "by anonymous RSS alone: the heap was not counted".to_owned());
        let swap =
            self.series.was_swapped.then(|| "pages were swapped out, which RSS does not show".to_owned());
        let growth_alone = fit.is_none().then(|| {
            "by the growth of its memory alone: too few samples while the reader stood still".to_owned()
        });
        let ended =
            self.series.ended.as_ref().map(|reason| format!("it ended the transfer by itself: {reason}"));
        let change = fit.and_then(|fit| fit.change).map(|change| match self.series.is_stalled() {
            true => change.in_standstill(),
            false => change.to_string(),
        });
        let remarks: Vec<String> = ended
            .into_iter()
            .chain(growth_alone)
            .chain(change)
            .chain(peaks)
            .chain(heap)
            .chain(swap)
            .collect();
        (Constancy::Constant, (!remarks.is_empty()).then(|| remarks.join("; ")))
    }

    /// Returns whether nothing excludes memory that is taken before the first byte, and so is flat within each run:
    /// there is neither a budget nor a second size. A program that reads its whole input first takes such memory.
    fn lacks_comparison(&self) -> bool {
        self.series.budget.is_none() && self.series.sizes() < 2
    }

    /// Returns the evidence of peak RSS over the sizes of the body.
    fn peaks(&self) -> Peaks {
        Peaks::of(&self.series.peaks, self.over_sizes, mib(self.series.limit_bytes))
    }
}

/// Converts points from (bytes of body, bytes of memory) to (GiB, MiB).
fn scaled(points: &[(u64, u64)]) -> Vec<(f64, f64)> {
    points.iter().map(|(x, y)| (mib(*x) / 1024.0, mib(*y))).collect()
}

#[cfg(test)]
mod tests {
    use record::End;

    use super::*;

    /// Returns a series of two rounds over 1, 2 and 4 GiB with peaks of 10 MiB. Its single course of the heap is 1 MiB
    /// plus `extra` bytes at each sixty-fourth of 4 GiB.
    fn series(extra: impl Fn(u64) -> u64) -> MemorySeries {
        let peaks = [1, 2, 4, 1, 2, 4].map(|gib| (gib << 30, 10 << 20)).to_vec();
        let series = MemorySeries::synthetic(End::Receiver, peaks, 4 << 20);
        series.with_heap((1..=64).map(|i| (i << 26, (1 << 20) + extra(i))))
    }

    fn of_anon(extra: impl Fn(u64) -> u64) -> Vec<Course> {
        vec![Course::of((1..=64).map(|i| (i << 26, (1 << 20) + extra(i))), 4 << 30)]
    }

    fn judged(series: MemorySeries) -> (Constancy, String) {
        let judgement = Judgement::of(series);
        (judgement.constancy, judgement.reason.unwrap_or_default())
    }

    #[test]
    fn a_flat_heap_is_constant_and_has_a_bound_per_chunk() {
        let judgement = Judgement::of(series(|i| i * 7919 % 1000));
        assert_eq!((judgement.constancy, judgement.reason.as_deref()), (Constancy::Constant, None));
        let (per_gib, per_chunk) = judgement.bound().unwrap();
        // A GiB has 16,384 chunks of 64 KiB.
        assert!((per_gib / per_chunk / 16384.0 - 1.0).abs() < 1e-9 && per_gib < 1024.0, "{per_gib}");
    }

    #[test]
    fn growth_within_a_run_counts_even_if_the_peaks_are_flat() {
        // The peaks are flat in both series.
        let (constancy, reason) = judged(series(|i| i << 15));
        assert_eq!((constancy, reason.as_str()), (Constancy::Growing, "the live heap grows within a run"));
        assert_eq!(judged(series(|i| i << 11)).0, Constancy::GrowingSlowly);
    }

    #[test]
    fn peaks_that_grow_count_even_if_the_heap_is_flat_within_a_run() {
        let mut grown = series(|_| 0);
        grown.peaks.iter_mut().for_each(|peak| peak.1 += peak.0 >> 8);
        assert_eq!(judged(grown), (Constancy::Growing, "peak RSS grows with the size of the body".into()));
    }

    #[test]
    fn rss_that_grows_without_the_heap_proves_nothing() {
        let (constancy, reason) = judged(MemorySeries { anon: of_anon(|i| i << 15), ..series(|_| 0) });
        assert_eq!(constancy, Constancy::Inconclusive);
        assert!(reason.contains("anonymous RSS grows"), "{reason}");
    }

    #[test]
    fn a_heap_that_switches_slowly_between_two_close_levels_is_constant() {
        // HTTP/2's receiver over cleartext holds one more buffer of 64 KiB in two stretches of the run.
        let (constancy, reason) = judged(series(|i| if matches!(i, 20..36 | 50..) { 64 << 10 } else { 0 }));
        assert_eq!((constancy, reason.as_str()), (Constancy::Constant, ""));
    }

    #[test]
    fn a_step_is_named() {
        let (constancy, reason) = judged(series(|i| if i > 32 { 2 << 20 } else { 0 }));
        assert_eq!(constancy, Constancy::Constant);
        assert_eq!(reason, "flat on both sides of a step of +2.00 MiB at 2.00 GiB");
        let (constancy, reason) = judged(series(|i| i.min(30) << 16));
        assert_eq!(constancy, Constancy::Constant);
        assert!(reason.starts_with("flat from 1.94 GiB on, after a change of +"), "{reason}");
        let mut early = series(|_| 0);
        early.peaks.iter_mut().filter(|peak| peak.0 > 1 << 30).for_each(|peak| peak.1 += 2 << 20);
        let (constancy, reason) = judged(early);
        assert_eq!(constancy, Constancy::Constant);
        assert_eq!(reason, "peak RSS is level from bodies of 2GiB on, after a step");
    }

    #[test]
    fn records_without_a_heap_are_judged_by_rss_and_say_so() {
        let old =
            |extra: fn(u64) -> u64| MemorySeries { heap: vec![None], anon: of_anon(extra), ..series(|_| 0) };
        let (constancy, reason) = judged(old(|_| 0));
        assert_eq!(constancy, Constancy::Constant);
        assert_eq!(reason, "by anonymous RSS alone: the heap was not counted");
        let (constancy, reason) = judged(old(|i| i << 15));
        assert_eq!(constancy, Constancy::Growing);
        assert!(reason.contains("its heap was not counted"), "{reason}");
        let without = MemorySeries { heap: vec![None], ..series(|_| 0) };
        let (constancy, reason) = judged(without);
        assert_eq!(constancy, Constancy::Inconclusive);
        assert!(reason.contains("too few samples within a run"), "{reason}");
    }

    #[test]
    fn further_rounds_are_for_intervals_that_may_become_narrower() {
        let of = |series: MemorySeries| Judgement::of(series).needs_rounds();
        let scattered = || {
            let peaks = [(1, 0), (2, 3), (4, 0), (1, 5), (2, 0), (4, 9)];
            let peaks = peaks.map(|(gib, mib)| (gib << 30, (10 + mib) << 20)).to_vec();
            MemorySeries { peaks, ..series(|_| 0) }
        };
        assert!(of(scattered()));
        assert!(!of(series(|_| 0)), "decided");
        assert!(!of(MemorySeries { unknown: 1, ..scattered() }), "a run has failed");
        assert!(!of(MemorySeries { heap: vec![None], ..scattered() }), "too few samples in each run");
    }

    #[test]
    fn a_failed_run_hides_no_growth_and_leaves_the_rest_open() {
        let (constancy, reason) = judged(MemorySeries { unknown: 3, ..series(|i| i << 15) });
        assert_eq!(constancy, Constancy::Growing);
        assert_eq!(reason, "the live heap grows within a run; the memory of 3 runs is not known");
        let (constancy, reason) = judged(MemorySeries { unknown: 1, ..series(|_| 0) });
        assert_eq!(
            (constancy, reason.as_str()),
            (Constancy::Inconclusive, "the memory of 1 run is not known")
        );
    }

    #[test]
    fn bodies_that_would_fit_into_the_budget_prove_nothing() {
        let (constancy, reason) = judged(MemorySeries { budget: Some(5 << 30), ..series(|_| 0) });
        assert_eq!(constancy, Constancy::Inconclusive);
        assert!(reason.contains("use larger bodies"), "{reason}");
    }

    #[test]
    fn flat_memory_over_its_budget_is_not_constant() {
        let judgement = Judgement::of(MemorySeries { growth: 21 << 20, ..series(|_| 0) });
        assert_eq!((judgement.constancy, judgement.is_over_budget()), (Constancy::Inconclusive, true));
        assert_eq!((judgement.verdict(), judgement.word().as_str()), (Verdict::MemoryOver, "over budget"));
    }

    #[test]
    fn flat_runs_of_one_size_are_constant_only_within_a_budget() {
        let of_one_size = |budget| {
            let peaks = [4, 4, 4].map(|gib| (gib << 30, 5 << 30)).to_vec();
            MemorySeries { budget, peaks, ..series(|_| 0) }
        };
        assert_eq!(judged(of_one_size(Some(4 << 20))), (Constancy::Constant, String::new()));
        let without = Judgement::of(of_one_size(None));
        assert_eq!((without.constancy, without.needs_rounds()), (Constancy::Inconclusive, false));
        assert!(without.reason.unwrap().starts_with("runs of one size only"));
        assert_eq!(
            judged(MemorySeries { budget: None, ..series(|_| 0) }).0,
            Constancy::Constant,
            "three sizes"
        );
        let mut growing = of_one_size(None);
        growing.heap = series(|i| i << 15).heap;
        assert_eq!(judged(growing).0, Constancy::Growing, "one size shows growth within a run");
    }

    #[test]
    fn the_limit_is_that_of_the_records() {
        let at = |limit_bytes: u64| judged(MemorySeries { limit_bytes, ..series(|i| i << 14) }).0;
        // The slope is 256 KiB per GiB.
        assert_eq!(
            [100, 250, 300].map(|kib| at(kib << 10)),
            [Constancy::Growing, Constancy::Growing, Constancy::GrowingSlowly]
        );
        assert_eq!(at(3 << 20), Constancy::Constant, "less than an eighth of it");
    }

    #[test]
    fn the_bytes_that_a_control_keeps_determine_its_expected_verdict() {
        let keeping = |bytes: u64| {
            let mut series = series(|_| 0);
            (series.case.sink, series.limit_bytes) = (SinkKind::Keep(bytes), 100 << 10);
            Judgement::of(series).expected()
        };
        use Constancy::*;
        assert_eq!([0, 1, 6, 7].map(keeping), [Constant, GrowingSlowly, GrowingSlowly, Growing]);
    }
}
