//! What is served, and which part of it answers a request.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode, header, request::Parts};
use payload::{ChunkSize, Kind, Payload};
use transport::{Body, Incoming};

use super::{
    Sink,
    answering::{After, Answering, refuse},
    download,
    request::Wish,
    response::{Refusal, empty, set, text},
    told, upload,
};
use crate::size::ByteSize;

/// What says what this is, and how to use it.
const PAGE: &str = include_str!("page.html");

/// What is served, to everyone alike.
pub(super) struct Site {
    sink: Sink,
    max_body: Option<ByteSize>,
    max_chunk: ChunkSize,
    /// The block of the generated bodies asked for last: most clients ask for the same.
    generated: Mutex<Option<((ChunkSize, u64), Payload)>>,
}

impl Site {
    pub(super) fn new(sink: Sink, max_body: Option<ByteSize>, max_chunk: ChunkSize) -> Self {
        Self { sink, max_body, max_chunk, generated: Mutex::default() }
    }

    /// Answers one request, whatever it is.
    pub(super) async fn answer(&self, incoming: Incoming, idle: Duration, alt_svc: Option<&str>) -> After {
        let Incoming { request, responder } = incoming;
        let responder = Answering::new(responder, alt_svc);
        match Wish::of(request.method(), request.uri()) {
            Ok(Wish::Upload { name }) => {
                upload::take(&self.sink, self.max_body, request, name, idle, responder).await
            }
            Ok(wish) => {
                let (head, _) = request.into_parts();
                self.give(wish, &head, idle, responder).await
            }
            Err(refusal) => refuse(refusal, request.into_body(), responder).await,
        }
    }

    async fn give(&self, wish: Wish, request: &Parts, idle: Duration, responder: Answering<'_>) -> After {
        let head_only = request.method == Method::HEAD;
        let given = match wish {
            Wish::Page | Wish::Upload { .. } => Ok(download::Given::whole(page(head_only))),
            Wish::Generated { chunk, .. } if chunk > self.max_chunk => {
                let most = told(ByteSize(self.max_chunk.into()));
                Err(Refusal::new(StatusCode::BAD_REQUEST, format!("chunk: at most {most}")))
            }
            Wish::Generated { size, chunk, seed } => {
                download::generated(&self.payload(chunk, seed), size, chunk, head_only)
            }
            Wish::File { name } => match &self.sink {
                Sink::Save(folder) => download::saved(folder, &name, &request.headers, head_only),
                Sink::Discard | Sink::Verify | Sink::Collect => {
                    Err(Refusal::new(StatusCode::NOT_FOUND, "no files are saved here"))
                }
            },
        };
        match given {
            Ok(given) => given.deliver(idle, responder).await,
            Err(refusal) => responder.respond(refusal.response()).await,
        }
    }

    fn payload(&self, chunk: ChunkSize, seed: u64) -> Payload {
        let mut last = self.generated.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            Some((key, payload)) if *key == (chunk, seed) => payload.clone(),
            _ => {
                let payload = Payload::prepare(&Kind::Random, seed, chunk);
                *last = Some(((chunk, seed), payload.clone()));
                payload
            }
        }
    }
}

fn page(head_only: bool) -> http::Response<Body> {
    let kind = "text/html; charset=utf-8";
    if !head_only {
        return text(StatusCode::OK, kind, PAGE.into());
    }
    let mut response = empty(StatusCode::OK);
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}
