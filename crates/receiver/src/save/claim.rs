//! The share of one unfinished file in the quota of its folder.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{SaveError, quota::Ledger};

/// The number of bytes that a body of unknown length claims at once.
const STEP: u64 = 8 << 20;

/// A handle to the share of one unfinished file in the quota. Once all handles to it are dropped, the claimed bytes are
/// returned.
#[derive(Clone, Debug)]
pub(super) struct Claim(Arc<Share>);

#[derive(Debug)]
struct Share {
    ledger: Arc<Ledger>,
    amounts: Mutex<Amounts>,
}

/// The amounts of one share, in bytes.
#[derive(Debug, Default)]
struct Amounts {
    claimed: u64,
    /// The part of `claimed` that takes space on the disk: written bytes, and space that is reserved for the next ones.
    allocated: u64,
}

impl Claim {
    /// Claims the announced length of a body, or a first step if the length is unknown.
    ///
    /// # Errors
    /// Fails if the folder or the file system has no room for the claim.
    pub(super) fn of(ledger: Arc<Ledger>, announced: Option<u64>) -> Result<Self, SaveError> {
        let claim = Self(Arc::new(Share { ledger, amounts: Mutex::default() }));
        // A body of unknown length may be empty, but is refused if there is no room for a single byte.
        claim.extend(announced.unwrap_or(1))?;
        Ok(claim)
    }

    /// Returns the number of bytes that the file may have without claiming more.
    pub(super) fn claimed(&self) -> u64 {
        self.0.amounts().claimed
    }

    /// Extends the claim for a file of `bytes` bytes. May wait for the disk.
    ///
    /// # Errors
    /// Fails if the folder or the file system has no room for the claim.
    pub(super) fn extend(&self, bytes: u64) -> Result<(), SaveError> {
        let claimed = self.claimed();
        let missing = bytes.saturating_sub(claimed);
        let step = missing.max(if claimed > 0 { STEP } else { 0 });
        let more = match self.0.ledger.claim(step) {
            Ok(()) => step,
            Err(_) if missing < step => self.0.ledger.claim(missing).map(|()| missing)?,
            Err(error) => return Err(error),
        };
        let mut amounts = self.0.amounts();
        amounts.claimed = amounts.claimed.saturating_add(more);
        Ok(())
    }

    /// Notes that `bytes` bytes of the file have been written in total.
    pub(super) fn written(&self, bytes: u64) {
        let mut amounts = self.0.amounts();
        let allocated = amounts.allocated.max(bytes);
        self.0.set_allocated(&mut amounts, allocated);
    }

    /// Calls `reserve` with the file offset at which the claim ends. Notes that space is reserved up to the offset that
    /// `reserve` returns. Waits for the disk.
    pub(super) fn reserving(&self, reserve: impl FnOnce(u64) -> u64) -> u64 {
        let _unobserved = self.0.ledger.allocating();
        let reserved = reserve(self.claimed());
        self.written(reserved);
        reserved
    }

    /// Calls `trim`, which frees all space of the file behind its first `bytes` bytes. Waits for the disk.
    ///
    /// # Errors
    /// Fails as `trim` does.
    pub(super) fn trimming(&self, bytes: u64, trim: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let _unobserved = self.0.ledger.allocating();
        trim()?;
        self.0.set_allocated(&mut self.0.amounts(), bytes);
        Ok(())
    }

    /// Notes that a file of `bytes` bytes was saved and replaced a file of `replaced` bytes.
    pub(super) fn save(self, bytes: u64, replaced: u64) {
        self.0.ledger.store(bytes, replaced);
    }
}

impl Share {
    fn amounts(&self) -> MutexGuard<'_, Amounts> {
        self.amounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_allocated(&self, amounts: &mut Amounts, bytes: u64) {
        let allocated = bytes.min(amounts.claimed);
        self.ledger.reallocate(amounts.allocated, allocated);
        amounts.allocated = allocated;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let amounts = self.amounts.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.ledger.release(amounts.claimed, amounts.allocated);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::quota::tests::ledger, *};

    #[test]
    fn a_body_of_unknown_length_claims_as_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::of(ledger(&folder, 3 << 20, 0), None).unwrap();
        assert_eq!(claim.claimed(), 1);
        claim.extend(1 << 20).unwrap();
        claim.extend(3 << 20).unwrap();
        assert_eq!(claim.claimed(), 3 << 20);
        assert!(matches!(claim.extend((3 << 20) + 1), Err(SaveError::QuotaReached)));
        assert_eq!(claim.claimed(), 3 << 20);
    }

    #[test]
    fn a_claim_is_returned_with_its_last_handle() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder, 10, 0);
        let first = Claim::of(ledger.clone(), Some(8)).unwrap();
        let second = first.clone();
        drop(first);
        assert!(matches!(Claim::of(ledger.clone(), Some(3)), Err(SaveError::QuotaReached)));
        drop(second);
        Claim::of(ledger, Some(10)).unwrap();
    }

    #[test]
    fn reserved_space_counts_once_and_never_exceeds_the_claim() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder, 1000, 0);
        let claim = Claim::of(ledger.clone(), Some(600)).unwrap();
        assert_eq!(ledger.unallocated(), 600);
        claim.written(100);
        assert_eq!(ledger.unallocated(), 500);
        let reserved = claim.reserving(|most| {
            assert_eq!(most, 600);
            400
        });
        assert_eq!((reserved, ledger.unallocated()), (400, 200));
        claim.written(150);
        assert_eq!(ledger.unallocated(), 200, "written into reserved space");
        claim.trimming(150, || Ok(())).unwrap();
        assert_eq!(ledger.unallocated(), 450);
        assert!(claim.trimming(0, || Err(io::ErrorKind::Other.into())).is_err());
        assert_eq!(ledger.unallocated(), 450);
        drop(claim);
        assert_eq!(ledger.unallocated(), 0);
    }
}
