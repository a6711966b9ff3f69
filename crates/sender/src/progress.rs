//! The progress of a body that its owner has given away.

use std::sync::{Arc, OnceLock};

use payload::Digest;
use tokio::sync::Notify;

/// A handle to the outcome of a [`MeteredBody`](crate::MeteredBody). The handle stays valid after the body was dropped.
#[derive(Clone, Debug, Default)]
pub struct SendProgress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    outcome: OnceLock<Outcome>,
    concluded: Notify,
}

/// The way in which a body ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Every byte was handed to the protocol. The digest is `None` unless the body computes one.
    Whole(Option<Digest>),
    /// The payload could not be read to its end.
    Failed(String),
    /// The protocol dropped the body before its end.
    Dropped,
}

impl SendProgress {
    /// Returns the digest of the body. `None` until every byte has been handed to the protocol, and for a body that
    /// does not [digest](crate::MeteredBody::digesting).
    pub fn digest(&self) -> Option<Digest> {
        match self.0.outcome.get()? {
            Outcome::Whole(digest) => *digest,
            Outcome::Failed(_) | Outcome::Dropped => None,
        }
    }

    /// Returns the error because of which the payload was not read to its end; `None` without an error.
    pub fn error(&self) -> Option<&str> {
        match self.0.outcome.get()? {
            Outcome::Failed(error) => Some(error),
            Outcome::Whole(_) | Outcome::Dropped => None,
        }
    }

    /// Returns whether the body has ended: every byte was handed over, the payload failed, or the body was dropped.
    pub fn is_over(&self) -> bool {
        self.0.outcome.get().is_some()
    }

    /// Waits until the body [is over](Self::is_over).
    pub async fn over(&self) {
        loop {
            let concluded = self.0.concluded.notified();
            if self.is_over() {
                return;
            }
            concluded.await;
        }
    }

    /// Records the outcome, unless there is one already. This function may run several times, because a protocol may
    /// poll a body after its end, and every body is dropped.
    pub(crate) fn conclude(&self, outcome: impl FnOnce() -> Outcome) {
        self.0.outcome.get_or_init(outcome);
        self.0.concluded.notify_waiters();
    }
}
