//! The global allocator: jemalloc or the system's allocator, with counters of live memory for programs that call
//! [`count`].
#![allow(unsafe_code, reason = "an allocator is unsafe to implement, and glibc is a C library")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

/// The allocator to which [`Counting`] passes each call.
#[cfg(feature = "system")]
use std::alloc::System as Backing;
#[cfg(not(feature = "system"))]
use tikv_jemallocator::Jemalloc as Backing;

use crate::Live;
#[cfg(feature = "trace")]
use crate::trace;

/// The global allocator. glibc's malloc returns the memory of each large frame to the kernel, and page faults bring it
/// back, which halves HTTP/2's goodput.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// True once the program has called [`count`].
static IS_COUNTING: AtomicBool = AtomicBool::new(false);

/// The most threads with their own counters. Further threads share counters, which costs atomic additions.
const OWNERS: usize = 256;

/// The counters of single threads: first those of the thread that called [`count`], then those of threads that called
/// [`count_thread`]. The counters of a thread that has ended stay in the sum, because other threads may still free its
/// memory.
static OWN: [Counters; OWNERS] = [const { Counters::new() }; OWNERS];

/// The number of counters of [`OWN`] that threads have asked for.
static OWNED: AtomicUsize = AtomicUsize::new(0);

/// The counters of all other threads.
static SHARED: Counters = Counters::new();

thread_local! {
    /// The counters of this thread alone; `None` for a thread that counts in [`SHARED`]. The value has no destructor,
    /// because registering one may allocate.
    static OF_THREAD: Cell<Option<&'static Counters>> = const { Cell::new(None) };
}

/// Begins to count live memory. The calling thread counts without atomic additions, so it should be the thread that
/// allocates most. Memory that was allocated before the call is not counted, so the call should come first in `main`.
/// Only the first call has an effect.
pub fn count() {
    if !IS_COUNTING.swap(true, Relaxed) {
        own();
    }
}

/// Makes the calling thread count without atomic additions, too, if [`count`] was called. Meant for a thread that
/// allocates about as much as the thread that called [`count`]: threads that share counters wait for each other's cache
/// lines.
pub fn count_thread() {
    if IS_COUNTING.load(Relaxed) && OF_THREAD.get().is_none() {
        own();
    }
}

/// Gives the calling thread its own counters, as long as unused ones are left.
fn own() {
    OF_THREAD.set(OWN.get(OWNED.fetch_add(1, Relaxed)));
}

/// Returns the sum of one figure of all counters.
#[inline]
fn sum(figure: impl Fn(&Counters) -> &AtomicUsize) -> usize {
    let owned = OWN.get(..OWNED.load(Relaxed).min(OWNERS)).unwrap_or_default();
    owned
        .iter()
        .fold(figure(&SHARED).load(Relaxed), |sum, counters| sum.wrapping_add(figure(counters).load(Relaxed)))
}

/// Returns the live memory, or `None` unless [`count`] was called. The figures are exact if no other thread allocates
/// during the call.
pub fn live() -> Option<Live> {
    IS_COUNTING.load(Relaxed).then(|| Live {
        bytes: sum(|counters| &counters.bytes),
        allocations: sum(|counters| &counters.allocations),
        c_bytes: c_heap(),
    })
}

/// Returns the live bytes of Rust code, or `None` unless [`count`] was called. Faster than [`live`], which also asks
/// the C library.
#[inline]
pub fn live_bytes() -> Option<usize> {
    IS_COUNTING.load(Relaxed).then(|| sum(|counters| &counters.bytes))
}

/// The numbers of live bytes and allocations of some threads. The numbers wrap around at zero, because a thread may
/// free memory that another thread allocated. Processors fetch two cache lines at once, so counters of different threads
/// are that far apart.
#[repr(align(128))]
struct Counters {
    bytes: AtomicUsize,
    allocations: AtomicUsize,
}

impl Counters {
    const fn new() -> Self {
        Self { bytes: AtomicUsize::new(0), allocations: AtomicUsize::new(0) }
    }

    /// Adds to the counters without an atomic read-modify-write operation. Only one thread may write these counters.
    #[inline]
    fn add_alone(&self, bytes: usize, allocations: usize) {
        self.bytes.store(self.bytes.load(Relaxed).wrapping_add(bytes), Relaxed);
        self.allocations.store(self.allocations.load(Relaxed).wrapping_add(allocations), Relaxed);
    }

    #[cold]
    fn add(&self, bytes: usize, allocations: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.allocations.fetch_add(allocations, Relaxed);
    }
}

/// Adds a change to the counters of the calling thread. A decrease is passed as a wrapped negative number.
#[inline]
fn note(bytes: usize, allocations: usize) {
    #[cfg(feature = "trace")]
    if trace::is_busy() {
        return;
    }
    if let Some(own) = OF_THREAD.get() {
        own.add_alone(bytes, allocations);
    } else if IS_COUNTING.load(Relaxed) {
        SHARED.add(bytes, allocations);
    }
}

/// An allocator that counts live bytes and allocations. The bytes are those requested, without rounding to a size
/// class.
struct Counting;

// SAFETY: every call is passed to the backing allocator. Counting touches no memory of an allocation, and does not
// allocate.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees the preconditions of the backing allocator.
        allocated(unsafe { Backing.alloc(layout) }, layout)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees the preconditions of the backing allocator.
        allocated(unsafe { Backing.alloc_zeroed(layout) }, layout)
    }

    #[inline]
    unsafe fn dealloc(&self, allocated: *mut u8, layout: Layout) {
        #[cfg(feature = "trace")]
        trace::released(allocated);
        // SAFETY: the caller guarantees the preconditions of the backing allocator.
        unsafe { Backing.dealloc(allocated, layout) };
        note(layout.size().wrapping_neg(), usize::MAX);
    }

    #[inline]
    unsafe fn realloc(&self, allocated: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees the preconditions of the backing allocator.
        let moved = unsafe { Backing.realloc(allocated, layout, size) };
        #[cfg(feature = "trace")]
        if !moved.is_null() {
            trace::resized(allocated, moved, size);
        }
        noted(moved, size.wrapping_sub(layout.size()), 0)
    }
}

/// Counts a new allocation unless it failed, and returns it.
#[inline]
fn allocated(allocated: *mut u8, layout: Layout) -> *mut u8 {
    #[cfg(feature = "trace")]
    if !allocated.is_null() {
        trace::allocated(allocated, layout.size());
    }
    noted(allocated, layout.size(), 1)
}

/// Counts the change of an allocation unless it failed, and returns the allocation.
#[inline]
fn noted(allocated: *mut u8, bytes: usize, allocations: usize) -> *mut u8 {
    if !allocated.is_null() {
        note(bytes, allocations);
    }
    allocated
}

/// Returns the bytes in use in glibc's heap, where aws-lc allocates. The bytes include the 8-byte header of each piece,
/// and freed pieces in the cache of a thread (at most 7 of each size).
#[cfg(all(target_os = "linux", target_env = "gnu", not(feature = "system")))]
fn c_heap() -> Option<usize> {
    // SAFETY: `mallinfo2` has no precondition. It takes glibc's own lock.
    let heap = unsafe { libc::mallinfo2() };
    heap.uordblks.checked_add(heap.hblkhd)
}

/// Returns `None`: either glibc is not the C library, or Rust code allocates in glibc's heap as well.
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(feature = "system"))))]
fn c_heap() -> Option<usize> {
    None
}
