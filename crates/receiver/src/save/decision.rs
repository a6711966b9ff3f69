//! The decision whether a body is saved or given up, which the task and a blocking thread both may take.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The task's side of the decision. Dropping it gives the body up, unless the other side has decided to save it.
#[derive(Debug, Default)]
pub(super) struct Decision(Arc<AtomicBool>);

/// The side of the blocking thread, which may decide to save the body.
#[derive(Debug)]
pub(super) struct Commit(Arc<AtomicBool>);

impl Decision {
    /// Returns the side of the blocking thread.
    pub(super) fn commit(&self) -> Commit {
        Commit(self.0.clone())
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Commit {
    /// Decides to save the body. Returns false if the task has given it up.
    pub(super) fn decide(self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_saved_only_while_its_task_lives() {
        let decision = Decision::default();
        assert!(decision.commit().decide());
        let decision = Decision::default();
        let commit = decision.commit();
        drop(decision);
        assert!(!commit.decide());
    }
}
