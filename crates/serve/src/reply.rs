//! The sending of responses to clients.

use std::time::Duration;

use http::{Response, header};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use transport::{Body, Responder};

use crate::{refusal::Refusal, response};

/// The Server header of all responses.
const SERVER: &str = concat!("longhaul/", env!("CARGO_PKG_VERSION"));

/// The time for which a refused upload is drained, so that its client reads the refusal instead of a reset.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The fate of a connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionFate {
    /// The connection can carry more requests.
    KeepOpen,
    /// The connection is broken, or the position of the next request is unknown.
    Close,
}

/// A sender of the response to one request. It adds the headers that all responses have.
pub(crate) struct Reply<'a> {
    responder: Box<dyn Responder>,
    alt_svc: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Wraps a responder. `alt_svc` is the Alt-Svc header of the response, if any.
    pub(crate) fn new(responder: Box<dyn Responder>, alt_svc: Option<&'a str>) -> Self {
        Self { responder, alt_svc }
    }

    /// Sends a response.
    pub(crate) async fn send(self, mut response: Response<Body>) -> ConnectionFate {
        response::set(&mut response, header::SERVER, SERVER);
        if let Some(alt_svc) = self.alt_svc {
            response::set(&mut response, header::ALT_SVC, alt_svc);
        }
        match self.responder.respond(response).await {
            Ok(()) => ConnectionFate::KeepOpen,
            Err(_) => ConnectionFate::Close,
        }
    }

    /// Sends a refusal, and drains the request's body meanwhile: a client that is still sending would otherwise see a
    /// reset before it reads the refusal.
    pub(crate) async fn refuse(self, refusal: Refusal, mut body: Body) -> ConnectionFate {
        let drain = timeout(DRAIN_TIMEOUT, async { while let Some(Ok(_)) = body.frame().await {} });
        let (fate, drained) = tokio::join!(self.send(refusal.response()), drain);
        if drained.is_ok() { fate } else { ConnectionFate::Close }
    }
}
