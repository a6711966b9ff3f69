//! Whether memory is constant: what a series amounts to.

use std::fmt;

use super::{
    fit::{Slope, fit},
    series::Series,
};

/// The slope from which on memory counts as growing, in MiB of RSS per GiB of body: a body of 64 GiB may
/// then add 64 MiB, and what collects it would show a slope of a thousand.
const LIMIT: f64 = 1.0;

/// What figures say of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constancy {
    Constant,
    Growing,
    Inconclusive,
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

/// A series, its fits and what they amount to.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) series: Series,
    /// Peak RSS against body size, over all runs, in MiB per GiB.
    pub(crate) over_sizes: Option<Slope>,
    /// RSS against body bytes within a run of the largest body; of several runs the steepest.
    pub(crate) within_run: Option<Slope>,
    pub(crate) constancy: Constancy,
    /// Why it is not constant.
    pub(crate) reason: Option<String>,
}

impl Judgement {
    pub(crate) fn of(series: Series) -> Self {
        let over_sizes = fit(&scaled(&series.peaks));
        let courses = series.courses.iter().filter_map(|course| fit(&scaled(course)));
        let within_run = courses.max_by(|a, b| a.estimate.total_cmp(&b.estimate));
        let (constancy, reason) = judge(&series, over_sizes, within_run);
        Self { series, over_sizes, within_run, constancy, reason }
    }

    pub(crate) fn is_over_budget(&self) -> bool {
        self.series.growth > self.series.budget
    }
}

/// Bytes against bytes as GiB against MiB.
fn scaled(points: &[(u64, u64)]) -> Vec<(f64, f64)> {
    let (gib, mib) = (f64::from(1 << 30), f64::from(1 << 20));
    points.iter().map(|(x, y)| (*x as f64 / gib, *y as f64 / mib)).collect()
}

impl Slope {
    /// What the slope says by itself of a limit, in the same unit.
    pub(crate) fn against(self, limit: f64) -> Constancy {
        match self {
            slope if slope.high < limit => Constancy::Constant,
            slope if slope.low > limit => Constancy::Growing,
            _ => Constancy::Inconclusive,
        }
    }
}

/// What a slope says by itself of memory.
pub(crate) fn constancy(slope: Option<Slope>) -> Constancy {
    slope.map_or(Constancy::Inconclusive, |slope| slope.against(LIMIT))
}

fn judge(
    series: &Series,
    over_sizes: Option<Slope>,
    within_run: Option<Slope>,
) -> (Constancy, Option<String>) {
    let unclear = |why: String| (Constancy::Inconclusive, Some(why));
    if series.unknown > 0 {
        return unclear(format!("the memory of {} runs is not known", series.unknown));
    }
    if series.largest() <= series.budget {
        return unclear(format!(
            "bodies of at most {} bytes would stay within the budget of {} bytes if they were held whole: take larger ones",
            series.largest(),
            series.budget
        ));
    }
    match (constancy(over_sizes), constancy(within_run)) {
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
            unclear("too few runs for an interval: three sizes and three rounds will do".into())
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

    use super::*;
    use crate::record::End;

    const MIB: f64 = (1 << 20) as f64;
    const SEEDS: u64 = 1000;

    /// A series of three rounds over 256 MiB, 1 and 4 GiB, whose peaks are 10 MiB and what `extra` adds, in
    /// MiB, for a size in GiB and a source of chance from 0 to 1.
    fn series(seed: u64, extra: impl Fn(f64, &mut dyn FnMut() -> f64) -> f64) -> Series {
        let mut source = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut chance = || (source.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let sizes = [0.25, 1.0, 4.0];
        let peaks = sizes.iter().cycle().take(9).map(|gib| {
            let mib = 10.0 + extra(*gib, &mut chance);
            ((gib * 1024.0 * MIB) as u64, (mib * MIB) as u64)
        });
        Series {
            name: "synthetic".into(),
            end: End::Receiver,
            peaks: peaks.collect(),
            growth: 1 << 20,
            budget: 20 << 20,
            courses: Vec::new(),
            unknown: 0,
        }
    }

    /// How many of a thousand series are judged so.
    fn judged(verdict: Constancy, extra: impl Fn(f64, &mut dyn FnMut() -> f64) -> f64) -> usize {
        (0..SEEDS).filter(|seed| Judgement::of(series(*seed, &extra)).constancy == verdict).count()
    }

    #[test]
    fn noise_around_a_level_is_hardly_ever_called_growing() {
        let noise = |_: f64, chance: &mut dyn FnMut() -> f64| chance();
        assert!(judged(Constancy::Growing, noise) < 10);
        assert!(judged(Constancy::Constant, noise) > 900);
        let outliers = |_: f64, chance: &mut dyn FnMut() -> f64| if chance() > 0.9 { 6.0 } else { chance() };
        assert!(judged(Constancy::Growing, outliers) < 10);
    }

    #[test]
    fn a_slow_leak_is_hardly_ever_called_constant() {
        for leak in [1.5, 3.0, 1000.0] {
            let leaking = |gib: f64, chance: &mut dyn FnMut() -> f64| leak * gib + chance();
            assert!(judged(Constancy::Constant, leaking) < 10, "{leak} MiB per GiB");
        }
        let leaking = |gib: f64, chance: &mut dyn FnMut() -> f64| 3.0 * gib + chance();
        assert!(judged(Constancy::Growing, leaking) > 990);
    }

    #[test]
    fn a_step_is_hardly_ever_called_growing() {
        // A buffer that only a body over 512 MiB fills.
        let step =
            |gib: f64, chance: &mut dyn FnMut() -> f64| f64::from(u8::from(gib > 0.5)) * 2.0 + chance();
        assert!(judged(Constancy::Growing, step) < 10);
    }

    #[test]
    fn a_sawtooth_is_hardly_ever_called_growing() {
        // Memory that is given back every 300 MiB of body: its peak is anywhere in its last tooth.
        let sawtooth = |_: f64, chance: &mut dyn FnMut() -> f64| 4.0 * chance();
        assert!(judged(Constancy::Growing, sawtooth) < 10);
    }

    #[test]
    fn too_few_points_are_never_conclusive() {
        for points in 0..6 {
            let mut few = series(1, |_, chance| chance());
            few.peaks.rotate_left(2);
            few.peaks.truncate(points);
            let judgement = Judgement::of(few);
            assert_eq!(judgement.constancy, Constancy::Inconclusive, "{points} points");
            assert!(judgement.reason.is_some());
        }
    }

    #[test]
    fn bodies_that_would_fit_the_budget_prove_nothing() {
        let small = Series { budget: 5 << 30, ..series(1, |_, _| 0.0) };
        let judgement = Judgement::of(small);
        assert_eq!(judgement.constancy, Constancy::Inconclusive);
        assert!(judgement.reason.unwrap().contains("take larger ones"));
    }

    #[test]
    fn what_is_flat_but_over_its_budget_is_not_constant() {
        let over = Series { growth: 21 << 20, ..series(1, |_, chance| chance()) };
        let judgement = Judgement::of(over);
        assert_eq!((judgement.constancy, judgement.is_over_budget()), (Constancy::Inconclusive, true));
    }

    #[test]
    fn growth_within_a_run_is_not_overlooked() {
        let course = (0..16_u64).map(|i| (i << 28, (10 << 20) + (i << 22))).collect();
        let judgement = Judgement::of(Series { courses: vec![course], ..series(1, |_, chance| chance()) });
        assert_eq!(constancy(judgement.within_run), Constancy::Growing);
        assert_eq!(judgement.constancy, Constancy::Inconclusive);
    }
}
