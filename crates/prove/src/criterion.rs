//! Measurements of memory for criterion: a benchmark then compares bytes in place of times.

use criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};
use process::{ProcessTree, heap_bytes};

/// The peak of resident memory above that at the start of a measurement, in bytes. At each start, the peak that the
/// kernel records of this process is reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakRss;

/// The growth of the allocated heap from the start to the end of a measurement, in bytes. The program must count its
/// heap (`longhaul_process::read_heap_by`); without that, all figures are 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapBytes;

impl Measurement for PeakRss {
    type Intermediate = (Option<ProcessTree>, u64);
    type Value = u64;

    fn start(&self) -> Self::Intermediate {
        let mut tree = ProcessTree::of(std::process::id()).ok();
        let now = tree.as_mut().and_then(|tree| {
            tree.restart_peak();
            tree.read()
        });
        (tree, now.map_or(0, |memory| memory.rss_bytes))
    }

    fn end(&self, (tree, before): Self::Intermediate) -> u64 {
        let peak = tree.and_then(|mut tree| {
            tree.find_descendants();
            tree.peak_rss_bytes()
        });
        peak.unwrap_or(0).saturating_sub(before)
    }

    fn add(&self, first: &u64, second: &u64) -> u64 {
        *first.max(second)
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Bytes
    }
}

impl Measurement for HeapBytes {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        heap_bytes().unwrap_or(0)
    }

    fn end(&self, before: u64) -> u64 {
        heap_bytes().unwrap_or(0).saturating_sub(before)
    }

    fn add(&self, first: &u64, second: &u64) -> u64 {
        first.saturating_add(*second)
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Bytes
    }
}

/// Formats bytes with the prefixes of powers of two.
struct Bytes;

impl Bytes {
    fn scale(typical: f64, values: &mut [f64]) -> &'static str {
        let (unit, factor) = match typical {
            small if small < 1024.0 => ("B", 1.0),
            medium if medium < 1_048_576.0 => ("KiB", 1024.0),
            _ => ("MiB", 1_048_576.0),
        };
        values.iter_mut().for_each(|value| *value /= factor);
        unit
    }
}

impl ValueFormatter for Bytes {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        Self::scale(typical, values)
    }

    /// Memory has no throughput, so the values are scaled as by `scale_values`.
    fn scale_throughputs(&self, typical: f64, _: &Throughput, values: &mut [f64]) -> &'static str {
        Self::scale(typical, values)
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "B"
    }
}
