//! Judgements on synthetic series of known shapes.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::End;

use super::{Constancy, Constancy::*, Judgement, MemorySeries, course::Course};

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

/// The kind of noise around a shape, in MiB.
#[derive(Clone, Copy, Debug)]
enum Noise {
    /// The noise of the live heap over HTTP/2, or over HTTP/3 with full windows.
    Quiet,
    /// The noise of peak RSS.
    White,
    /// Uniform noise within half a MiB to either side.
    Jitter,
    /// Noise with an autocorrelation of 0.9 from point to point.
    Slow,
    /// The length of a queue for a slow reader: up to half a MiB, constant for some points, and zero now and then.
    Queue,
}

struct Source(Xoshiro256PlusPlus, f64);

impl Source {
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn noise(&mut self, noise: Noise) -> f64 {
        match noise {
            Noise::Quiet => 0.03 * self.normal(),
            Noise::White => 0.1 * self.normal(),
            Noise::Jitter => self.uniform() - 0.5,
            Noise::Slow => {
                self.1 = 0.9 * self.1 + (1.0_f64 - 0.81).sqrt() * 0.1 * self.normal();
                self.1
            }
            Noise::Queue => {
                if self.uniform() > 0.6 {
                    self.1 = (0.9 * self.uniform() - 0.36).max(0.0);
                }
                self.1
            }
        }
    }
}

/// Returns the conclusion about two rounds over 0.25, 1 and 4 GiB. `shape` returns memory in MiB for a body offset in
/// GiB.
fn judged(seed: u64, shape: fn(f64) -> f64, noise: Noise) -> Constancy {
    let mut source = Source(Xoshiro256PlusPlus::seed_from_u64(seed), 0.0);
    let mut memory = |gib: f64| ((10.0 + shape(gib) + source.noise(noise)) * MIB) as u64;
    let sizes = [0.25, 1.0, 4.0].into_iter().cycle().take(6);
    let peaks = sizes.map(|gib| ((gib * GIB) as u64, memory(gib))).collect();
    let mut series = MemorySeries::synthetic(End::Receiver, peaks, 20 << 20);
    let largest = series.largest();
    // A course of 4 GiB has 128 to 256 points.
    let points = if matches!(noise, Noise::Queue) { 256 } else { 128 << (seed & 1) };
    let offset = |i: u64| i * largest / points;
    let mut course =
        || Course::of((1..=points).map(|i| (offset(i), memory(offset(i) as f64 / GIB))), largest);
    for _ in 0..2 {
        series.heap.push(Some(course()));
        series.anon.push(course());
    }
    Judgement::of(series).constancy
}

/// Counts each conclusion about `of` series.
fn verdicts(of: u64, shape: fn(f64) -> f64, noise: Noise) -> Vec<(Constancy, u64)> {
    let mut counts =
        [Constant, GrowingSlowly, Growing, Inconclusive].map(|constancy| (constancy, 0)).to_vec();
    for seed in 0..of {
        let constancy = judged(seed, shape, noise);
        counts.iter_mut().filter(|count| count.0 == constancy).for_each(|count| count.1 += 1);
    }
    counts
}

struct Shape {
    name: &'static str,
    mib: fn(f64) -> f64,
    /// The conclusions that are wrong for the shape.
    wrong: &'static [Constancy],
    /// The conclusion that four of five series with quiet noise must lead to; `None` for no requirement.
    right: Option<Constancy>,
}

const FLAT: &[Constancy] = &[Growing, GrowingSlowly];
const LEAK: &[Constancy] = &[Constant, GrowingSlowly];

/// All shapes, for a limit of 100 KiB (0.098 MiB) per GiB.
const SHAPES: [Shape; 21] = [
    Shape { name: "flat", mib: |_| 0.0, wrong: FLAT, right: Some(Constant) },
    Shape { name: "leak 0.1", mib: |s| 0.1 * s, wrong: &[Constant], right: None },
    Shape { name: "leak 0.25", mib: |s| 0.25 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 0.5", mib: |s| 0.5 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 0.75", mib: |s| 0.75 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 0.9", mib: |s| 0.9 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 1.1", mib: |s| 1.1 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 1.25", mib: |s| 1.25 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 2", mib: |s| 2.0 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "leak 1000", mib: |s| 1000.0 * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "quadratic 0.05", mib: |s| 0.05 * s * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "quadratic 0.2", mib: |s| 0.2 * s * s, wrong: LEAK, right: Some(Growing) },
    Shape { name: "logarithmic", mib: |s| 0.5 * (s / 0.25).log2(), wrong: LEAK, right: Some(Growing) },
    Shape { name: "square root", mib: |s| 1.5 * s.sqrt(), wrong: LEAK, right: Some(Growing) },
    Shape {
        name: "a list that doubles",
        mib: |s| 0.5 * s.log2().floor().exp2(),
        wrong: &[Constant],
        right: Some(Inconclusive),
    },
    Shape {
        name: "step past 0.5",
        mib: |s| if s > 0.5 { 2.0 } else { 0.0 },
        wrong: FLAT,
        right: Some(Constant),
    },
    Shape {
        name: "step past 2",
        mib: |s| if s > 2.0 { 2.5 } else { 0.0 },
        wrong: FLAT,
        right: Some(Constant),
    },
    Shape {
        name: "step past 2.6",
        mib: |s| if s > 2.6 { 1.0 } else { 0.0 },
        wrong: FLAT,
        right: Some(Constant),
    },
    Shape { name: "plateau 0.9 up to 2", mib: |s| 0.9 * s.min(2.0), wrong: FLAT, right: Some(Constant) },
    Shape { name: "plateau 2 up to 2", mib: |s| 2.0 * s.min(2.0), wrong: FLAT, right: Some(Constant) },
    Shape { name: "growth beyond 4", mib: |s| (s - 4.0).max(0.0), wrong: FLAT, right: Some(Constant) },
];

