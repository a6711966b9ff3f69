//! The call sites of memory that stays allocated, by samples of allocations.
//!
//! A sample keeps the stack of its allocation until that is freed. What is traced is slow: each allocation takes a lock.

use std::{
    backtrace::Backtrace,
    cell::Cell,
    cmp::Reverse,
    collections::BTreeMap,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// The bytes that are allocated for one sample, on average, in large pieces.
const BYTES: f64 = 65_536.0;

/// The small allocations for one sample, on average.
const ALLOCATIONS: f64 = 64.0;

/// The most frames that a site keeps: those of the program that are nearest to the allocation.
const FRAMES: usize = 8;

/// The beginnings of the names of functions that belong to allocators and containers, not to a program.
const INTERNAL: [&str; 9] = [
    "longhaul_allocator::",
    "<longhaul_allocator::",
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "std::",
    "<std::",
    "__rust",
];

static IS_TRACING: AtomicBool = AtomicBool::new(false);

static TABLE: Mutex<Table> = Mutex::new(Table { samples: BTreeMap::new(), stage: Stage::Filling, random: 0 });

thread_local! {
    /// Set while this thread works on the table, whose own memory is neither traced nor counted.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// A call site, and the memory that was allocated there and is still in use: estimates from samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// Bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
    /// The functions of the stack, the innermost first, without those of allocators and containers.
    pub frames: Vec<String>,
}

/// The stage of a trace. Memory that was allocated in the first one may be a buffer that is filled once, and memory of
/// the last one may be in use for a moment only. Neither is growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Filling,
    Steady,
    Ending,
    Over,
}

struct Table {
    /// The live samples by address.
    samples: BTreeMap<usize, Sample>,
    stage: Stage,
    random: u64,
}

struct Sample {
    stack: Backtrace,
    /// The stage in which the memory was seen first.
    since: Stage,
    size: usize,
    /// The size when the steady stage began.
    filled: usize,
    /// The allocations that this one stands for.
    weight: f64,
}

/// Begins a trace, in its first stage.
pub fn begin() {
    work(|table| table.stage = Stage::Filling);
    IS_TRACING.store(true, Relaxed);
}

/// Enters the next stage: first the steady one, whose allocations count; then the last one, whose do not; then the trace
/// is over.
pub fn advance() {
    work(|table| match table.stage {
        Stage::Filling => {
            table.samples.values_mut().for_each(|sample| sample.filled = sample.size);
            table.stage = Stage::Steady;
        }
        Stage::Steady => table.stage = Stage::Ending,
        Stage::Ending | Stage::Over => {
            IS_TRACING.store(false, Relaxed);
            table.stage = Stage::Over;
        }
    });
}

/// Ends the trace. Returns the sites of what was allocated in its steady stage and was in use at its end, the largest first.
/// Reads the symbols of the program, which takes time and memory.
pub fn sites() -> Vec<Site> {
    IS_TRACING.store(false, Relaxed);
    let samples = work(|table| mem::take(&mut table.samples));
    let mut sites: BTreeMap<Vec<String>, (f64, f64)> = BTreeMap::new();
    for sample in
        samples.values().filter(|sample| sample.since < Stage::Ending && sample.size > sample.filled)
    {
        let (bytes, allocations) = sites.entry(frames(&sample.stack.to_string())).or_default();
        *bytes += (sample.size - sample.filled) as f64 * sample.weight;
        *allocations += sample.weight;
    }
    let site = |(frames, (bytes, allocations)): (Vec<String>, (f64, f64))| Site {
        bytes: bytes as u64,
        allocations: allocations as u64,
        frames,
    };
    let mut sites: Vec<Site> = sites.into_iter().map(site).collect();
    sites.sort_by_key(|site| Reverse(site.bytes));
    sites
}

/// Returns whether this thread works on the table.
pub(crate) fn is_busy() -> bool {
    IS_BUSY.get()
}

/// Notes an allocation.
pub(crate) fn allocated(address: *mut u8, size: usize) {
    if IS_TRACING.load(Relaxed) {
        work(|table| table.sample(address, size));
    }
}

/// Notes a release.
pub(crate) fn released(address: *mut u8) {
    if IS_TRACING.load(Relaxed) {
        work(|table| drop(table.samples.remove(&address.addr())));
    }
}

/// Notes that an allocation has another size, and perhaps another address.
pub(crate) fn resized(from: *mut u8, to: *mut u8, size: usize) {
    if IS_TRACING.load(Relaxed) {
        work(|table| {
            let before = table.samples.remove(&from.addr());
            table.sample(to, size);
            // A sample of the larger size, of memory that may have been seen before.
            if let Some((before, now)) = before.zip(table.samples.get_mut(&to.addr())) {
                (now.since, now.filled) = (before.since, before.filled);
            }
        });
    }
}

impl Table {
    /// Keeps the stack of an allocation, with a probability that grows with its size.
    fn sample(&mut self, address: *mut u8, size: usize) {
        let probability = (size as f64 / BYTES + 1.0 / ALLOCATIONS).min(1.0);
        if self.uniform() < probability {
            let stack = Backtrace::force_capture();
            let sample = Sample { stack, since: self.stage, size, filled: 0, weight: 1.0 / probability };
            self.samples.insert(address.addr(), sample);
        }
    }

    /// Returns a random number from 0 to 1 (SplitMix64; Steele, Lea and Flood 2014).
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Works on the table, unless this thread does so already.
fn work<T: Default>(work: impl FnOnce(&mut Table) -> T) -> T {
    if IS_BUSY.replace(true) {
        return T::default();
    }
    let mut table: MutexGuard<'_, Table> = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let done = work(&mut table);
    drop(table);
    IS_BUSY.set(false);
    done
}

/// Returns the names of functions in a printed stack.
fn frames(stack: &str) -> Vec<String> {
    let name = |line: &str| {
        let (number, name) = line.trim_start().split_once(": ")?;
        number.parse::<u32>().is_ok().then(|| name.to_owned())
    };
    let names = stack.lines().filter_map(name);
    let own = names.filter(|name| !INTERNAL.iter().any(|internal| name.starts_with(internal)));
    own.take(FRAMES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_program() {
        let stack = "   0: <longhaul_allocator::Counting as core::alloc::global::GlobalAlloc>::alloc\n             at ./a.rs:1:2\n   1: alloc::raw_vec::finish_grow\n   2: app::keep\n             at /app/src/main.rs:3:4\n   3: <app::Body as http_body::Body>::poll_frame\n   4: std::rt::lang_start\n";
        assert_eq!(frames(stack), ["app::keep", "<app::Body as http_body::Body>::poll_frame"]);
    }
}
