//! The settings that jemalloc reads at its start, and queries of the settings in force.
#![allow(
    unsafe_code,
    reason = "jemalloc is a C library: it reads an exported pointer and answers through pointers"
)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint},
    io,
    mem::size_of,
    ptr,
};

use tikv_jemalloc_sys::mallctl;

use crate::{
    Allocator, Error, Slabs,
    settings::{SETTINGS_C, SLAB_RANGE},
};

/// The pointer through which jemalloc reads its settings.
///
/// jemalloc defines the symbol weakly, and this definition replaces it. tikv-jemalloc-sys prefixes all symbols with
/// `_rjem_` unless its feature `unprefixed_malloc_on_supported_platforms` is on; nothing here turns it on.
#[used]
// SAFETY: the symbol belongs to jemalloc, which declares it as `const char *`. `Configuration` has the layout of that
// pointer. The string is static, ends in a NUL and is never written.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Configuration = Configuration(SETTINGS_C.as_ptr());

/// A pointer to a constant C string.
#[repr(transparent)]
struct Configuration(*const c_char);

// SAFETY: the only value points to `SETTINGS_C`, which is static and never written.
unsafe impl Sync for Configuration {}

/// Queries jemalloc's version and its settings in force.
///
/// # Errors
/// Fails if this jemalloc lacks one of the settings.
pub fn in_force() -> Result<Allocator, Error> {
    Ok(Allocator {
        version: version()?,
        narenas: read::<c_uint>("opt.narenas")?,
        tcache_nslots_small_max: read::<c_uint>("opt.tcache_nslots_small_max")?,
        tcache_nslots_large: read::<c_uint>("opt.tcache_nslots_large")?,
        dirty_decay_ms: read::<isize>("opt.dirty_decay_ms")?,
        muzzy_decay_ms: read::<isize>("opt.muzzy_decay_ms")?,
        slab_sizes: slab_sizes()?,
        // A C `bool` is one byte.
        background_thread: read::<u8>("opt.background_thread")? != 0,
        thp: text("opt.thp")?,
    })
}

/// Gives the calling thread its own arena. The settings provide a single arena, for programs with one thread. Threads
/// that allocate from the same arena wait for each other's locks. Does nothing if the allocator of the system is in
/// use.
///
/// # Errors
/// Fails if jemalloc has no memory for another arena, or has reached its limit of arenas. The thread then keeps its
/// present arena.
pub fn use_own_arena() -> Result<(), Error> {
    if cfg!(feature = "system") {
        return Ok(());
    }
    let arena = read::<c_uint>("arenas.create")?;
    write("thread.arena", arena)
}

/// Returns jemalloc's version. The version of a release has no commit: "5.3.1" instead of "5.3.1-0-g81034ce1".
fn version() -> Result<String, Error> {
    let text = text("version")?;
    Ok(text.split("-0-g").next().unwrap_or(&text).to_owned())
}

/// Returns the string called `name` in jemalloc's `mallctl` namespace.
fn text(name: &str) -> Result<String, Error> {
    let text = read::<Text>(name)?.0;
    if text.is_null() {
        return Err(Error { name: name.to_owned(), source: io::ErrorKind::InvalidData.into() });
    }
    // SAFETY: `mallctl` returned a pointer to a string literal of jemalloc: the version, or the word of a setting.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Returns the slabs of the size classes in [`SLAB_RANGE`]. jemalloc has no value `opt.slab_sizes`, but states the slab
/// size of each bin.
fn slab_sizes() -> Result<Vec<Slabs>, Error> {
    let page = read::<usize>("arenas.page")?;
    let mut all: Vec<Slabs> = Vec::new();
    let mut below = 0;
    for bin in 0..read::<c_uint>("arenas.nbins")? {
        let size = read::<usize>(&format!("arenas.bin.{bin}.size"))?;
        let pages = read::<usize>(&format!("arenas.bin.{bin}.slab_size"))? / page;
        match all.last_mut() {
            Some(last) if last.greatest == below && last.pages == pages => last.greatest = size,
            _ if SLAB_RANGE.contains(&size) => all.push(Slabs { least: below + 1, greatest: size, pages }),
            _ => {}
        }
        below = size;
    }
    Ok(all)
}

/// A type of jemalloc's values for which every bit pattern is valid.
///
/// # Safety
///
/// `mallctl` may write any bytes into a value of this type. The type must hold no reference, and every bit pattern must
/// be valid.
unsafe trait Value: Copy {
    /// A value for jemalloc to overwrite.
    const EMPTY: Self;
}

/// A pointer to a string that belongs to jemalloc.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Text(*const c_char);

// SAFETY: every bit pattern of an integer is valid.
unsafe impl Value for u8 {
    const EMPTY: Self = 0;
}
// SAFETY: every bit pattern of an integer is valid.
unsafe impl Value for c_uint {
    const EMPTY: Self = 0;
}
// SAFETY: every bit pattern of an integer is valid.
unsafe impl Value for usize {
    const EMPTY: Self = 0;
}
// SAFETY: every bit pattern of an integer is valid.
unsafe impl Value for isize {
    const EMPTY: Self = 0;
}
// SAFETY: every bit pattern of a raw pointer is valid. Code that dereferences the pointer must know its origin.
unsafe impl Value for Text {
    const EMPTY: Self = Self(ptr::null());
}

/// Returns the value called `name` in jemalloc's `mallctl` namespace.
fn read<T: Value>(name: &str) -> Result<T, Error> {
    let fail = |source| Error { name: name.to_owned(), source };
    let terminated = CString::new(name).map_err(|error| fail(error.into()))?;
    let mut value = T::EMPTY;
    let mut length = size_of::<T>();
    // SAFETY: the name ends in a NUL. `value` and `length` outlive the call. jemalloc writes at most `length` bytes,
    // and every bit pattern of `T` is valid. There is no new value, so jemalloc reads nothing.
    let code: c_int =
        unsafe { mallctl(terminated.as_ptr(), (&raw mut value).cast(), &raw mut length, ptr::null_mut(), 0) };
    match code {
        0 if length == size_of::<T>() => Ok(value),
        // A different length means that the value has a different type than this crate expects.
        0 => Err(fail(io::ErrorKind::InvalidData.into())),
        code => Err(fail(io::Error::from_raw_os_error(code))),
    }
}

/// Sets the value called `name` in jemalloc's `mallctl` namespace.
fn write<T: Value>(name: &str, mut value: T) -> Result<(), Error> {
    let fail = |source| Error { name: name.to_owned(), source };
    let terminated = CString::new(name).map_err(|error| fail(error.into()))?;
    // SAFETY: the name ends in a NUL. `value` outlives the call, and jemalloc reads `size_of::<T>()` bytes of it. There is
    // no place for the old value, so jemalloc writes nothing.
    let code = unsafe {
        mallctl(
            terminated.as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            (&raw mut value).cast(),
            size_of::<T>(),
        )
    };
    if code == 0 { Ok(()) } else { Err(fail(io::Error::from_raw_os_error(code))) }
}
