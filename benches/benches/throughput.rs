//! Goodput of whole transfers over warm connections, by protocol, direction and chunk size:
//! `cargo bench -p benches`, with `-- --quick` for a first impression.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]

mod settings;

use std::time::Duration;

use benches::{Instruments, WarmPair};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use record::{Direction, PROTOCOLS};

/// The size of a body, in bytes: large enough that its first windows do not dominate the time.
const BODY: u64 = 32 << 20;

/// The chunk sizes, in bytes: a common small size, the default, and a large size.
const CHUNKS: [u64; 3] = [16 << 10, 64 << 10, 1 << 20];

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throughput");
    group
        .throughput(Throughput::Bytes(BODY))
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    for protocol in PROTOCOLS {
        let pair = WarmPair::connect(protocol);
        for case in benches::cases(protocol, &Direction::ALL, &CHUNKS, BODY) {
            let name = format!("{}/{}", protocol.name, case.direction);
            let id = BenchmarkId::new(name, benches::chunk_id(&case));
            group.bench_with_input(id, &case, |bencher, case| {
                bencher.iter_custom(|transfers| {
                    (0..transfers).map(|_| pair.transfer(case, Instruments::Bench)).sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(name = all; config = settings::criterion(); targets = throughput);
criterion_main!(all);
