//! The rates, in bytes per second, of the parts that longhaul adds to a transfer, each alone: the generator, the
//! digest, and the meter with its clock and its histograms.
#![allow(missing_docs, reason = "criterion's macros make an undocumented function")]
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

mod settings;

use std::{hint::black_box, pin::Pin, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_core::Stream as _;
use futures_util::task::noop_waker_ref;
use metrics::Meter;
use payload::{Hasher, Payload};
use record::{ChunkSize, DEFAULT_SEED, PayloadKind};

/// The number of bytes that pass in one iteration.
const BODY: u64 = 16 << 20;

/// The sizes of a piece, in bytes: a tiny chunk, the payload of a QUIC packet, a TLS record, the default chunk, a large chunk.
const PIECES: [u64; 5] = [64, 1400, 16 << 10, 64 << 10, 1 << 20];

fn instrument(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("instrument");
    group
        .throughput(Throughput::Bytes(BODY))
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for piece in PIECES {
        let chunk = ChunkSize::try_from(piece).expect("a chunk size");
        let payload = Payload::prepare(&PayloadKind::Random, DEFAULT_SEED, chunk);
        group.bench_function(BenchmarkId::new("generator", piece), |bencher| {
            bencher.iter(|| chunks(&payload, |chunk| _ = black_box(chunk)));
        });
        group.bench_function(BenchmarkId::new("digest", piece), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new();
                chunks(&payload, |chunk| hasher.update(chunk));
                hasher.digest()
            });
        });
        group.bench_function(BenchmarkId::new("meter of a receiver", piece), |bencher| {
            let meter = Meter::new(piece);
            let mut flow = meter.flow();
            bencher.iter(|| (0..BODY / piece).for_each(|_| _ = flow.pass(piece as usize)));
        });
        group.bench_function(BenchmarkId::new("meter of a sender", piece), |bencher| {
            let meter = Meter::new(piece);
            let mut flow = meter.flow();
            bencher.iter(|| {
                for _ in 0..BODY / piece {
                    if let Some(handed) = flow.pass(piece as usize) {
                        flow.waited(handed.elapsed());
                    }
                }
            });
        });
    }
    group.finish();
}

/// Pulls a generated body to its end. Such a body is always ready.
fn chunks(payload: &Payload, mut see: impl FnMut(&[u8])) {
    let mut source = payload.open(BODY).expect("a generated payload");
    let mut context = std::task::Context::from_waker(noop_waker_ref());
    while let std::task::Poll::Ready(Some(chunk)) = Pin::new(&mut source).poll_next(&mut context) {
        see(&chunk.expect("a chunk"));
    }
}

criterion_group!(name = all; config = settings::criterion(); targets = instrument);
criterion_main!(all);
