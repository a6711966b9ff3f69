//! The settings of jemalloc, each with its reason. All figures were measured with longhaul.

use std::{ffi::CStr, ops::RangeInclusive};

/// The value of [`SETTINGS`] with a final NUL, as jemalloc reads it.
const TERMINATED: &str = concat!(
    // Each end of a transfer runs on one thread. A further arena would only keep more freed pages.
    "narenas:1",
    // By default a thread caches 20 freed HTTP/2 frames. The 20 frames took 0.5 MiB more and did not fit the
    // processor's cache, which cost 7 % of the goodput over TLS.
    ",tcache_nslots_small_max:8",
    ",tcache_nslots_large:2",
    // Freed pages stay for one second. glibc's malloc returns freed pages to the kernel at once, which halves HTTP/2's
    // goodput.
    ",dirty_decay_ms:1000",
    ",muzzy_decay_ms:0",
    // An HTTP/2 receiver of 4 KiB chunks alternates between pieces of 5 to 8 KiB. By default their slabs have several
    // sizes. Free slabs of one size do not serve another, which took 0.8 MiB more.
    ",slab_sizes:4097-8192:10",
    // A background thread would interrupt the pinned core at random moments.
    ",background_thread:false",
    // A huge page is resident as a whole. On systems with huge pages for all processes, memory grew by several MiB, at
    // random.
    ",thp:never",
    "\0"
);

/// The range of piece sizes, in bytes, whose slabs the setting `slab_sizes` changes.
pub(crate) const SLAB_RANGE: RangeInclusive<usize> = 4097..=8192;

/// The value of [`SETTINGS`] as a C string.
pub(crate) const SETTINGS_C: &CStr = match CStr::from_bytes_with_nul(TERMINATED.as_bytes()) {
    Ok(settings) => settings,
    Err(_) => panic!("the settings end in their only NUL"),
};

/// The settings that are compiled into the program, in the syntax of jemalloc's `malloc_conf`.
pub const SETTINGS: &str = match SETTINGS_C.to_str() {
    Ok(settings) => settings,
    Err(_) => panic!("the settings are a str"),
};