/// The numbers of conclusions about the series of one shape and noise.
struct Tally {
    shape: &'static str,
    noise: Noise,
    counts: Vec<(Constancy, u64)>,
    /// The number of wrong conclusions.
    wrong: u64,
    /// The number of right conclusions; all series count if the shape has no requirement.
    right: u64,
    of: u64,
}

impl Tally {
    fn of(of: u64, Shape { name, mib, wrong, right }: &Shape, noise: Noise) -> Self {
        let counts = verdicts(of, *mib, noise);
        let count = |among: &[Constancy]| -> u64 {
            counts.iter().filter(|count| among.contains(&count.0)).map(|count| count.1).sum()
        };
        let (wrong, right) = (count(wrong), right.map_or(of, |right| count(&[right])));
        Self { shape: name, noise, counts, wrong, right, of }
    }

    /// Returns whether at most 1 % of the conclusions are wrong, and, with quiet noise, at least 80 % are right.
    fn is_good(&self) -> bool {
        let is_clear = !matches!(self.noise, Noise::Quiet) || self.right * 100 >= self.of * 80;
        self.wrong * 100 <= self.of && is_clear
    }

    /// Returns the line that `cargo xtask full simulation` reads.
    fn line(&self) -> String {
        let counts: Vec<String> = self.counts.iter().map(|count| count.1.to_string()).collect();
        format!("tally\t{}\t{:?}\t{}\t{}\t{}", self.shape, self.noise, counts.join("\t"), self.wrong, self.of)
    }
}

/// Simulates `of` series for each shape and noise, and counts the conclusions.
fn tallies(of: u64) -> Vec<Tally> {
    let noises = [Noise::Quiet, Noise::White, Noise::Jitter, Noise::Slow, Noise::Queue];
    SHAPES.iter().flat_map(|shape| noises.map(|noise| Tally::of(of, shape, noise))).collect()
}

