//! Robust statistics for few measurements: medians, ratios and slopes with their intervals.
//!
//! Measurements of a computer are few, skewed and full of outliers. Estimates and intervals rest on ranks, so that a
//! single outlier moves them little. [`trend()`] and the tests of a [`Family`] are the exceptions. The crate has no
//! dependencies.
//!
//! | question | function | method |
//! |---|---|---|
//! | the typical value | [`median()`], [`median_interval`] | order statistics |
//! | the precision of a median, and when to check it | [`relative_half_width`], [`is_look`] | order statistics |
//! | the scatter of values | [`quartiles`], [`Spread`] | order statistics, with the interval of the median |
//! | the differences that scatter alone explains | [`Noise`] | quantiles of Student's distribution |
//! | the ratio of runs made in turns | [`paired_ratio`] | order statistics of ratios |
//! | the change between runs made in turns | [`paired_shift`] | Hodges and Lehmann, signed ranks |
//! | the change from one set to another | [`unpaired_shift`] | Hodges and Lehmann, rank sums |
//! | which of many changes are real | [`Family`], [`discovery_level`] | moderated t, false discovery rate |
//! | the change of a ratio from one machine to another | [`quotient()`] | recovered variances |
//! | the growth of y with x | [`theil_sen`] | median of pairwise slopes |
//! | the growth of a series whose neighbours depend on each other | [`trend()`] | autoregressive errors |
//!
//! # Example
//!
//! A machine that runs at half speed for some time distorts the comparison of two medians. Two consecutive runs share
//! the speed, so their ratio is unaffected.
//!
//! ```
//! use longhaul_stats::{median, paired_ratio};
//!
//! // Seconds that a job takes without a change and with it, in turns.
//! let runs = [(16.0, 14.0), (16.0, 14.5), (16.0, 13.5), (32.0, 28.5), (32.0, 28.0), (32.0, 27.5)];
//! assert_eq!(median(&runs.map(|(without, _)| without)), Some(24.0));
//!
//! let change = paired_ratio(&runs, 0.95).ok_or("there are no runs")?;
//! assert_eq!(change.estimate, 0.875);
//! // The job has become faster: a ratio of 1 is outside the interval.
//! assert!(change.interval.is_some_and(|interval| !interval.contains(1.0)));
//! # Ok::<(), &str>(())
//! ```
//!
//! # Conventions
//!
//! - Results have the unit of the values. Ratios have no unit, and slopes have the unit of y divided by the unit of x.
//! - Values must be finite. They are ordered by [`f64::total_cmp`]: a NaN is not left out, but counts as the greatest
//!   value, or as the least if its sign is negative. No function panics.
//! - `None` means that there are too few values, or that an argument is invalid. Each function states which.
//! - A `confidence` is the probability that an interval holds the true value; `alpha` is the probability that it does
//!   not.
//! - No function draws random numbers: the same values always give the same result.

mod binomial;
mod family;
mod gamma;
mod interval;
mod median;
mod noise;
mod precision;
mod quotient;
mod ranks;
mod ratio;
mod shift;
#[cfg(test)]
mod simulation;
mod slope;
mod spread;
mod student;
mod trend;

pub use family::{Family, discovery_level};
pub use interval::Interval;
pub use median::{Quartiles, median, median_interval, quartiles};
pub use noise::Noise;
pub use precision::{is_look, relative_half_width};
pub use quotient::quotient;
pub use ratio::{Ratio, paired_ratio};
pub use shift::{Scatter, Shift, paired_shift, unpaired_shift};
pub use slope::{Slope, theil_sen};
pub use spread::Spread;
pub use trend::trend;
