//! Robust statistics for few measurements.

mod binomial;
mod bootstrap;
mod interval;
mod median;
mod ratio;
#[cfg(test)]
mod simulation;
mod slope;
mod spread;

pub use interval::Interval;
pub use median::{Quartiles, median, median_interval, quartiles};
pub use ratio::{Ratio, fewest_values, ratio_of_medians};
pub use slope::{Slope, theil_sen};
pub use spread::Spread;
