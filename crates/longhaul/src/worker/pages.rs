//! The pages of the program itself, which count as resident like any other.
#![allow(unsafe_code, reason = "there is no safe wrapper of madvise")]

use std::{ffi::c_void, ptr::NonNull};

use nix::sys::mman::{MmapAdvise, madvise};
use procfs::process::{MMPermissions, MMapPath, Process};

/// Lets go of the program's constants as far as starting has touched them: half a MiB of relocation tables above
/// all, which nobody reads again. What the transfer needs comes back by itself, from the page cache. Code is kept: it
/// would come back during the transfer, and count as its memory.
///
/// `None` where the program's mappings cannot be found; nothing depends on it.
pub(super) fn let_go() -> Option<()> {
    let program = MMapPath::Path(std::env::current_exe().ok()?);
    let maps = Process::myself().ok()?.maps().ok()?;
    let mine = maps.into_iter().filter(|map| map.pathname == program);
    // What comes after the code was written to by relocation.
    for map in mine.take_while(|map| !map.perms.contains(MMPermissions::EXECUTE)) {
        let (start, end) = map.address;
        let address = NonNull::new(start as *mut c_void)?;
        // SAFETY: before its code, the program's mappings are read-only and as they are in the file.
        unsafe { madvise(address, (end - start) as usize, MmapAdvise::MADV_DONTNEED).ok()? };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_goes_on_without_the_pages_of_its_start() {
        let resident = || metrics::process::MemoryReader::new().unwrap().read().unwrap().rss_bytes;
        let before = resident();
        let_go().unwrap();
        assert!(resident() < before, "{before}");
        assert_eq!(format!("{:?}", "still here".to_uppercase()), "\"STILL HERE\"");
    }
}
