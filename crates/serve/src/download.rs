//! Responses with a body of any length, and the progress of that body.

use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use metrics::Meter;
use payload::Source;
use sender::{MeteredBody, SendProgress};
use transport::Body;

use crate::{
    reply::{ConnectionFate, Reply},
    response,
    unsent::Unsent,
};

/// A response to send, with the progress of its body unless the body is in memory.
pub(crate) struct Download {
    response: Response<Body>,
    transfer: Option<Transfer>,
}

/// The progress of a body that is streamed.
pub(crate) struct Transfer {
    /// The count of bytes that the protocol has pulled.
    pub(crate) meter: Meter,
    /// The notification of the end of the body.
    pub(crate) progress: SendProgress,
}

impl Download {
    /// Returns a response whose body is empty or in memory.
    pub(crate) fn complete(response: Response<Body>) -> Self {
        Self { response, transfer: None }
    }

    /// Returns a response whose body is pulled from `source`.
    pub(crate) fn streamed(status: StatusCode, source: Source) -> Self {
        let meter = Meter::counting();
        let body = MeteredBody::new(source, meter.clone());
        let progress = body.progress();
        let response = response::with_status(status, body.boxed_unsync());
        Self { response, transfer: Some(Transfer { meter, progress }) }
    }

    /// Bounds the read-ahead: the body is read only as far as the budget of unsent bytes allows.
    pub(crate) fn bounded(mut self, unsent: &Unsent) -> Self {
        if self.transfer.is_some() {
            self.response = self.response.map(|body| unsent.bound(body));
        }
        self
    }

    /// Returns the response, so that headers can be added.
    pub(crate) fn response_mut(&mut self) -> &mut Response<Body> {
        &mut self.response
    }

    /// Sends the response to the end of its body. If the client reads too slowly, the body is aborted.
    pub(crate) async fn send(self, reply: Reply<'_>) -> ConnectionFate {
        match self.transfer {
            None => reply.send(self.response).await,
            Some(transfer) => reply.stream(self.response, &transfer).await,
        }
    }
}
