//! Robust statistics for few measurements.

mod interval;
mod median;
#[cfg(test)]
mod simulation;
mod slope;
mod spread;

pub use interval::Interval;
pub use median::{Quartiles, median, quartiles};
pub use slope::{Slope, theil_sen};
pub use spread::Spread;
