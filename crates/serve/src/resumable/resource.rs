//! One upload resource: its state, its lifetime, and the requests that take turns on it.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use receiver::{Receipt, save::Partial};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch},
    time::Instant,
};

use crate::digest::Stated;

/// An upload whose bytes arrive in several requests.
pub(super) struct Resource {
    facts: Mutex<Facts>,
    ttl: Duration,
    /// The number of the latest request.
    turns: watch::Sender<u64>,
    state: Arc<AsyncMutex<State>>,
    /// True if a file already had the name of the upload.
    pub(super) replaces: bool,
}

struct Facts {
    length: Option<u64>,
    expires: Instant,
    stage: Stage,
}

/// The stage of an upload, which can be read while a request holds the lock of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Bytes can be appended.
    Open,
    /// Only the receipt is left.
    Complete,
    /// The upload was cancelled, or has failed.
    Gone,
}

/// The state of an upload.
pub(super) enum State {
    /// Bytes can be appended.
    Open(Box<Open>),
    /// The upload is complete, and the file has its final name. The receipt stays for a client that did not receive it.
    Complete(Receipt),
    /// The upload was cancelled, or has failed.
    Gone,
}

/// The bytes of an incomplete upload.
pub(super) struct Open {
    pub(super) partial: Partial,
    /// The digests of the whole upload that its creation stated.
    pub(super) stated: Stated,
    /// The time in which the bytes arrived.
    pub(super) spent: Duration,
}

impl Resource {
    /// Creates the resource of an upload of `length` bytes, if that is known. It expires `ttl` after its creation or its
    /// last byte. `replaces` is true if a file already has the upload's name.
    pub(super) fn new(open: Open, length: Option<u64>, replaces: bool, ttl: Duration) -> Self {
        let facts = Facts { length, expires: Instant::now() + ttl, stage: Stage::Open };
        Self {
            facts: Mutex::new(facts),
            ttl,
            turns: watch::Sender::new(0),
            state: Arc::new(AsyncMutex::new(State::Open(Box::new(open)))),
            replaces,
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the length of the whole upload in bytes, if a request has stated it.
    pub(super) fn length(&self) -> Option<u64> {
        self.facts().length
    }

    /// Sets the length of the whole upload, unless an earlier request has stated another one. Returns whether `length`
    /// is now in force.
    pub(super) fn set_length(&self, length: u64) -> bool {
        *self.facts().length.get_or_insert(length) == length
    }

    /// Extends the lifetime after the arrival of bytes.
    pub(super) fn extend(&self) {
        self.facts().expires = Instant::now() + self.ttl;
    }

    /// Returns the time at which the resource expires.
    pub(super) fn expires(&self) -> Instant {
        self.facts().expires
    }

    /// Returns the stage of the upload.
    pub(super) fn stage(&self) -> Stage {
        self.facts().stage
    }

    /// Begins the turn of a request, which ends the turns of all earlier requests.
    pub(super) fn begin_turn(&self) -> Turn {
        let mut number = 0;
        self.turns.send_modify(|latest| {
            *latest += 1;
            number = *latest;
        });
        Turn { number, latest: self.turns.subscribe() }
    }

    /// Locks the state, as soon as no other request holds it.
    async fn state(&self) -> OwnedMutexGuard<State> {
        self.state.clone().lock_owned().await
    }
}

/// An upload resource whose state one request has locked.
pub(super) struct Held {
    pub(super) resource: Arc<Resource>,
    pub(super) state: OwnedMutexGuard<State>,
    pub(super) turn: Turn,
}

impl Held {
    /// Ends all earlier requests to a resource, and waits until they have released its state.
    pub(super) async fn of(resource: &Arc<Resource>) -> Self {
        let turn = resource.begin_turn();
        Self { resource: resource.clone(), state: resource.state().await, turn }
    }

    /// Replaces the state of the upload by a later one.
    pub(super) fn set(&mut self, state: State) {
        drop(self.replace(state));
    }

    /// Replaces the state of the upload by a later one, and returns the earlier one.
    pub(super) fn replace(&mut self, state: State) -> State {
        self.resource.facts().stage = match &state {
            State::Open(_) => Stage::Open,
            State::Complete(_) => Stage::Complete,
            State::Gone => Stage::Gone,
        };
        mem::replace(&mut self.state, state)
    }
}

/// The turn of one request.
pub(super) struct Turn {
    number: u64,
    latest: watch::Receiver<u64>,
}

impl Turn {
    /// Waits until a later request has begun its turn.
    pub(super) async fn ended(&mut self) {
        let number = self.number;
        // The sender is part of the resource. Without it, there is no later request either.
        if self.latest.wait_for(|latest| *latest > number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
