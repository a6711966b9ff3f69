//! The handling of the requests to upload resources.

use std::sync::Arc;

use http::{Method, Response, StatusCode, request::Parts};
use metrics::Meter;
use receiver::Receipt;
use tokio::sync::oneshot;
use transport::{Body, body};

use super::{
    append::{Append, AppendError, Appended, Role},
    fields,
    patch::Patch,
    resource::{Held, Resource, Stage, State},
    responses::{self, complete_state, mismatching_offset, unknown},
};
use crate::{
    digest::Stated,
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    response,
    stall::unless_sender_stalls,
    upload::{Uploads, too_large},
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
        request: &Parts,
        body: Body,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let Some(resource) = self.partials.find(id) else {
            return reply.refuse_to(&request.method, unknown(), body).await;
        };
        match request.method {
            Method::PATCH => match Patch::of(request) {
                Ok(patch) => self.patch(id, &resource, patch, body, reply).await,
                Err(refusal) => reply.refuse(refusal, body).await,
            },
            Method::DELETE => {
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
                    Err(refusal) => reply.refuse_to(&request.method, refusal, body).await,
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
                let answer = replay(receipt, &patch);
                drop(held);
                return match answer {
                    Ok(response) => reply.send(response).await,
                    Err(refusal) => reply.refuse(refusal, body).await,
                };
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
            Ok(Ok((body, Err(error)))) => match self.refusal_of(&error) {
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
    fn refusal_of(&self, error: &AppendError) -> Option<Refusal> {
        let is_final = error.is_final();
        let refusal = match error {
            // The draft recommends to terminate the request abruptly.
            AppendError::Superseded | AppendError::GivenUp => return None,
            AppendError::Save(error) => Refusal::of_save(error),
            AppendError::TooLarge(_) => self.max_body.map_or_else(unknown, too_large),
            AppendError::Gone => unknown(),
            AppendError::Incomplete { .. } | AppendError::BeyondLength => responses::inconsistent_length(),
            error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let refusal = refusal.unless_set(fields::COMPLETE, if is_final { "?1" } else { "?0" });
        Some(refusal)
    }
}

fn activity(state: &State) -> Option<receiver::SinkActivity> {
    match state {
        State::Open(open) => Some(open.partial.activity()),
        State::Complete(_) | State::Gone => None,
    }
}

/// Returns the receipt again, for a client that did not receive it.
fn replay(receipt: &Receipt, patch: &Patch) -> Result<Response<Body>, Refusal> {
    let is_empty = patch.content.announced.unwrap_or(0) == 0;
    if patch.offset != receipt.bytes {
        return Err(mismatching_offset(receipt.bytes, patch.offset));
    }
    match (patch.content.role, is_empty) {
        (Role::Last, true) => Ok(responses::receipt(receipt)),
        _ => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, "the upload is complete").with(fields::COMPLETE, "?0"))
        }
    }
}
