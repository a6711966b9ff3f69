//! What is measured, and with what: the clock, meters, histograms, and what the process uses.
//!
//! Everything here takes constant memory, however long a transfer runs: histograms instead of lists, a
//! timeline that thins itself.

mod clock;
mod histogram;
mod meter;
mod pace;
pub mod process;
mod timeline;

pub use clock::Stamp;
pub use histogram::{Latency, Throughput};
pub use meter::{Meter, Readings};
pub use pace::Pace;
pub use timeline::{Point, Timeline};
