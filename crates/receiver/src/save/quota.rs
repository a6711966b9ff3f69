//! The quota of a folder: bounds on the bytes that all of its uploads store.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use record::ByteSize;

use super::SaveError;

/// The bounds on the bytes that a [`Folder`](super::Folder) stores.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quota {
    /// The largest size of all saved files together; `None` for any size.
    pub max_stored: Option<ByteSize>,
    /// The free space of the file system that uploads must leave. `None` means [`MIN_FREE`](Self::MIN_FREE), or a tenth
    /// of a small file system.
    pub min_free: Option<ByteSize>,
}

impl Quota {
    /// The free space that uploads leave by default, for other users of the disk.
    pub const MIN_FREE: ByteSize = ByteSize(64 << 20);
}

/// The ledger of a folder: the bytes that saved and unfinished files use.
#[derive(Debug)]
pub(super) struct Ledger {
    max_stored: Option<ByteSize>,
    min_free: u64,
    folder: PathBuf,
    counts: Mutex<Counts>,
    /// Held for reading while space on the disk is reserved or freed, together with its count. Held for writing while
    /// the free space is compared with the counts.
    allocating: RwLock<()>,
}

#[derive(Debug, Default)]
struct Counts {
    /// The number of bytes in saved files.
    stored: u64,
    /// The number of bytes that unfinished files have claimed.
    claimed: u64,
    /// The part of `claimed` that takes no space on the disk yet, so that the file system still counts it as free.
    unallocated: u64,
}

