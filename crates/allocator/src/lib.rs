//! The global allocator of the program longhaul: jemalloc, with compiled-in settings that determine speed and memory.
//!
//! Linking this crate sets the allocator of the whole program. Libraries must not depend on it: a program that embeds
//! them chooses its own allocator. A program that calls nothing of this crate links it by
//! `use longhaul_allocator as _;`.
//!
//! jemalloc reads [`SETTINGS`] at its first allocation, before `main`. The file `/etc/_rjem_malloc.conf` and the
//! environment variable `_RJEM_MALLOC_CONF` override these settings. [`in_force`] therefore queries jemalloc and does
//! not repeat constants.
//!
//! The feature `system` replaces jemalloc by the allocator of the system, which most programs use.
//!
//! A program that calls [`count`] at its start can query its [`live`] memory, exact to the byte. With the feature
//! `trace`, the program can also query the call sites of memory that stays allocated.
//!
//! # Example
//!
//! ```
//! let allocator = longhaul_allocator::in_force()?;
//! assert_eq!(allocator.narenas, 1);
//! println!("{allocator}"); // jemalloc 5.3.1 narenas:1,…
//! # Ok::<(), longhaul_allocator::Error>(())
//! ```

mod counting;
mod jemalloc;
mod settings;
#[cfg(feature = "trace")]
pub mod trace;

use std::{fmt, io};

pub use counting::{count, count_thread, live, live_bytes};
pub use jemalloc::{in_force, use_own_arena};
pub use settings::SETTINGS;

/// Returns the allocator of the program with its settings in force, in one line. Returns `system` if the feature
/// `system` selects the allocator of the system.
pub fn description() -> String {
    if cfg!(feature = "system") {
        return "system".into();
    }
    match in_force() {
        Ok(allocator) => allocator.to_string(),
        Err(error) => format!("jemalloc, settings unknown: {error}"),
    }
}

/// The memory that a program has allocated and not freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Live {
    /// The number of bytes, as requested from the allocator.
    pub bytes: usize,
    /// The number of allocations.
    pub allocations: usize,
    /// The number of bytes in use in the heap of the C library; `None` if that is not glibc, or if Rust code allocates
    /// in the same heap.
    pub c_bytes: Option<usize>,
}

/// A description of jemalloc and of its settings in force.
///
/// [`Display`](fmt::Display) prints `jemalloc VERSION SETTINGS`, with the settings in the syntax of jemalloc's
/// `malloc_conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocator {
    /// The version of jemalloc. The version of a release has no commit: "5.3.1".
    pub version: String,
    /// The number of arenas.
    pub narenas: u32,
    /// The largest number of freed small pieces of one size that a thread caches.
    pub tcache_nslots_small_max: u32,
    /// The largest number of freed large pieces of one size that a thread caches.
    pub tcache_nslots_large: u32,
    /// The time in milliseconds until unused dirty pages are purged; −1 means never.
    pub dirty_decay_ms: isize,
    /// The time in milliseconds until unused muzzy pages are purged; −1 means never.
    pub muzzy_decay_ms: isize,
    /// The slabs of the size classes that [`SETTINGS`] set.
    pub slab_sizes: Vec<Slabs>,
    /// True if a background thread of jemalloc purges pages.
    pub background_thread: bool,
    /// The use of transparent huge pages: "default", "always", "never", or "not supported".
    pub thp: String,
}

impl fmt::Display for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "jemalloc {} narenas:{},tcache_nslots_small_max:{},tcache_nslots_large:{},dirty_decay_ms:{},\
             muzzy_decay_ms:{},slab_sizes:",
            self.version,
            self.narenas,
            self.tcache_nslots_small_max,
            self.tcache_nslots_large,
            self.dirty_decay_ms,
            self.muzzy_decay_ms
        )?;
        for (i, slabs) in self.slab_sizes.iter().enumerate() {
            write!(f, "{}{slabs}", if i == 0 { "" } else { "|" })?;
        }
        write!(f, ",background_thread:{},thp:{}", self.background_thread, self.thp)
    }
}

/// A range of consecutive size classes whose slabs have one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slabs {
    /// The least size of a piece, in bytes: one byte more than the next smaller size class.
    pub least: usize,
    /// The greatest size of a piece, in bytes.
    pub greatest: usize,
    /// The number of pages in a slab.
    pub pages: usize,
}

impl fmt::Display for Slabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}:{}", self.least, self.greatest, self.pages)
    }
}

/// The failure to read a value from jemalloc.
#[derive(Debug, thiserror::Error)]
#[error("jemalloc has no value {name}")]
#[non_exhaustive]
pub struct Error {
    /// The name of the value in jemalloc's `mallctl` namespace.
    pub name: String,
    /// The error that `mallctl` returned.
    pub source: io::Error,
}
