//! The decision whether a body is saved or given up. Both the task and a blocking thread may make it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The task's side of the decision. Dropping this value gives the body up, unless the blocking thread has decided to
/// save the body.
#[derive(Debug, Default)]
pub(super) struct Decision(Arc<AtomicBool>);

/// The blocking thread's side of the decision, which may decide to save the body.
#[derive(Debug)]
pub(super) struct Commit(Arc<AtomicBool>);

impl Decision {
    /// Returns the blocking thread's side of this decision.
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
    /// Decides to save the body. Returns false if the task has already given the body up.
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
