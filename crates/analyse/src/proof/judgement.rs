//! The judgement on one series: whether memory is constant.

use std::fmt;

use serde::{Serialize, Serializer};
use stats::{Slope, theil_sen};

use super::MemorySeries;
use crate::Verdict;

/// The slope above which memory counts as growing, in MiB of RSS per GiB of body. A body of 64 GiB may then add 64 MiB;
/// a receiver that collects it would show a slope of a thousand.
const LIMIT: f64 = 1.0;

/// The behaviour of memory according to the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Constancy {
    /// The slope is below the limit.
    Constant,
    /// The slope is above the limit.
    Growing,
    /// The interval of the slope contains the limit, or there is no interval.
    Inconclusive,
}

impl Constancy {
    /// The behaviour according to a slope alone, for a limit in the same unit.
    pub fn of(slope: Slope, limit: f64) -> Self {
        match slope {
            slope if slope.high < limit => Self::Constant,
            slope if slope.low > limit => Self::Growing,
            _ => Self::Inconclusive,
        }
    }

    fn of_memory(slope: Option<Slope>) -> Self {
        slope.map_or(Self::Inconclusive, |slope| Self::of(slope, LIMIT))
    }
}

impl fmt::Display for Constancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Constant => "CONSTANT",
            Self::Growing => "GROWING",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

/// A series, the lines fitted through it, and the conclusion.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The series.
    pub series: MemorySeries,
    /// The slope of peak RSS against body size over all runs, in MiB per GiB.
    #[serde(serialize_with = "slope")]
    pub over_sizes: Option<Slope>,
    /// The slope of RSS against body bytes within a run of the largest body: the steepest of all such runs.
    #[serde(serialize_with = "slope")]
    pub within_run: Option<Slope>,
    /// The conclusion.
    pub constancy: Constancy,
    /// The reason, if memory is not constant.
    pub reason: Option<String>,
}

fn slope<S: Serializer>(slope: &Option<Slope>, serializer: S) -> Result<S::Ok, S::Error> {
    slope.map(|slope| [slope.estimate, slope.low, slope.high]).serialize(serializer)
}

impl Judgement {
    /// The judgement on a series.
    pub fn of(series: MemorySeries) -> Self {
        let over_sizes = theil_sen(&scaled(&series.peaks));
        let courses = series.courses.iter().filter_map(|course| theil_sen(&scaled(course)));
        let within_run = courses.max_by(|a, b| a.estimate.total_cmp(&b.estimate));
        let (constancy, reason) = judge(&series, over_sizes, within_run);
        Self { series, over_sizes, within_run, constancy, reason }
    }

    /// Whether the end grew by more than its budget.
    pub fn is_over_budget(&self) -> bool {
        self.series.growth > self.series.budget
    }

    /// The behaviour within the runs of the largest body alone.
    pub fn constancy_within_run(&self) -> Constancy {
        Constancy::of_memory(self.within_run)
    }

    /// The verdict on the end.
    pub fn verdict(&self) -> Verdict {
        match self.constancy {
            _ if self.is_over_budget() => Verdict::MemoryOver,
            Constancy::Growing => Verdict::MemoryOver,
            Constancy::Inconclusive => Verdict::Inconclusive,
            Constancy::Constant => Verdict::Good,
        }
    }
}

/// Bytes against bytes as MiB against GiB.
fn scaled(points: &[(u64, u64)]) -> Vec<(f64, f64)> {
    let (gib, mib) = (f64::from(1 << 30), f64::from(1 << 20));
    points.iter().map(|(x, y)| (*x as f64 / gib, *y as f64 / mib)).collect()
}

