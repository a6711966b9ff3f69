//! The processes of a program under proof.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use process::ProcessTree;
use uuid::Uuid;

/// The environment variable that marks descendants of a program, also those whose parent has ended.
pub(crate) const MARK: &str = "LONGHAUL_SUBJECT";

/// A process and its descendants. Clones share them.
#[derive(Clone)]
pub(crate) struct Processes {
    tree: Arc<Mutex<ProcessTree>>,
    /// The value of [`MARK`] in the environment of all these processes; `None` for a program that longhaul has not
    /// started.
    mark: Option<Uuid>,
}

impl Processes {
    /// Returns the processes of a program that longhaul has started as `pid`, with this value of [`MARK`].
    pub(crate) fn started(pid: u32, mark: Uuid) -> io::Result<Self> {
        Ok(Self { mark: Some(mark), ..Self::running(pid)? })
    }

    /// Returns the processes of a program that runs already.
    pub(crate) fn running(pid: u32) -> io::Result<Self> {
        Ok(Self { tree: Arc::new(Mutex::new(ProcessTree::of(pid)?)), mark: None })
    }

    /// Looks for processes that have been started since the last call.
    pub(crate) fn find_descendants(&self) {
        let mut tree = self.tree();
        tree.find_descendants();
        if let Some(mark) = self.mark {
            tree.adopt_children_marked(MARK, &mark.simple().to_string());
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

    /// Returns whether none of the processes runs.
    pub(crate) fn are_gone(&self) -> bool {
        self.tree().ids().is_empty()
    }
}
