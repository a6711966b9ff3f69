//! The handling of the requests to upload resources.

use std::{sync::Arc, time::Duration};

use http::{Method, Response, StatusCode, request::Parts};
use http_body_util::BodyExt as _;
use metrics::Meter;
use receiver::Receipt;
use record::ByteSize;
use tokio::{sync::oneshot, time::timeout};
use transport::{Body, body};

use super::{
    append::{Append, AppendError, Appended, Failed, Role},
    fields,
    patch::Patch,
    resource::{Held, Resource, Stage, State},
    responses::{self, complete_state, inconsistent_length, mismatching_offset, unknown},
};
use crate::{
    digest::Stated,
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    response,
    stall::unless_sender_stalls,
    upload::Uploads,
};

/// The content of a request, as its head describes it.
pub(super) struct Content {
    pub(super) role: Role,
    /// The length in bytes, if the head states it.
    pub(super) announced: Option<u64>,
    pub(super) stated: Stated,
}

impl Uploads {
    /// Answers a request to the upload resource `id`. Ends the requests to it that are still running.
    pub(crate) async fn serve_resource(
        &self,
        id: &str,
        request: Parts,
        body: Body,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let Some(resource) = self.partials.find(id) else {
            return reply.refuse(unknown(), body).await;
        };
        let method = request.method.clone();
        let patch = (method == Method::PATCH).then(|| Patch::of(&request));
        drop(request);
        match (method, patch) {
            (_, Some(Ok(patch))) => self.patch(id, &resource, patch, body, reply).await,
            (_, Some(Err(refusal))) => reply.refuse(refusal, body).await,
            (Method::DELETE, None) => {
                Held::of(&resource).await.set(State::Gone);
                self.partials.remove(id);
                reply.send(response::with_status(StatusCode::NO_CONTENT, body::empty())).await
            }
            _ => {
                let held = Held::of(&resource).await;
                let state = match &*held.state {
                    State::Open(open) if !open.partial.is_lost() => {
                        Ok(self.partials.state(StatusCode::NO_CONTENT, &resource, open.partial.bytes()))
                    }
                    State::Complete(receipt) => Ok(complete_state(receipt)),
                    State::Open(_) | State::Gone => Err(unknown()),
                };
                drop(held);
                match state {
                    Ok(response) => reply.send(response).await,
                    Err(refusal) => reply.refuse(refusal, body).await,
                }
            }
        }
    }

    async fn patch(
        &self,
        id: &str,
        resource: &Arc<Resource>,
        patch: Patch,
        body: Body,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let held = Held::of(resource).await;
        let admitted = match &*held.state {
            State::Open(open) => patch.check(resource, open.partial.bytes()),
            State::Complete(receipt) => {
                let receipt = receipt.clone();
                drop(held);
                return replay(&receipt, &patch, body, reply).await;
            }
            State::Gone => Err(unknown()),
        };
        if let Err(refusal) = admitted {
            drop(held);
            return reply.refuse(refusal, body).await;
        }
        let client = reply.client();
        let response = |appended| match appended {
            Appended::Paused(offset) => self.partials.state(StatusCode::NO_CONTENT, resource, offset),
            Appended::Complete(receipt) => {
                self.confirm(&receipt, resource.replaces, client);
                responses::receipt(&receipt)
            }
        };
        let (fate, _) = self.append(held, patch.content, body, reply, response).await;
        if resource.stage() == Stage::Gone {
            self.partials.remove(id);
        }
        fate
    }

    /// Appends the content of a request, and answers it. Returns whether the whole content was appended.
    pub(super) async fn append(
        &self,
        held: Held,
        content: Content,
        body: Body,
        reply: Reply<'_>,
        response: impl FnOnce(Appended) -> Response<Body>,
    ) -> (ConnectionFate, bool) {
        let Some(activity) = activity(&held.state) else {
            drop(held);
            return (reply.refuse(unknown(), body).await, false);
        };
        let meter = Meter::counting();
        let Content { role, announced, stated: content } = content;
        let most = held.resource.length().into_iter().chain(self.max_body.map(|most| most.0)).min();
        let append =
            Append { held, role, announced, most: most.unwrap_or(u64::MAX), content, meter: meter.clone() };
        // The task ends when `_running` is dropped, also with this future.
        let (_running, stop) = oneshot::channel();
        let appending = tokio::spawn(append.run(body, stop));
        let patience = reply.patience();
        match unless_sender_stalls(patience, &meter, || activity.is_busy(), appending).await {
            Ok(Ok((_, Ok(appended)))) => (reply.send(response(appended)).await, true),
            Ok(Ok((body, Err(failed)))) => match self.refusal_of(&failed) {
                Some(refusal) => (reply.refuse_midway(refusal, body).await, false),
                None => (ConnectionFate::Close, false),
            },
            Ok(Err(_)) => (ConnectionFate::Close, false),
            Err(stalled) => {
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string());
                reply.send(refusal.response()).await;
                (ConnectionFate::Close, false)
            }
        }
    }

    /// Returns the refusal of a failed append; `None` if the request ends without a response.
    fn refusal_of(&self, failed: &Failed) -> Option<Refusal> {
        let refusal = match &failed.error {
            // The draft recommends to terminate the request abruptly.
            AppendError::Superseded | AppendError::GivenUp => return None,
            AppendError::Save(error) => Refusal::of_save(error),
            AppendError::TooLarge(most) => self.partials.too_large(ByteSize(*most)),
            AppendError::Gone => unknown(),
            AppendError::Incomplete { .. } | AppendError::BeyondLength => responses::inconsistent_length(),
            error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let complete = if failed.is_transmitted { "?1" } else { "?0" };
        Some(refusal.unless_set(fields::COMPLETE, complete))
    }
}

/// Answers a PATCH of a complete upload: with its receipt, for a client that did not receive it, if the request has no
/// content.
async fn replay(receipt: &Receipt, patch: &Patch, mut body: Body, reply: Reply<'_>) -> ConnectionFate {
    let refusal = if patch.offset != receipt.bytes {
        mismatching_offset(receipt.bytes, patch.offset)
    } else {
        match is_empty(&mut body, patch.content.announced, reply.patience().idle).await {
            Ok(true) if patch.length.is_some_and(|length| length != receipt.bytes) => inconsistent_length(),
            Ok(true) if patch.content.role == Role::Last => {
                return reply.send(responses::receipt(receipt)).await;
            }
            Ok(true) => Refusal::new(StatusCode::BAD_REQUEST, "the upload is complete"),
            Ok(false) => inconsistent_length(),
            Err(refusal) => refusal,
        }
    };
    reply.refuse(refusal.unless_set(fields::COMPLETE, "?0"), body).await
}

/// Returns whether content is empty. Unless its length is `announced`, reads it up to its first byte, for at most `longest`.
///
/// # Errors
/// Fails if the content breaks off (400), or nothing arrives (408).
async fn is_empty(body: &mut Body, announced: Option<u64>, longest: Duration) -> Result<bool, Refusal> {
    if let Some(length) = announced {
        return Ok(length == 0);
    }
    let read = async {
        while let Some(frame) = body.frame().await {
            if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match timeout(longest, read).await {
        Ok(Ok(is_empty)) => Ok(is_empty),
        Ok(Err(error)) => {
            let error = AppendError::Broken(error);
            Err(Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
        }
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "no byte of the content came")),
    }
}

fn activity(state: &State) -> Option<receiver::SinkActivity> {
    match state {
        State::Open(open) => Some(open.partial.activity()),
        State::Complete(_) | State::Gone => None,
    }
}