fn assert_good(tallies: &[Tally]) {
    let bad: Vec<String> = tallies.iter().filter(|tally| !tally.is_good()).map(Tally::line).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn less_than_one_verdict_in_a_hundred_is_wrong() {
    assert_good(&tallies(100));
}

#[test]
#[ignore = "takes minutes; `cargo xtask full simulation` runs it, and the test above does the same with fewer series"]
fn less_than_one_verdict_in_a_hundred_is_wrong_among_2000() {
    let tallies = tallies(2000);
    tallies.iter().for_each(|tally| eprintln!("{}", tally.line()));
    assert_good(&tallies);
}

#[test]
fn a_queue_for_a_slow_reader_hides_neither_flat_memory_nor_a_leak() {
    let share = |shape, constancy| {
        let counts = verdicts(200, shape, Noise::Queue);
        counts.iter().find(|count| count.0 == constancy).map_or(0, |count| count.1 / 2)
    };
    let (flat, leak) = (share(|_| 0.0, Constant), share(|s| 0.3 * s, Constant));
    assert!(flat >= 80 && leak == 0, "{flat} % and {leak} % CONSTANT");
}

#[test]
fn a_byte_per_chunk_is_growing_slowly_and_nothing_per_chunk_is_constant() {
    let judged = |per_gib: u64| {
        let series = MemorySeries::synthetic(End::Receiver, vec![(1 << 30, 10 << 20)], 4 << 20);
        let heap = (1..=256_u64).map(|i| (i << 22, (1 << 20) + i * per_gib / 256));
        Judgement::of(series.with_heap(heap)).constancy
    };
    // A body of 1 GiB has 16,384 chunks of 64 KiB. So 8 KiB per GiB is one byte for every two chunks.
    assert_eq!([0, 16 << 10, 8 << 10, 200 << 10].map(judged), [Constant, GrowingSlowly, Constant, Growing]);
}

/// Returns the conclusion about three rounds over bodies of up to `gib` GiB. The heap switches between two levels,
/// `apart` bytes from each other, at one of twenty points.
fn judged_of_two_levels(seed: u64, gib: u64, points: u64, limit_bytes: u64, apart: u64) -> Constancy {
    let mut source = Source(Xoshiro256PlusPlus::seed_from_u64(seed), 0.0);
    let largest = gib << 30;
    let sizes = [largest / 16, largest / 4, largest].into_iter().cycle().take(9);
    let mut series =
        MemorySeries::synthetic(End::Receiver, sizes.map(|size| (size, 10 << 20)).collect(), 20 << 20);
    series.limit_bytes = limit_bytes;
    for _ in 0..3 {
        let mut is_high = source.uniform() < 0.5;
        let mut heap = || {
            is_high ^= source.uniform() < 0.05;
            (1 << 20) + u64::from(is_high) * apart
        };
        let course = Course::of((1..=points).map(|i| (i * largest / points, heap())), largest);
        series.heap.push(Some(course));
        series.anon.push(Course::of((1..=points).map(|i| (i * largest / points, 1 << 20)), largest));
    }
    Judgement::of(series).constancy
}

#[test]
fn memory_that_switches_between_two_close_levels_is_constant_over_three_rounds() {
    for (gib, points, limit, apart) in
        [(4, 64, 100 << 10, 64 << 10), (4, 256, 100 << 10, 64 << 10), (1, 160, 1 << 20, 256 << 10)]
    {
        let judged = |seed| judged_of_two_levels(seed, gib, points, limit, apart);
        let constant = (0..500).filter(|seed| judged(*seed) == Constant).count();
        assert!(constant >= 495, "{constant} of 500 CONSTANT with {points} points");
    }
}

/// A client with a garbage collector, as a program under proof.
struct Collected {
    /// The bytes of garbage per byte of body.
    garbage: f64,
    /// The garbage at which the collector runs, in MiB.
    threshold: f64,
    /// True if the process keeps the pages of collected garbage, as some runtimes do for minutes.
    keeps_pages: bool,
}

impl Collected {
    fn of(source: &mut Source) -> Self {
        let (garbage, threshold) =
            (0.25 + 1.75 * source.uniform(), 4.0 * 2.0_f64.powf(4.0 * source.uniform()));
        Self { garbage, threshold, keeps_pages: source.uniform() < 0.5 }
    }

    /// Returns the memory in MiB after `body` MiB of body.
    fn mib(&self, body: f64) -> f64 {
        let made = self.garbage * body;
        let kept = if self.keeps_pages { made.min(self.threshold) } else { made % self.threshold };
        30.0 + kept
    }

    /// Returns the conclusion about three short rounds over 64 MiB, 256 MiB and 1 GiB.
    fn judged(&self, source: &mut Source) -> Constancy {
        const POINTS: u64 = 160;
        let mut memory = |body: f64| ((self.mib(body) + source.noise(Noise::White)).max(0.0) * MIB) as u64;
        let most = |body: f64| {
            if self.garbage * body < self.threshold { body } else { self.threshold / self.garbage }
        };
        let sizes = [64.0, 256.0, 1024.0].into_iter().cycle().take(9);
        // Just before a collection, memory is at its most.
        let peaks = sizes.map(|mib| ((mib * MIB) as u64, memory(0.999 * most(mib)))).collect();
        let mut series = MemorySeries::synthetic(End::Sender, peaks, u64::MAX);
        (series.subject, series.budget, series.limit_bytes) = (Some(record::Subject::Client), None, 1 << 20);
        let largest = series.largest();
        for _ in 0..3 {
            let points = (1..=POINTS).map(|i| i * largest / POINTS);
            let course = points.map(|offset| (offset, memory(offset as f64 / MIB)));
            series.anon.push(Course::of(course, largest));
        }
        Judgement::of(series).constancy
    }
}

#[test]
fn fewer_than_one_in_a_hundred_clients_with_a_garbage_collector_is_growing() {
    let judged = |seed| {
        let mut source = Source(Xoshiro256PlusPlus::seed_from_u64(seed), 0.0);
        Collected::of(&mut source).judged(&mut source)
    };
    let all: Vec<Constancy> = (0..500).map(judged).collect();
    let count = |word| all.iter().filter(|constancy| **constancy == word).count();
    let (growing, constant) = (count(Growing) + count(GrowingSlowly), count(Constant));
    assert!(growing < 5 && constant > 0, "{growing} of 500 GROWING, {constant} CONSTANT");
}