fn judge(
    series: &MemorySeries,
    over_sizes: Option<Slope>,
    within_run: Option<Slope>,
) -> (Constancy, Option<String>) {
    let unclear = |reason: String| (Constancy::Inconclusive, Some(reason));
    if series.unknown > 0 {
        return unclear(format!("the memory of {} runs is not known", series.unknown));
    }
    if series.largest() <= series.budget {
        return unclear(format!(
            "bodies of at most {} bytes would fit whole into the budget of {} bytes: take larger ones",
            series.largest(),
            series.budget
        ));
    }
    match (Constancy::of_memory(over_sizes), Constancy::of_memory(within_run)) {
        (Constancy::Growing, _) => {
            (Constancy::Growing, Some("peak RSS grows with the size of the body".into()))
        }
        (Constancy::Constant, Constancy::Growing) => {
            unclear("RSS grows within a run, but its peak does not grow with the size of the body".into())
        }
        (Constancy::Constant, _) if series.growth > series.budget => {
            unclear("peak RSS is over its budget".into())
        }
        (Constancy::Constant, _) => (Constancy::Constant, None),
        (Constancy::Inconclusive, _) if over_sizes.is_none() => {
            unclear("too few runs for an interval: three sizes and three rounds suffice".into())
        }
        (Constancy::Inconclusive, _) => unclear(
            "the interval of the slope holds 1 MiB per GiB: more rounds or larger bodies narrow it".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use record::End;

    use super::*;

    const MIB: f64 = (1 << 20) as f64;
    const SEEDS: u64 = 1000;

    /// A series of three rounds over 256 MiB, 1 and 4 GiB, with peaks of 10 MiB plus `extra`. That takes a size in GiB
    /// and a source of random numbers from 0 to 1, and returns MiB.
    fn series(seed: u64, extra: impl Fn(f64, &mut dyn FnMut() -> f64) -> f64) -> MemorySeries {
        let mut source = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut random = || (source.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let sizes = [0.25, 1.0, 4.0];
        let peaks = sizes.iter().cycle().take(9).map(|gib| {
            let mib = 10.0 + extra(*gib, &mut random);
            ((gib * 1024.0 * MIB) as u64, (mib * MIB) as u64)
        });
        MemorySeries::synthetic(End::Receiver, peaks.collect(), 20 << 20)
    }

    /// The number of series with this verdict among a thousand.
    fn with_verdict(verdict: Constancy, extra: impl Fn(f64, &mut dyn FnMut() -> f64) -> f64) -> usize {
        (0..SEEDS).filter(|seed| Judgement::of(series(*seed, &extra)).constancy == verdict).count()
    }

    #[test]
    fn noise_around_a_level_is_hardly_ever_called_growing() {
        let noise = |_: f64, random: &mut dyn FnMut() -> f64| random();
        assert!(with_verdict(Constancy::Growing, noise) < 10);
        assert!(with_verdict(Constancy::Constant, noise) > 900);
        let outliers = |_: f64, random: &mut dyn FnMut() -> f64| if random() > 0.9 { 6.0 } else { random() };
        assert!(with_verdict(Constancy::Growing, outliers) < 10);
    }

    #[test]
    fn a_slow_leak_is_hardly_ever_called_constant() {
        for leak in [1.5, 3.0, 1000.0] {
            let leaking = |gib: f64, random: &mut dyn FnMut() -> f64| leak * gib + random();
            assert!(with_verdict(Constancy::Constant, leaking) < 10, "{leak} MiB per GiB");
        }
        let leaking = |gib: f64, random: &mut dyn FnMut() -> f64| 3.0 * gib + random();
        assert!(with_verdict(Constancy::Growing, leaking) > 990);
    }

    #[test]
    fn a_step_is_hardly_ever_called_growing() {
        // A buffer that only a body over 512 MiB fills.
        let step =
            |gib: f64, random: &mut dyn FnMut() -> f64| f64::from(u8::from(gib > 0.5)) * 2.0 + random();
        assert!(with_verdict(Constancy::Growing, step) < 10);
    }

    #[test]
    fn a_sawtooth_is_hardly_ever_called_growing() {
        // Memory that is given back every 300 MiB of body: its peak is anywhere in its last tooth.
        let sawtooth = |_: f64, random: &mut dyn FnMut() -> f64| 4.0 * random();
        assert!(with_verdict(Constancy::Growing, sawtooth) < 10);
    }

    #[test]
    fn too_few_points_are_never_conclusive() {
        for points in 0..6 {
            let mut few = series(1, |_, random| random());
            few.peaks.rotate_left(2);
            few.peaks.truncate(points);
            let judgement = Judgement::of(few);
            assert_eq!(judgement.constancy, Constancy::Inconclusive, "{points} points");
            assert!(judgement.reason.is_some());
        }
    }

    #[test]
    fn bodies_that_would_fit_into_the_budget_prove_nothing() {
        let small = MemorySeries { budget: 5 << 30, ..series(1, |_, _| 0.0) };
        let judgement = Judgement::of(small);
        assert_eq!(judgement.constancy, Constancy::Inconclusive);
        assert!(judgement.reason.unwrap().contains("take larger ones"));
    }

    #[test]
    fn flat_memory_over_its_budget_is_not_constant() {
        let over = MemorySeries { growth: 21 << 20, ..series(1, |_, random| random()) };
        let judgement = Judgement::of(over);
        assert_eq!((judgement.constancy, judgement.is_over_budget()), (Constancy::Inconclusive, true));
    }

    #[test]
    fn growth_within_a_run_is_not_overlooked() {
        let course = (0..16_u64).map(|i| (i << 28, (10 << 20) + (i << 22))).collect();
        let judgement =
            Judgement::of(MemorySeries { courses: vec![course], ..series(1, |_, random| random()) });
        assert_eq!(judgement.constancy_within_run(), Constancy::Growing);
        assert_eq!(judgement.constancy, Constancy::Inconclusive);
    }
}
