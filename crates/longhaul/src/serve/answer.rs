//! Answers one request: routes it, and gives up a client that stands still.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use metrics::{Meter, Stamp};
use payload::{ChunkSize, Kind, Payload};
use tokio::time::{interval, timeout};
use transport::{Body, Incoming, Responder};

use super::{
    Sink, download,
    request::Wish,
    response::{Refusal, empty, set, text},
    told, upload,
};
use crate::size::ByteSize;

/// What says what this is, and how to use it.
const PAGE: &str = include_str!("page.html");

/// How often a transfer's progress is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How long a refused upload is drained, so that its client reads the refusal instead of a reset.
const DRAIN: Duration = Duration::from_secs(2);

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It goes on.
    Stay,
    /// It ends.
    Close,
}

/// What is served, to everyone alike.
pub(super) struct Site {
    pub(super) sink: Sink,
    pub(super) max_body: Option<ByteSize>,
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
        let responder = Answering { responder, alt_svc };
        match Wish::of(request.method(), request.uri()) {
            Ok(Wish::Upload { name }) => upload::take(self, request, name, idle, responder).await,
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
                Sink::Discard | Sink::Verify => {
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

/// Where an answer goes.
pub(super) struct Answering<'a> {
    responder: Box<dyn Responder>,
    alt_svc: Option<&'a str>,
}

impl Answering<'_> {
    pub(super) async fn respond(self, mut response: http::Response<Body>) -> After {
        set(&mut response, header::SERVER, concat!("longhaul/", env!("CARGO_PKG_VERSION")));
        if let Some(alt_svc) = self.alt_svc {
            set(&mut response, header::ALT_SVC, alt_svc);
        }
        match self.responder.respond(response).await {
            Ok(()) => After::Stay,
            Err(_) => After::Close,
        }
    }
}

/// Refuses an upload, and draws a while on its body meanwhile: a client that is still sending would
/// otherwise see the connection reset before it sees why.
pub(super) async fn refuse(refusal: Refusal, body: Body, responder: Answering<'_>) -> After {
    let drain = timeout(DRAIN, async {
        let mut body = body;
        while let Some(Ok(_)) = body.frame().await {}
    });
    let (after, drained) = tokio::join!(responder.respond(refusal.response()), drain);
    if drained.is_ok() { after } else { After::Close }
}

/// Returns once nothing has passed the meter for `idle`.
pub(super) async fn stalled(meter: &Meter, idle: Duration) {
    let mut looks = interval(LOOK.min(idle));
    let (mut seen, mut moved) = (meter.bytes(), Stamp::now());
    loop {
        looks.tick().await;
        let bytes = meter.bytes();
        if bytes != seen {
            (seen, moved) = (bytes, Stamp::now());
        } else if moved.elapsed() >= idle {
            return;
        }
    }
}

/// How often a body's end is looked for.
pub(super) fn looks() -> tokio::time::Interval {
    interval(LOOK)
}
