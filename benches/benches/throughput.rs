//! Goodput of whole transfers over warm connections, by protocol, direction and chunk size:
//! `cargo bench`, or `cargo bench -- --quick` for a first impression.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]

use std::time::Duration;

use benches::{Direction, Job, Metering, WarmPair};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// One body, long enough that its first windows do not decide.
const BODY: u64 = 32 << 20;

/// The chunk sizes, in bytes: the common small one, the default, a large one.
const CHUNKS: [u64; 3] = [16 << 10, 64 << 10, 1 << 20];

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throughput");
    group
        .throughput(Throughput::Bytes(BODY))
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    for transport in transport::TRANSPORTS {
        let pair = WarmPair::connect(*transport);
        for direction in [Direction::Up, Direction::Down] {
            for chunk in CHUNKS {
                let job = Job { direction, chunk, size: BODY, metering: Metering::On };
                let name = format!("{}/{}", transport.name(), direction.name());
                group.bench_with_input(
                    BenchmarkId::new(name, format!("{}KiB", chunk >> 10)),
                    &job,
                    |bencher, job| {
                        bencher.iter_custom(|transfers| (0..transfers).map(|_| pair.transfer(*job)).sum());
                    },
                );
            }
        }
    }
    group.finish();
}

criterion_group!(name = all; config = benches::criterion(); targets = throughput);
criterion_main!(all);