impl Ledger {
    /// Creates the ledger of a folder, and counts the folder's files.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub(super) fn open(folder: PathBuf, quota: Quota) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(&folder)?;
        let tenth = disk.f_blocks.saturating_mul(disk.f_frsize) / 10;
        let min_free = quota.min_free.map_or(Quota::MIN_FREE.0.min(tenth), |asked| asked.0);
        let ledger = Self {
            max_stored: quota.max_stored,
            min_free,
            folder,
            counts: Mutex::default(),
            allocating: RwLock::default(),
        };
        ledger.counts().stored = ledger.stored()?;
        Ok(ledger)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of bytes in the visible files; 0 if the quota does not bound them.
    fn stored(&self) -> io::Result<u64> {
        let mut sum = 0_u64;
        if self.max_stored.is_none() {
            return Ok(sum);
        }
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() && !is_hidden => sum = sum.saturating_add(metadata.len()),
                // The file no longer exists, or is not a regular file.
                _ => {}
            }
        }
        Ok(sum)
    }

    /// Claims `bytes` more. Files that other programs have removed are noticed only when the bound is reached. May wait
    /// for the disk, but does not hold the lock of the counts meanwhile.
    pub(super) fn claim(&self, bytes: u64) -> Result<(), SaveError> {
        if self.exceeds(&self.counts(), bytes) {
            let stored = self.stored().map_err(SaveError::of_creating)?;
            self.counts().stored = stored;
        }
        let _unchanged = self.allocating.write().unwrap_or_else(PoisonError::into_inner);
        let free = self.free().map_err(SaveError::of_creating)?;
        let mut counts = self.counts();
        if self.exceeds(&counts, bytes) {
            return Err(SaveError::QuotaReached);
        }
        let needed = self.min_free.saturating_add(counts.unallocated).saturating_add(bytes);
        if free.is_some_and(|free| free < needed) {
            return Err(SaveError::Full);
        }
        counts.claimed = counts.claimed.saturating_add(bytes);
        counts.unallocated = counts.unallocated.saturating_add(bytes);
        Ok(())
    }

    /// Keeps claims waiting until the returned guard is dropped, while space on the disk is reserved or freed.
    pub(super) fn allocating(&self) -> RwLockReadGuard<'_, ()> {
        self.allocating.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a file takes `now` of its claimed bytes on the disk, and took `before`.
    pub(super) fn reallocate(&self, before: u64, now: u64) {
        let mut counts = self.counts();
        counts.unallocated = counts.unallocated.saturating_add(before).saturating_sub(now);
    }

    /// Notes that a file of `bytes` bytes was saved and replaced a file of `replaced` bytes.
    pub(super) fn store(&self, bytes: u64, replaced: u64) {
        let mut counts = self.counts();
        counts.stored = counts.stored.saturating_add(bytes).saturating_sub(replaced);
    }

    /// Returns claimed bytes, of which the file took `allocated` on the disk.
    pub(super) fn release(&self, claimed: u64, allocated: u64) {
        let mut counts = self.counts();
        counts.claimed = counts.claimed.saturating_sub(claimed);
        counts.unallocated = counts.unallocated.saturating_sub(claimed.saturating_sub(allocated));
    }

    /// Returns whether `bytes` more would exceed the bound on stored bytes.
    fn exceeds(&self, counts: &Counts, bytes: u64) -> bool {
        let total = counts.stored.saturating_add(counts.claimed).saturating_add(bytes);
        self.max_stored.is_some_and(|most| total > most.0)
    }

    /// Returns the number of free bytes of the file system; `None` if it does not report them.
    fn free(&self) -> io::Result<Option<u64>> {
        let file_system = rustix::fs::statvfs(&self.folder)?;
        Ok((file_system.f_blocks > 0).then(|| file_system.f_bavail.saturating_mul(file_system.f_frsize)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::save::claim::Claim;

    impl Ledger {
        /// Returns the number of claimed bytes that take no space on the disk yet.
        pub(in crate::save) fn unallocated(&self) -> u64 {
            self.counts().unallocated
        }
    }

    pub(in crate::save) fn ledger(folder: &tempfile::TempDir, max_stored: u64, min_free: u64) -> Arc<Ledger> {
        let quota = Quota { max_stored: Some(ByteSize(max_stored)), min_free: Some(ByteSize(min_free)) };
        Arc::new(Ledger::open(folder.path().to_owned(), quota).unwrap())
    }

    #[test]
    fn concurrent_uploads_and_saved_files_share_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 400]).unwrap();
        fs::write(folder.path().join(".hidden"), [0; 4000]).unwrap();
        let ledger = ledger(&folder, 1000, 0);
        let claim = |bytes| Claim::of(ledger.clone(), Some(bytes));
        let first = claim(500).unwrap();
        assert!(matches!(claim(101), Err(SaveError::QuotaReached)));
        drop(claim(100).unwrap());
        fs::write(folder.path().join("b"), [0; 500]).unwrap();
        first.save(500, 0);
        assert!(matches!(claim(101), Err(SaveError::QuotaReached)));
        claim(100).unwrap();
    }

    #[test]
    fn a_replaced_file_and_one_that_others_removed_make_room() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 600]).unwrap();
        let ledger = ledger(&folder, 1000, 0);
        let claim = |bytes| Claim::of(ledger.clone(), Some(bytes));
        claim(300).unwrap().save(300, 600);
        drop(claim(700).unwrap());
        ledger.counts().stored = 1000;
        fs::remove_file(folder.path().join("a")).unwrap();
        claim(1000).unwrap();
    }

    #[test]
    fn a_folder_that_is_gone_is_no_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        for max_stored in [0, 1000] {
            let ledger = ledger(&folder, max_stored, 0);
            fs::remove_dir(folder.path()).unwrap();
            let error = ledger.claim(1).unwrap_err();
            assert!(matches!(error, SaveError::Io(_)), "{error}");
            fs::create_dir(folder.path()).unwrap();
        }
    }

    #[test]
    fn the_file_system_keeps_its_free_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let all = u64::MAX >> 1;
        assert!(matches!(Claim::of(ledger(&folder, all, all), Some(1)), Err(SaveError::Full)));
        let ledger = ledger(&folder, all, 0);
        let free = ledger.free().unwrap().unwrap();
        let half = Claim::of(ledger.clone(), Some(free / 2)).unwrap();
        assert!(matches!(Claim::of(ledger.clone(), Some(free / 4 * 3)), Err(SaveError::Full)));
        half.written(free / 2);
        Claim::of(ledger, Some(free / 4)).unwrap();
        let default = Ledger::open(folder.path().to_owned(), Quota::default()).unwrap();
        assert!((1..=Quota::MIN_FREE.0).contains(&default.min_free), "{default:?}");
    }
}
