//! Robust statistics for few measurements.

mod interval;
mod median;
mod spread;

pub use interval::Interval;
pub use median::{Quartiles, median, quartiles};
pub use spread::Spread;
