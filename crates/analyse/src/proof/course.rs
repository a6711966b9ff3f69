//! The course of memory within runs: its slope, and a step or a plateau after which it is flat again.

use record::mib;
use serde::{Serialize, Serializer};
use stats::{Slope, trend};

use super::Constancy;

/// The probability that the interval of one fit contains the true slope. The course uses the narrower interval of two
/// fits, which contains the slope with a probability of 99 %. With 95 %, one flat end in forty would be called growing.
const CONFIDENCE: f64 = 0.995;

/// The fewest points on either side of a change of level. With fewer points, a slope has no interval.
const FEWEST: usize = 16;

/// The least number of stretches of a course. The lowest point of each stretch is a point of the lower envelope. With
/// 20 stretches, each is long enough for every queue to be short once, and the envelope has enough points for an
/// interval.
const STRETCHES: usize = 20;

/// The largest distance between the highest and the lowest point of a course that bounds its slope, as a share of the
/// growth at the limit. A leak at the limit stays within this distance only if half of it is released elsewhere
/// meanwhile.
const BAND: f64 = 0.5;

/// The least change of level, in standard deviations of the points around the levels. Noise does not cause a change of
/// this size.
const SIGNIFICANT: f64 = 4.0;

/// Memory against body bytes within one run, in MiB and GiB, from a quarter of the body on. Buffers fill for the first
/// time before that.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Course(Vec<(f64, f64)>);

/// The slope of memory within runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fit {
    /// The slope with its interval of 99 %, in MiB per GiB: of all points, or of the points after the change of level.
    #[serde(serialize_with = "slope")]
    pub slope: Slope,
    /// The conclusion from the slope: constant, growing or inconclusive.
    pub constancy: Constancy,
    /// The change of level after which memory is flat; `None` if the slope is fitted through all points.
    pub change: Option<LevelChange>,
}

pub(super) fn slope<S: Serializer>(slope: &Slope, serializer: S) -> Result<S::Ok, S::Error> {
    [slope.estimate, slope.low, slope.high].serialize(serializer)
}

/// A change of level within runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LevelChange {
    /// True if the level changed at once. Otherwise it changed over some time.
    pub is_step: bool,
    /// The body bytes after which memory is flat.
    pub at_bytes: u64,
    /// The change of the level, in bytes.
    pub by_bytes: i64,
}

impl std::fmt::Display for LevelChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (by, at) = (mib(self.by_bytes.unsigned_abs()), mib(self.at_bytes) / 1024.0);
        let sign = if self.by_bytes < 0 { '-' } else { '+' };
        match self.is_step {
            true => write!(f, "flat on both sides of a step of {sign}{by:.2} MiB at {at:.2} GiB"),
            false => write!(f, "flat from {at:.2} GiB on, after a change of {sign}{by:.2} MiB"),
        }
    }
}

impl LevelChange {
    /// Describes the change within a standstill of the reader, in which offsets are times instead of bytes.
    pub(super) fn in_standstill(&self) -> String {
        let (by, sign) = (mib(self.by_bytes.unsigned_abs()), if self.by_bytes < 0 { '-' } else { '+' });
        format!("flat again after a change of {sign}{by:.2} MiB")
    }
}

impl Course {
    /// Returns the course of `points` of body bytes and memory in bytes, within a body of `total` bytes. Of several
    /// points at one offset, the first counts.
    pub(crate) fn of(points: impl Iterator<Item = (u64, u64)>, total: u64) -> Self {
        let mut settled: Vec<(u64, u64)> = points.filter(|point| point.0 >= total / 4).collect();
        settled.dedup_by_key(|point| point.0);
        Self(settled.into_iter().map(|(x, y)| (mib(x) / 1024.0, mib(y))).collect())
    }

    /// Returns whether the course has enough points for a slope with an interval.
    pub(super) fn has_slope(&self) -> bool {
        self.0.len() >= FEWEST
    }

    /// Returns the slope of all points with its interval. If these do not show growth, returns the slope of the lower
    /// envelope instead, provided that its interval is narrower. Bytes that wait in queues for a slow reader scatter by
    /// the size of the windows, and hide a leak of some bytes per chunk. The envelope contains the leak without the
    /// queues.
    fn slope(&self, limit: f64) -> Option<Slope> {
        let all = self.slope_of_all(limit)?;
        if Constancy::within_limit(all, limit).is_growth() {
            return Some(all);
        }
        let width = |slope: &Slope| slope.high - slope.low;
        let envelope = self.lower_envelope().and_then(|course| course.slope_of_all(limit));
        envelope.filter(|envelope| width(envelope) < width(&all)).or(Some(all))
    }

