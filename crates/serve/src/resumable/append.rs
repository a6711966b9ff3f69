//! The appending of a request's content to an upload. It runs in a separate task, so that bytes that have arrived are
//! kept, however the request ends.

use std::mem;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use metrics::{Meter, Stamp};
use receiver::{Receipt, save::SaveError};
use tokio::sync::oneshot;
use transport::{Body, BodyError};

use super::resource::{Held, Open, Resource, State, Turn};
use crate::digest::{Mismatch, Stated, Verified};

/// The role of a request in its upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Further requests follow.
    Part,
    /// The upload is complete with the content of this request.
    Last,
}

/// The appending of the content of one request.
pub(super) struct Append {
    pub(super) held: Held,
    pub(super) role: Role,
    /// The length of the content in bytes, if the request states it.
    pub(super) announced: Option<u64>,
    /// The most bytes that the upload may have.
    pub(super) most: u64,
    /// The digests of the content that the request states.
    pub(super) content: Stated,
    pub(super) meter: Meter,
}

/// The result of an append.
pub(super) enum Appended {
    /// The upload has this many bytes, and takes more.
    Paused(u64),
    /// The upload is complete, and the file has its final name.
    Complete(Receipt),
}

/// The failure of an append.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("a later request to the upload has ended this one")]
    Superseded,
    #[error("the request was given up")]
    GivenUp,
    #[error("the content broke off: {0}")]
    Broken(#[source] BodyError),
    #[error("the content ended after {received} bytes instead of {expected}")]
    Length { received: u64, expected: u64 },
    #[error("the upload has {bytes} bytes instead of {length}")]
    Incomplete { bytes: u64, length: u64 },
    #[error("the content exceeds the length of the upload")]
    BeyondLength,
    #[error("an upload may have at most {0} bytes")]
    TooLarge(u64),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error("there is no such upload")]
    Gone,
}

/// A failed append.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: AppendError,
    /// True if the client has transmitted the whole representation, so that it cannot mend the failure by resuming.
    pub(super) is_transmitted: bool,
}

impl AppendError {
    /// Returns whether the upload cannot be continued, although its bytes are saved.
    fn is_final(&self) -> bool {
        matches!(self, Self::BeyondLength | Self::TooLarge(_) | Self::Mismatch(_) | Self::Gone)
    }
}

impl Append {
    /// Appends the content of `body`, until it ends, a later request begins, or the sender of `stop` is dropped.
    /// Returns the body, which may have unread bytes.
    pub(super) async fn run(
        self,
        mut body: Body,
        stop: oneshot::Receiver<()>,
    ) -> (Body, Result<Appended, Failed>) {
        let Self { mut held, role, announced, most, content, meter } = self;
        let State::Open(open) = &mut *held.state else {
            return (body, Err(Failed { error: AppendError::Gone, is_transmitted: false }));
        };
        let before = (open.partial.bytes(), open.stated.clone());
        let began = Stamp::now();
        let verified = Verified::new(&mut body, content);
        let mut receiving =
            Receiving { open, resource: &held.resource, most, meter: &meter, turn: &mut held.turn };
        let received = receiving.run(verified, stop).await;
        open.spent += began.elapsed();
        let received = received.and_then(|received| match announced {
            Some(expected) if expected != received => Err(AppendError::Length { received, expected }),
            _ => Ok(()),
        });
        let received = received.and_then(|()| check_end(role, open.partial.bytes(), held.resource.length()));
        // A digest is compared once all bytes have arrived.
        let is_whole = role == Role::Last && matches!(received, Ok(()) | Err(AppendError::Mismatch(_)));
        let appended = match received {
            Ok(()) if role == Role::Last => finish(&mut held).await.map(Appended::Complete),
            Ok(()) => pause(open).await.map(Appended::Paused),
            Err(error) if error.is_final() => Err(error),
            Err(error) => pause(open).await.and(Err(error)),
        };
        let appended = appended.map_err(|error| {
            let is_over = error.is_final() || !can_continue(&held.state);
            settle(&mut held, is_over, before);
            Failed { error, is_transmitted: is_whole && is_over }
        });
        (body, appended)
    }
}

