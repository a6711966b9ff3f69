//! Goodput of whole transfers over warm connections, by protocol and chunk size:
//! `cargo bench`, or `cargo bench -- --quick` for a first impression.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]

use std::time::Duration;

use benches::{Direction, WarmPair};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use payload::ChunkSize;

/// One body, long enough that its first windows do not decide.
const BODY: u64 = 32 << 20;

/// The chunk sizes, in bytes: the common small one, the default, a large one.
const CHUNKS: [u64; 3] = [16 << 10, 64 << 10, 1 << 20];

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throughput");
    group.throughput(Throughput::Bytes(BODY)).sample_size(10).measurement_time(Duration::from_secs(3));
    for transport in transport::TRANSPORTS {
        let pair = WarmPair::connect(*transport);
        for size in CHUNKS {
            let Ok(chunk) = ChunkSize::try_from(size) else { continue };
            let id = BenchmarkId::new(format!("{}/up", transport.name()), format!("{}KiB", size >> 10));
            group.bench_with_input(id, &chunk, |bencher, chunk| {
                bencher.iter_custom(|transfers| {
                    (0..transfers).map(|_| pair.transfer(Direction::Up, *chunk, BODY)).sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(all, throughput);
criterion_main!(all);
