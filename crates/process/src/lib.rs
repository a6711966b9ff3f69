//! The resources of the current process: memory, processor time, page faults and context switches; and the memory of
//! other processes with their descendants ([`ProcessTree`], which a [`Sampler`] reads again and again). [`Stamp`] is the clock.
//!
//! [`MemoryReader`] samples resident memory, and [`peak_rss_bytes`] reads its high-water mark. [`Resources`] holds the
//! resources that the process has used since its start. [`heap()`] returns the live memory according to the program's
//! allocator, if the program has set a [`HeapReader`]. These figures cover the whole process, so a measurement needs a
//! separate process. Figures of memory come from `/proc` on Linux, from `proc_pid_rusage` on macOS, and from
//! `GetProcessMemoryInfo` on Windows. Any figure that a system does not offer is `None` or an error. The figures of
//! macOS and Windows are checked by the compiler alone: no test has run there.
//!
//! ```
//! use longhaul_process::{MemoryReader, Resources, peak_rss_bytes};
//!
//! let reader = MemoryReader::new()?;
//! let (memory_before, used_before) = (reader.read(), Resources::used());
//! let block = std::hint::black_box(vec![1_u8; 8 << 20]);
//!
//! if let (Some(before), Some(after)) = (memory_before, reader.read()) {
//!     // The kernel batches its counters, so a reading may lag behind by some pages.
//!     assert!(after.anon_bytes >= before.anon_bytes + (7 << 20));
//!     assert!(peak_rss_bytes() >= Some(before.rss_bytes + (7 << 20)));
//! }
//! if let (Some(before), Some(now)) = (used_before, Resources::used()) {
//!     let used = now.since(before);
//!     println!("{:?} of CPU, {} page faults", used.user + used.system, used.faults.minor);
//! }
//! # drop(block);
//! # Ok::<(), std::io::Error>(())
//! ```

mod call_sites;
mod clock;
mod heap;
mod holdings;
mod memory;
mod occupy;
mod orphans;
mod parent;
mod processor_time;
mod resources;
mod sampler;
mod thread_times;
mod timeline;
mod tree_times;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "linux")]
#[path = "linux_tree.rs"]
mod tree;

#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;

#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
#[path = "elsewhere.rs"]
mod platform;

#[cfg(not(target_os = "linux"))]
#[path = "no_tree.rs"]
mod tree;

pub use call_sites::{CallSite, HeapTracer, heap_tracer, trace_heap_by};
pub use clock::Stamp;
pub use heap::{Heap, HeapReader, heap, heap_bytes, join_heap, read_heap_by};
pub use holdings::Holdings;
pub use memory::Memory;
pub use occupy::occupy;
pub use orphans::{Mark, Unmarked};
pub use parent::{end_with_parent, keep_orphans};
pub use platform::{MemoryReader, peak_rss_bytes};
pub use processor_time::ProcessorTime;
pub use resources::Resources;
pub use sampler::Sampler;
pub use thread_times::{ThreadId, ThreadTimes};
pub use timeline::Timeline;
pub use tree::ProcessTree;
pub use tree_times::TreeTimes;

/// Returns a lock that excludes other tests that measure the whole process.
#[cfg(test)]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static MEASURING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    MEASURING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
