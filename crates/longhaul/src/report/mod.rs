//! From records to what people read: samples → derived rows → tables.

mod sample;
mod summary;
mod table;

pub(crate) use sample::Sample;
pub(crate) use summary::{Summary, median};
pub(crate) use table::{markdown, page, table};

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes per second as MiB/s.
pub(crate) fn mib_per_s(rate: f64) -> f64 {
    rate / f64::from(1 << 20)
}

/// Bytes per second as Gbit/s (powers of 1000, as networks count).
pub(crate) fn gbit_per_s(rate: f64) -> f64 {
    rate * 8.0 / 1e9
}
