//! The way of an answer to its client, and the patience with clients that stand still.

use std::time::Duration;

use http::header;
use http_body_util::BodyExt as _;
use metrics::{Meter, Stamp};
use tokio::time::{interval, timeout};
use transport::{Body, Responder};

use super::response::{Refusal, set};

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

/// Where an answer goes.
pub(super) struct Answering<'a> {
    responder: Box<dyn Responder>,
    alt_svc: Option<&'a str>,
}

impl<'a> Answering<'a> {
    /// `alt_svc` is what an answer says of HTTP/3, if anything.
    pub(super) fn new(responder: Box<dyn Responder>, alt_svc: Option<&'a str>) -> Self {
        Self { responder, alt_svc }
    }

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
