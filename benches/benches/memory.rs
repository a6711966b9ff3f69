//! The peak RSS of either end of one transfer, with new processes each time. criterion plots the peaks and compares
//! them with baselines.

mod settings;

use std::{process::ExitCode, time::Duration};

use benches::FreshEnds;
use criterion::{
    BenchmarkId, Criterion,
    measurement::{Measurement, ValueFormatter},
};
use record::{Direction, End, PROTOCOLS};
use run::worker;

/// The size of a body, in bytes: several times the sum of all windows, so that they are full.
const BODY: u64 = 64 << 20;

/// The chunk sizes, in bytes: the default, and one that is larger than every buffer.
const CHUNKS: [u64; 2] = [64 << 10, 1 << 20];

/// A measurement of bytes of memory instead of time. A process reports its own peak, so that no measurement is started
/// or ended.
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

fn memory(criterion: &mut Criterion<PeakRss>) {
    let ends = FreshEnds::of_this_program();
    let mut group = criterion.benchmark_group("memory");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for protocol in PROTOCOLS {
        for case in benches::cases(protocol, &[Direction::Up], &CHUNKS, BODY) {
            for end in End::ALL {
                let name = format!("{}/up/{}", protocol.name, benches::chunk_id(&case));
                group.bench_with_input(BenchmarkId::new(name, end), &case, |bencher, case| {
                    bencher.iter_custom(|transfers| {
                        let rounds = u32::try_from(transfers).unwrap_or(u32::MAX);
                        ends.peak_rss(case, end, rounds)
                    });
                });
            }
        }
    }
    group.finish();
}

fn main() -> ExitCode {
    if worker::is_requested() {
        return worker::main(|_| ());
    }
    let mut criterion = settings::criterion().with_measurement(PeakRss).configure_from_args();
    memory(&mut criterion);
    criterion.final_summary();
    ExitCode::SUCCESS
}
