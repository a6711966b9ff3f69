//! The evidence of peak RSS over bodies of several sizes, for or against growth with the body.

use record::{ByteSize, mib};
use stats::Slope;

/// The least slope above which memory counts as growing, in MiB per GiB. Peaks scatter by tenths of a MiB, and cannot
/// show smaller slopes. A receiver that collects the body has a slope of about 1,000.
const LEAST_LIMIT: f64 = 1.0;

/// The evidence of peak RSS about growth with the body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Peaks {
    /// Growth at the limit is excluded, or there is only one size, which shows nothing about growth over sizes. The
    /// text is a remark.
    Level(Option<String>),
    /// The interval of the slope lies above the limit.
    Growing,
    /// Growth is not excluded, for the reason in the text.
    Unclear(&'static str),
}

impl Peaks {
    /// Returns the evidence of `runs`, each with its body size and its peak in bytes. `slope` is the slope through all
    /// runs; `None` if there are too few runs for an interval. The slope and its `limit` are in MiB per GiB.
    pub(super) fn of(runs: &[(u64, u64)], slope: Option<Slope>, limit: f64) -> Self {
        let limit = limit.max(LEAST_LIMIT);
        let mut sizes: Vec<u64> = runs.iter().map(|run| run.0).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let [smallest, .., largest] = sizes[..] else { return Self::Level(None) };
        let reason = match slope {
            Some(slope) if slope.low > limit => return Self::Growing,
            Some(slope) if slope.high < limit => return Self::Level(None),
            Some(_) => "the interval of peak RSS over sizes contains the limit: more rounds narrow it",
            None if steepest(runs, smallest, largest) <= limit => return Self::Level(None),
            None => {
                "peak RSS rises by more than the limit from the smallest body to the largest, in too few runs for an interval: more rounds are needed"
            }
        };
        match sizes[..] {
            [.., before, largest] if steepest(runs, before, largest) < limit => {
                let from = ByteSize(before);
                Self::Level(Some(format!("peak RSS is level from bodies of {from} on, after a step")))
            }
            _ => Self::Unclear(reason),
        }
    }
}

/// Returns the steepest slope between two sizes, in MiB per GiB: from the lowest peak of the smaller size to the
/// highest peak of the larger size.
fn steepest(runs: &[(u64, u64)], smaller: u64, larger: u64) -> f64 {
    let of = |size: u64| runs.iter().filter(move |run| run.0 == size).map(|run| mib(run.1));
    let (most, least) = (of(larger).fold(f64::MIN, f64::max), of(smaller).fold(f64::MAX, f64::min));
    (most - least) / (mib(larger.saturating_sub(smaller)) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the evidence of one round over 256 MiB, 1 and 4 GiB with the given peaks in KiB.
    fn one_round(kib: [u64; 3]) -> Peaks {
        let runs = [256 << 20, 1 << 30, 4 << 30_u64].into_iter().zip(kib.map(|kib| kib << 10));
        Peaks::of(&runs.collect::<Vec<_>>(), None, 0.1)
    }

    #[test]
    fn without_an_interval_the_largest_body_must_not_lie_above_the_smallest_by_a_mib_per_gib() {
        assert_eq!(one_round([10 << 10, 10 << 10, 12 << 10]), Peaks::Level(None));
        assert_eq!(one_round([10 << 10, 9 << 10, 8 << 10]), Peaks::Level(None));
        // The body grows by 3.75 GiB, and memory by 4 MiB.
        let Peaks::Unclear(reason) = one_round([10 << 10, 10 << 10, 14 << 10]) else { panic!("not seen") };
        assert!(reason.contains("too few runs for an interval"), "{reason}");
        let two_sizes = [(1 << 30, 10 << 20), (2 << 30, 12 << 20)];
        assert!(matches!(Peaks::of(&two_sizes, None, 0.1), Peaks::Unclear(_)));
    }

    #[test]
    fn peaks_that_are_level_between_the_two_largest_sizes_are_level_after_a_step() {
        let Peaks::Level(Some(remark)) = one_round([10 << 10, 15 << 10, 15 << 10]) else {
            panic!("not level")
        };
        assert_eq!(remark, "peak RSS is level from bodies of 1GiB on, after a step");
    }

    #[test]
    fn one_size_says_nothing_about_sizes() {
        assert_eq!(Peaks::of(&[(4 << 30, 9 << 20), (4 << 30, 90 << 20)], None, 0.1), Peaks::Level(None));
        assert_eq!(Peaks::of(&[], None, 0.1), Peaks::Level(None));
    }

    #[test]
    fn with_an_interval_its_ends_decide() {
        let runs = [(1 << 30, 10 << 20), (4 << 30, 16 << 20)];
        let of = |low, high| Peaks::of(&runs, Some(Slope { estimate: (low + high) / 2.0, low, high }), 0.1);
        assert_eq!((of(1.1, 2.0), of(-2.0, 0.9)), (Peaks::Growing, Peaks::Level(None)));
        assert!(matches!(of(0.5, 2.0), Peaks::Unclear(reason) if reason.contains("contains the limit")));
    }
}
