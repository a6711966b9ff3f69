//! Measurements of memory for criterion: a benchmark then compares bytes in place of times.

use criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};
use process::{ProcessTree, heap_bytes};

/// The peak of resident memory above that at the start of a measurement, in bytes. At each start, the peak that the
/// kernel records of this process is reset.
///
/// Each iteration must be a measurement of its own. criterion divides the figure of a sample by its iterations, but
/// several iterations have one peak. So use `iter_custom` with [`PeakRss::of`], or `iter_batched` and the like with
/// `BatchSize::PerIteration`. With `iter`, figures are too low by a factor that depends on the time of an iteration.
///
/// ```no_run
/// use std::hint::black_box;
///
/// use criterion::Criterion;
/// use longhaul_prove::PeakRss;
///
/// let mut criterion = Criterion::default().with_measurement(PeakRss);
/// criterion.bench_function("32 MiB", |bencher| {
///     bencher.iter_custom(|iterations| PeakRss::of(iterations, || black_box(vec![1_u8; 32 << 20])));
/// });
/// ```
///
/// Memory that the allocator has kept from earlier iterations does not count. criterion reports an error in place of a
/// figure if the peak is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakRss;

/// The growth of the allocated heap from the start to the end of a measurement, in bytes: what an iteration allocates
/// and does not free. criterion has no figure of 0. For code that frees all its memory, it reports that a measurement
/// took zero time.
///
/// The program must count its heap (`longhaul_process::read_heap_by`). Without that, there are no figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapBytes;

impl PeakRss {
    /// Runs a routine `iterations` times, and returns the sum of the peaks, as `iter_custom` of criterion needs it.
    pub fn of<T>(iterations: u64, mut routine: impl FnMut() -> T) -> u64 {
        (0..iterations).fold(0, |sum, _| {
            let start = Self.start();
            let output = routine();
            let peak = Self.end(start);
            drop(output);
            Self.add(&sum, &peak)
        })
    }
}

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

    /// Adds, since criterion divides by the number of iterations.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn the_mean_of_several_peaks_is_the_peak_of_one_iteration() {
        const SIZE: u64 = 32 << 20;
        let fill = || black_box(vec![1_u8; SIZE as usize]);
        let sum = PeakRss::of(4, fill);
        let batched = (0..4).fold(PeakRss.zero(), |sum, _| {
            let start = PeakRss.start();
            drop(fill());
            PeakRss.add(&sum, &PeakRss.end(start))
        });
        for mean in [sum / 4, batched / 4] {
            // Other tests of this process take memory, too.
            assert!((SIZE * 9 / 10..SIZE * 3 / 2).contains(&mean), "{mean} bytes");
        }
    }
}
