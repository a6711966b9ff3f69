//! The call sites of memory that stays allocated, estimated from samples of allocations.
//!
//! A sample keeps the stack of its allocation until the allocation is freed. Tracing slows the program down, because
//! each allocation takes a lock.

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

/// The average number of bytes per sample for large allocations.
const BYTES: f64 = 65_536.0;

/// The average number of allocations per sample for small allocations.
const ALLOCATIONS: f64 = 64.0;

/// The largest number of stack frames that a call site keeps: the program's own frames that are nearest to the
/// allocation.
const FRAMES: usize = 8;

/// The prefixes of the names of functions that belong to allocators and containers, not to a program.
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
    /// True while this thread works on the table of samples. The memory of the table is neither traced nor counted.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// A call site with the memory that was allocated there and is still in use, estimated from samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// The estimated number of bytes in use.
    pub bytes: u64,
    /// The estimated number of allocations in use.
    pub allocations: u64,
    /// The names of the functions on the stack, the innermost first, without those of allocators and containers.
    pub frames: Vec<String>,
}

/// The stage of a trace. Memory that is allocated in the first stage may be a buffer that is filled once. Memory that
/// is allocated in the last stage may be in use for a moment only. Neither counts as growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Filling,
    Steady,
    Ending,
    Over,
}

struct Table {
    /// The live samples, by the address of their allocation.
    samples: BTreeMap<usize, Sample>,
    stage: Stage,
    random: u64,
}

struct Sample {
    stack: Backtrace,
    /// The stage in which the memory was allocated.
    since: Stage,
    size: usize,
    /// The size of the allocation in bytes when the steady stage began.
    filled: usize,
    /// The number of allocations that this sample represents.
    weight: f64,
}

/// Begins a trace, in its first stage.
pub fn begin() {
    work(|table| table.stage = Stage::Filling);
    IS_TRACING.store(true, Relaxed);
}

/// Enters the next stage: first the steady stage, whose allocations count as growth, and then the last stage, whose
/// allocations do not. The third call ends the trace.
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

/// Ends the trace. Returns the call sites of growth that is still in use, the largest first. Growth is memory that was
/// allocated in the steady stage, or by which an allocation of the first stage has grown since. Reads the symbols of
/// the program, which takes time and memory.
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

/// Returns whether this thread works on the table of samples.
pub(crate) fn is_busy() -> bool {
    IS_BUSY.get()
}

/// Samples a new allocation, by chance.
pub(crate) fn allocated(address: *mut u8, size: usize) {
    if IS_TRACING.load(Relaxed) {
        work(|table| table.sample(address, size));
    }
}

/// Drops the sample of an allocation that is freed.
pub(crate) fn released(address: *mut u8) {
    if IS_TRACING.load(Relaxed) {
        work(|table| drop(table.samples.remove(&address.addr())));
    }
}

/// Updates the sample of an allocation that has a new size, and perhaps a new address.
pub(crate) fn resized(from: *mut u8, to: *mut u8, size: usize) {
    if IS_TRACING.load(Relaxed) {
        work(|table| {
            let before = table.samples.remove(&from.addr());
            table.sample(to, size);
            // The new size may be sampled again. If the allocation was sampled before, its stage and its size at the
            // steady stage's start are kept.
            if let Some((before, now)) = before.zip(table.samples.get_mut(&to.addr())) {
                (now.since, now.filled) = (before.since, before.filled);
            }
        });
    }
}

impl Table {
    /// Keeps the stack of an allocation, with a probability that increases with its size.
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

/// Calls `work` with the table of samples, unless this thread is already in such a call.
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

/// Returns the names of the functions in a printed stack.
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
