//! Peak RSS of either end of one transfer, a fresh process each time: criterion's plots, comparisons and
//! baselines, for memory.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]

use std::time::Duration;

use benches::{
    Direction, Job, Metering,
    fresh::{self, Peaks},
};
use criterion::{
    BenchmarkId, Criterion,
    measurement::{Measurement, ValueFormatter},
};

/// Several times what all windows hold, so that they are full.
const BODY: u64 = 64 << 20;

/// In bytes: the default, and one that is larger than every buffer.
const CHUNKS: [u64; 2] = [64 << 10, 1 << 20];

/// Measures bytes of memory instead of time. Only what a process tells of itself counts, so there is nothing
/// to start or to end.
struct PeakRss;

impl Measurement for PeakRss {
    type Intermediate = ();
    type Value = u64;

    fn start(&self) {}

    fn end(&self, (): ()) -> u64 {
        0
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, bytes: &u64) -> f64 {
        *bytes as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Mebibytes
    }
}

struct Mebibytes;

impl Mebibytes {
    fn scale(values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|bytes| *bytes /= (1 << 20) as f64);
        "MiB"
    }
}

impl ValueFormatter for Mebibytes {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        Self::scale(values)
    }

    fn scale_throughputs(&self, _: f64, _: &criterion::Throughput, values: &mut [f64]) -> &'static str {
        Self::scale(values)
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        Self::scale(values)
    }
}

/// What one end of a transfer took.
type OfEnd = fn(Peaks) -> u64;

/// The two ends.
const ENDS: [(&str, OfEnd); 2] = [("sender", |peaks| peaks.sender), ("receiver", |peaks| peaks.receiver)];

fn memory(criterion: &mut Criterion<PeakRss>) {
    let mut group = criterion.benchmark_group("memory");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for transport in transport::TRANSPORTS {
        for chunk in CHUNKS {
            let job = Job { direction: Direction::Up, chunk, size: BODY, metering: Metering::On };
            for (end, peak) in ENDS {
                let id = BenchmarkId::new(format!("{}/up/{}KiB", transport.name(), chunk >> 10), end);
                group.bench_with_input(id, &job, |bencher, job| {
                    bencher.iter_custom(|transfers| {
                        (0..transfers).map(|_| peak(fresh::transfer(*transport, *job))).sum()
                    });
                });
            }
        }
    }
    group.finish();
}

fn main() {
    if fresh::is_end() {
        return;
    }
    let mut criterion = benches::criterion().with_measurement(PeakRss).configure_from_args();
    memory(&mut criterion);
    criterion.final_summary();
}
