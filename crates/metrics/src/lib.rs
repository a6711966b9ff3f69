//! Instruments for the bytes of a transfer. Their memory is constant, however long the transfer takes.
//!
//! - [`Meter`] counts the body bytes of one end and times them: throughput by windows of body, weighted by time, and
//!   the waits of a sender. Each body passes as a [`Flow`]. At readings of its clock, the meter also reads the live
//!   heap, if the program counts its memory.
//! - [`Timeline`] keeps the memory samples of a transfer in at most 256 points.
//! - [`Pace`] holds a flow to a rate.
//! - [`Stamp`] is a point of monotonic time. No other type of longhaul calls [`std::time::Instant::now`]; a lint
//!   forbids it.
//!
//! Histograms replace lists of samples, and a full timeline drops every second point. [`footprint()`] states the memory
//! of the instruments of one end. [`delivery()`] compares the times at which the sender and the receiver had the same
//! byte.
//!
//! ```
//! use std::{thread::sleep, time::Duration};
//!
//! use longhaul_metrics::Meter;
//!
//! let meter = Meter::new(64 << 10);
//! let mut flow = meter.flow();
//! for _ in 0..20 {
//!     sleep(Duration::from_millis(2));
//!     flow.pass(1 << 20);
//! }
//! flow.finish();
//! let readings = meter.readings();
//! assert_eq!(readings.bytes, 20 << 20);
//!
//! // A sleep never ends early, so no window of 1 MiB took less than 2 ms. Histograms keep three digits.
//! let throughput = readings.throughput.ok_or("percentiles need 20 windows")?;
//! assert_eq!((throughput.window_bytes, throughput.samples), (1 << 20, 20));
//! assert!(throughput.max as f64 <= 500.0 * f64::from(1 << 20) * 1.001);
//! # Ok::<(), &str>(())
//! ```

mod flow;
mod footprint;
mod heap;
mod histogram;
mod meter;
mod pace;
mod trace;

pub use flow::Flow;
pub use footprint::footprint;
pub use meter::{Meter, Readings};
pub use pace::Pace;
pub use process::{Stamp, Timeline};
pub use trace::{Mark, delivery};
