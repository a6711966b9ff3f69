//! The conclusions about memory, and the rule that derives a conclusion from a slope and a limit.

use std::fmt;

use serde::Serialize;
use stats::Slope;

/// The conclusion about the behaviour of memory during a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Constancy {
    /// The slope is below the limit, and it is negligible or may be zero.
    #[serde(rename = "CONSTANT")]
    Constant,
    /// The slope is above zero, not negligible, and below the limit.
    #[serde(rename = "GROWING SLOWLY")]
    GrowingSlowly,
    /// The slope is above the limit.
    #[serde(rename = "GROWING")]
    Growing,
    /// The interval of the slope allows no other conclusion, or the slope has no interval.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
}

/// The share of the limit below which a slope is negligible, even if the slope is certainly above zero.
const NEGLIGIBLE: f64 = 1.0 / 8.0;

impl Constancy {
    /// Derives the conclusion from a slope that may differ from zero. Only the limit counts, which has the unit of the
    /// slope.
    pub fn of(slope: Slope, limit: f64) -> Self {
        match slope {
            slope if slope.high < limit => Self::Constant,
            slope if slope.low > limit => Self::Growing,
            _ => Self::Inconclusive,
        }
    }

    /// Derives the conclusion from a slope that should be zero. The limit has the unit of the slope.
    pub fn within_limit(slope: Slope, limit: f64) -> Self {
        let is_negligible = slope.estimate < limit * NEGLIGIBLE;
        match slope {
            slope if slope.high <= limit && (slope.low <= 0.0 || is_negligible) => Self::Constant,
            slope if slope.low > limit => Self::Growing,
            slope if slope.low > 0.0 && !is_negligible && slope.estimate <= limit => Self::GrowingSlowly,
            _ => Self::Inconclusive,
        }
    }

    /// Returns whether a slope is flat: negligible, and certainly below the limit.
    pub(super) fn is_flat(slope: Slope, limit: f64) -> bool {
        slope.high <= limit && slope.estimate < limit * NEGLIGIBLE
    }

    /// Returns whether memory grows, slowly or not.
    pub fn is_growth(self) -> bool {
        matches!(self, Self::Growing | Self::GrowingSlowly)
    }
}

impl fmt::Display for Constancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Constant => "CONSTANT",
            Self::GrowingSlowly => "GROWING SLOWLY",
            Self::Growing => "GROWING",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_the_limit_and_an_eighth_of_it_decide() {
        use Constancy::*;
        let judged = |low, estimate, high| Constancy::within_limit(Slope { estimate, low, high }, 80.0);
        assert_eq!(judged(-5.0, 1.0, 80.0), Constant);
        assert_eq!(judged(-5.0, 30.0, 70.0), Constant, "not shown to be above zero");
        assert_eq!(judged(8.0, 9.0, 9.9), Constant, "above zero, but below an eighth");
        assert_eq!(judged(9.0, 10.0, 11.0), GrowingSlowly);
        assert_eq!(judged(1.0, 70.0, 130.0), GrowingSlowly);
        assert_eq!(judged(81.0, 90.0, 100.0), Growing);
        assert_eq!(judged(-5.0, 1.0, 81.0), Inconclusive);
        assert_eq!(judged(79.0, 81.0, 90.0), Inconclusive);
    }
}
