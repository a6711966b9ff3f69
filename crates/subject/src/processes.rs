//! The processes of a program under proof.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use process::{Mark, ProcessTree, Unmarked};
use uuid::Uuid;

/// The environment variable that marks descendants of a program, also those whose parent has ended.
pub(crate) const MARK: &str = "LONGHAUL_SUBJECT";

/// The number of searches without a result after which all processes have ended. A process may start another one and
/// end while a search passes it.
const SEARCHES: usize = 2;

/// The number of programs that this process has started so far.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// The number of programs that this process runs now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The place of a program among those that this process starts, until it is dropped.
pub(crate) struct Turn {
    /// The number of programs that had started when this one had.
    number: usize,
    /// The number of programs that ran when this one started.
    others: usize,
}

impl Turn {
    /// Begins the turn of a program that is about to start.
    pub(crate) fn begin() -> Self {
        Self { others: RUNNING.fetch_add(1, SeqCst), number: STARTED.fetch_add(1, SeqCst).saturating_add(1) }
    }

    /// Returns the treatment of orphans without a mark. They are those of this program only if no other program has run
    /// since it started.
    fn unmarked(&self) -> Unmarked {
        match self.others == 0 && STARTED.load(SeqCst) == self.number {
            true => Unmarked::Adopted,
            false => Unmarked::Left,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, SeqCst);
    }
}

/// A process and its descendants. Clones share them.
#[derive(Clone)]
pub(crate) struct Processes {
    tree: Arc<Mutex<ProcessTree>>,
    /// The orphans among the descendants; `None` for a program that longhaul has not started.
    orphans: Option<Arc<Orphans>>,
}

/// The signs of a program's orphans.
struct Orphans {
    /// The value of [`MARK`] in the environment of the program.
    mark: String,
    turn: Turn,
}

impl Processes {
    /// Returns the processes of a program that longhaul has started as `pid`, with this value of [`MARK`].
    pub(crate) fn started(pid: u32, mark: Uuid, turn: Turn) -> io::Result<Self> {
        let orphans = Orphans { mark: mark.simple().to_string(), turn };
        Ok(Self { orphans: Some(Arc::new(orphans)), ..Self::running(pid)? })
    }

    /// Returns the processes of a program that runs already.
    pub(crate) fn running(pid: u32) -> io::Result<Self> {
        Ok(Self { tree: Arc::new(Mutex::new(ProcessTree::of(pid)?)), orphans: None })
    }

    /// Looks for processes that have been started since the last call.
    pub(crate) fn find_descendants(&self) {
        let mut tree = self.tree();
        tree.find_descendants();
        if let Some(orphans) = &self.orphans {
            tree.adopt_orphans(Mark { name: MARK, value: &orphans.mark }, orphans.turn.unmarked());
        }
    }

    /// Returns the tree of processes.
    pub(crate) fn tree(&self) -> MutexGuard<'_, ProcessTree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more sample of the memory, for its peak.
    pub(crate) fn sample(&self) {
        let mut tree = self.tree();
        tree.find_descendants();
        tree.read();
    }

    /// Looks for processes that have been started, and returns whether none of all runs.
    pub(crate) fn are_gone(&self) -> bool {
        (0..SEARCHES).all(|_| {
            self.find_descendants();
            self.tree().ids().is_empty()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_without_a_mark_belong_to_no_program_that_another_one_ran_beside() {
        let (first, second) = (Turn::begin(), Turn::begin());
        assert_eq!((first.unmarked(), second.unmarked()), (Unmarked::Left, Unmarked::Left));
        drop(second);
        assert_eq!(first.unmarked(), Unmarked::Left, "they may be those of the second program");
    }
}