    /// Returns the lowest point of each stretch of points. `None` if a stretch would have fewer than two points.
    fn lower_envelope(&self) -> Option<Self> {
        let length = self.0.len() / STRETCHES;
        let lowest = |stretch: &[(f64, f64)]| {
            let middle = stretch.get(stretch.len() / 2)?.0;
            Some((middle, stretch.iter().map(|point| point.1).fold(f64::MAX, f64::min)))
        };
        (length > 1).then(|| Self(self.0.chunks_exact(length).filter_map(lowest).collect()))
    }

    /// Returns the slope of all points with its interval. Memory that switches slowly between two levels looks like a
    /// random walk, whose interval is wide. If the lowest and the highest point are close to each other, no slope is
    /// steeper than the line from one to the other.
    fn slope_of_all(&self, limit: f64) -> Option<Slope> {
        let Slope { estimate, low, high } = trend(&self.0, CONFIDENCE)?;
        let levels = || self.0.iter().map(|point| point.1);
        let band = levels().fold(f64::MIN, f64::max) - levels().fold(f64::MAX, f64::min);
        let span = self.0.last()?.0 - self.0.first()?.0;
        if band > BAND * limit * span {
            return Some(Slope { estimate, low, high });
        }
        let steepest = band / span;
        let within = |slope: f64| slope.clamp(-steepest, steepest);
        Some(Slope { estimate: within(estimate), low: within(low), high: within(high) })
    }

    /// Returns the middle of the body, in GiB: half of the last offset.
    fn middle(&self) -> f64 {
        self.0.last().map_or(0.0, |last| last.0 / 2.0)
    }

    fn after(&self, offset: f64) -> Self {
        Self(self.0.iter().copied().filter(|point| point.0 > offset).collect())
    }

    fn until(&self, offset: f64) -> Self {
        Self(self.0.iter().copied().filter(|point| point.0 <= offset).collect())
    }

    fn mean(&self) -> f64 {
        self.0.iter().map(|point| point.1).sum::<f64>() / self.0.len() as f64
    }

    /// Returns the sum of the squared deviations of memory from its mean.
    fn squares(&self) -> f64 {
        let mean = self.mean();
        self.0.iter().map(|point| (point.1 - mean).powi(2)).sum()
    }

    /// Returns the offset of the change of level that fits best by least squares. The offset lies in the first three
    /// quarters of the body, so that enough points follow.
    fn step(&self) -> Option<f64> {
        let (n, last) = (self.0.len(), self.0.last()?.0);
        let total: f64 = self.0.iter().map(|point| point.1).sum();
        let mut before = 0.0;
        let mut best = None;
        for (i, (x, y)) in self.0.iter().enumerate() {
            before += y;
            let (left, right) = (i + 1, n - i - 1);
            if left < FEWEST || right < FEWEST || *x > 0.75 * last {
                continue;
            }
            // The reduction of the sum of squares by a second level, up to a constant factor.
            let apart = before / left as f64 - (total - before) / right as f64;
            let explained = apart * apart * (left * right) as f64;
            if best.is_none_or(|(most, _)| explained > most) {
                best = Some((explained, *x));
            }
        }
        best.map(|(_, offset)| offset)
    }

    /// Returns the change of level at an offset, in MiB. `None` if the scatter around the later level explains the
    /// change, or if memory then rises by half of the change again up to the last point. A list that doubles in the
    /// middle of the body doubles at its end, too.
    fn change_at(&self, offset: f64) -> Option<f64> {
        let (before, after) = (self.until(offset), self.after(offset));
        let by = after.mean() - before.mean();
        let scatter = (after.squares() / after.0.len() as f64).sqrt();
        let rises_again = by > 0.0 && self.0.last()?.1 - after.mean() > by / 2.0;
        (by.abs() > SIGNIFICANT * scatter && !rises_again).then_some(by)
    }
}

impl Fit {
    /// Returns the fit of the courses of one or more runs. The limit is in MiB per GiB. `None` if a course has too few
    /// points.
    pub(crate) fn of(courses: &[Course], limit: f64) -> Option<Self> {
        let slope = joint(courses.iter().map(|course| course.slope(limit)))?;
        let constancy = Constancy::within_limit(slope, limit);
        let late = joint(courses.iter().map(|course| course.after(course.middle()).slope_of_all(limit)));
        let late_growth = late.is_some_and(|late| Constancy::within_limit(late, limit) == Constancy::Growing);
        if constancy == Constancy::Constant && !late_growth {
            return Some(Self { slope, constancy, change: None });
        }
        if let Some(flat) = flat_again(courses, limit) {
            return Some(flat);
        }
        let constancy = match constancy {
            _ if late_growth => Constancy::Growing,
            // Memory grew, but the last half of the body does not show further growth.
            constancy if constancy.is_growth() && late.is_some_and(|late| late.low <= 0.0) => {
                Constancy::Inconclusive
            }
            constancy => constancy,
        };
        Some(Self { slope, constancy, change: None })
    }
}