/// Returns whether an upload takes further bytes.
fn can_continue(state: &State) -> bool {
    matches!(state, State::Open(open) if !open.partial.is_lost())
}

/// Ends an upload that is over after a failure. If it goes on without any byte of the failed request, its digests are
/// those `before` the request.
fn settle(held: &mut Held, is_over: bool, before: (u64, Stated)) {
    if is_over {
        held.set(State::Gone);
    } else if let State::Open(open) = &mut *held.state
        && open.partial.bytes() == before.0
    {
        open.stated = before.1;
    }
}

/// The reception of the content of one request.
struct Receiving<'a> {
    open: &'a mut Open,
    resource: &'a Resource,
    /// The most bytes that the upload may have.
    most: u64,
    meter: &'a Meter,
    turn: &'a mut Turn,
}

impl Receiving<'_> {
    /// Receives content until it ends, and returns the number of its bytes.
    async fn run(
        &mut self,
        mut body: Verified<'_>,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<u64, AppendError> {
        let (mut flow, mut received) = (self.meter.flow(), 0);
        while let Some(piece) = self.piece(&mut body, &mut stop).await? {
            let length = piece.len() as u64;
            self.check_room(length)?;
            flow.pass(piece.len());
            self.open.partial.take(piece.clone()).await?;
            self.open.stated.update(&piece);
            received += length;
            self.resource.extend();
        }
        flow.finish();
        Ok(received)
    }

    /// Waits for the next piece of the content; `None` at its end. Only this wait is cancelled, never the write of bytes
    /// that have arrived.
    async fn piece(
        &mut self,
        body: &mut Verified<'_>,
        stop: &mut oneshot::Receiver<()>,
    ) -> Result<Option<Bytes>, AppendError> {
        let frame = tokio::select! {
            biased;
            _ = stop => return Err(AppendError::GivenUp),
            () = self.turn.ended() => return Err(AppendError::Superseded),
            frame = body.frame() => frame,
        };
        match frame {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(error)) => {
                Err(error.downcast::<Mismatch>().map_or_else(AppendError::Broken, |e| (*e).into()))
            }
        }
    }

    /// Checks that the upload has room for `length` further bytes.
    fn check_room(&self, length: u64) -> Result<(), AppendError> {
        if length <= self.most.saturating_sub(self.open.partial.bytes()) {
            return Ok(());
        }
        let is_known = self.resource.length().is_some_and(|known| known <= self.most);
        Err(if is_known { AppendError::BeyondLength } else { AppendError::TooLarge(self.most) })
    }
}

/// Checks that the last request completes an upload of known length.
fn check_end(role: Role, bytes: u64, length: Option<u64>) -> Result<(), AppendError> {
    match length {
        Some(length) if role == Role::Last && length != bytes => {
            Err(AppendError::Incomplete { bytes, length })
        }
        _ => Ok(()),
    }
}

async fn pause(open: &mut Open) -> Result<u64, AppendError> {
    open.partial.pause().await?;
    Ok(open.partial.bytes())
}

/// Compares the upload with its digests, and gives the file its name. If the disk is full, the upload stays open.
async fn finish(held: &mut Held) -> Result<Receipt, AppendError> {
    if let State::Open(open) = &mut *held.state {
        pause(open).await?;
    }
    let State::Open(open) = mem::replace(&mut *held.state, State::Gone) else {
        return Err(AppendError::Gone);
    };
    let Open { partial, stated, spent } = *open;
    stated.compare(None)?;
    let receipt = partial.finish(spent).await?;
    held.set(State::Complete(receipt.clone()));
    Ok(receipt)
}