/// Returns the fit after a change of level, if memory is flat there. If the change is in the last half of the body,
/// memory must also be flat before it, from the first quarter on. A list that doubles is flat between its changes, and
/// still grows with the body.
fn flat_again(courses: &[Course], limit: f64) -> Option<Fit> {
    let steps: Option<Vec<f64>> = courses.iter().map(Course::step).collect();
    let middles: Vec<f64> = courses.iter().map(Course::middle).collect();
    steps.into_iter().chain([middles]).find_map(|offsets| flat_after(courses, &offsets, limit))
}

/// Returns the fit after an offset in each course. `None` unless memory is flat there.
fn flat_after(courses: &[Course], offsets: &[f64], limit: f64) -> Option<Fit> {
    let parts = || courses.iter().zip(offsets).map(|(course, offset)| (course, *offset));
    let flat = |slope: &Slope| Constancy::is_flat(*slope, limit);
    let slope =
        joint(parts().map(|(course, offset)| course.after(offset).slope_of_all(limit))).filter(flat)?;
    let is_step = joint(parts().map(|(course, offset)| course.until(offset).slope_of_all(limit)))
        .is_some_and(|slope| flat(&slope));
    if !is_step && parts().any(|(course, offset)| offset > course.middle()) {
        return None;
    }
    let changes = parts().map(|(course, offset)| course.change_at(offset)).collect::<Option<Vec<f64>>>()?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let change = LevelChange {
        is_step,
        at_bytes: (mean(offsets) * f64::from(1 << 30)) as u64,
        by_bytes: (mean(&changes) * f64::from(1 << 20)) as i64,
    };
    Some(Fit { slope, constancy: Constancy::Constant, change: Some(change) })
}

/// Returns the mean of the slopes of independent runs, with its interval. `None` if any slope is unknown, or without
/// any run.
///
/// Each end of the interval is computed from the distances of the estimates to the same ends, because a bounded
/// interval is not symmetric around its estimate. If these distances were averaged over both sides, a mean could differ
/// from zero although no slope does.
///
/// Source: Zou, Huang and Zhang 2009, "A note on confidence interval estimation for a linear function of binomial
/// proportions", Computational Statistics & Data Analysis 53(4), 1080–1085, which extends Zou and Donner 2008 (see
/// [`stats::quotient()`]) to linear functions of several estimates.
fn joint(slopes: impl Iterator<Item = Option<Slope>>) -> Option<Slope> {
    let slopes: Vec<Slope> = slopes.collect::<Option<_>>()?;
    let runs = slopes.len() as f64;
    let estimate = slopes.iter().map(|slope| slope.estimate).sum::<f64>() / runs;
    let distance =
        |of: fn(&Slope) -> f64| slopes.iter().map(|slope| of(slope).powi(2)).sum::<f64>().sqrt() / runs;
    let (below, above) =
        (distance(|slope| slope.estimate - slope.low), distance(|slope| slope.high - slope.estimate));
    (runs > 0.0).then_some(Slope { estimate, low: estimate - below, high: estimate + above })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(low: f64, estimate: f64, high: f64) -> Option<Slope> {
        Some(Slope { estimate, low, high })
    }

    #[test]
    fn the_ends_of_a_joint_interval_come_from_the_same_ends_of_the_runs() {
        let pooled = joint([slope(-3.0, 0.0, 1.0), slope(-3.0, 1.0, 1.0)].into_iter()).unwrap();
        assert_eq!((pooled.estimate, pooled.low, pooled.high), (0.5, -2.0, 1.0));
        let symmetric = joint([slope(-3.0, 0.0, 3.0), slope(-2.0, 2.0, 6.0)].into_iter()).unwrap();
        assert_eq!((symmetric.estimate, symmetric.low, symmetric.high), (1.0, -1.5, 3.5));
    }

    #[test]
    fn runs_whose_intervals_are_bounded_at_zero_growth_show_no_growth_together() {
        // The slopes of three rounds in KiB per GiB, of which two are bounded at 21.
        let runs = [slope(-21.0, 21.0, 21.0), slope(0.0, 0.0, 0.0), slope(-21.0, 21.0, 21.0)];
        let pooled = joint(runs.into_iter()).unwrap();
        assert!(pooled.low <= 0.0 && pooled.high <= 21.0, "{pooled:?}");
    }

    #[test]
    fn no_run_and_an_unknown_slope_have_no_joint_slope() {
        assert_eq!(joint(std::iter::empty()), None);
        assert_eq!(joint([slope(0.0, 0.0, 0.0), None].into_iter()), None);
    }
}
