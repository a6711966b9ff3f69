//! The client's end of HTTP/3.

use std::{
    future::{pending, poll_fn},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use h3::{
    client,
    error::StreamError,
    quic::{self, StreamId},
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tracing::debug;

use super::{
    PROTOCOL, Streams,
    body::{ReceivedBody, SendHalf},
    fields::check_response,
    streams::{Bounds, Handoff, Supervisor, Violation},
};
use crate::{
    Body, Connection, Error, Link, carriers::quic::Established, engines::send::send,
    session::LinkSource as _, tasks::Tasks,
};

/// The code of a connection that is closed in good order (RFC 9114 section 8.1).
const H3_NO_ERROR: u32 = 0x100;

/// The bounds on a server: heads as large as longhaul's server accepts. The caller applies its own timeouts.
pub(super) const BOUNDS: Bounds = Bounds {
    header_bytes: 64 << 10,
    header_count: usize::MAX,
    heads: None,
    short_head: 0,
    head_timeout: None,
};

/// Exchanges the settings of HTTP/3, and starts to drive the connection.
///
/// # Errors
/// Fails if the peer does not speak HTTP/3, or the connection broke.
pub(super) async fn start<C: Streams>(
    established: Established,
    streams: C,
    supervisor: Option<Arc<Supervisor>>,
) -> Result<Box<dyn Connection>, Error> {
    let mut builder = client::builder();
    builder.max_field_section_size(BOUNDS.header_bytes.into());
    let (mut driver, requests) = builder.build(streams).await.map_err(Error::handshake)?;
    let tasks = Tasks::default();
    tasks.spawn(async move {
        // The error also reaches every exchange on the connection.
        let end = poll_fn(|cx| driver.poll_close(cx)).await;
        debug!("{PROTOCOL}: {end}");
    });
    Ok(Box::new(Http3Connection::<C> { requests, supervisor, established, tasks }))
}

struct Http3Connection<C: Streams> {
    requests: client::SendRequest<C::OpenStreams, Bytes>,
    supervisor: Option<Arc<Supervisor>>,
    established: Established,
    tasks: Tasks,
}

impl<C: Streams> Http3Connection<C> {
    /// Returns the error of a stream. If the server has closed the connection, its close frame is returned, which says
    /// more than h3's error.
    fn broken(&self, error: StreamError) -> Error {
        match (&error, self.established.connection.close_reason()) {
            (StreamError::ConnectionError { .. }, Some(quinn::ConnectionError::ApplicationClosed(close))) => {
                Error::protocol(PROTOCOL, quinn::ConnectionError::ApplicationClosed(close))
            }
            _ => super::broken(error, self.supervisor.as_ref().and_then(|supervisor| supervisor.violation())),
        }
    }

    /// Waits until the server rejects the request on `stream` by GOAWAY. h3 would wait for its response for ever.
    async fn rejection(&self, stream: StreamId) -> Error {
        match &self.supervisor {
            Some(supervisor) => supervisor.request_was_rejected(stream).await,
            None => pending().await,
        }
        Error::protocol(PROTOCOL, "the server rejected the request (GOAWAY)")
    }

    /// Waits for the head of the response.
    async fn response<R: quic::RecvStream>(
        &self,
        read: &mut client::RequestStream<R, Bytes>,
    ) -> Result<Response<()>, Error> {
        loop {
            let response = read.recv_response().await.map_err(|error| self.broken(error))?;
            // Interim responses come before the final one (RFC 9114 section 4.1); the bound on heads covers all of
            // them. Status 101 does not exist in HTTP/3 (section 4.5).
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Error::protocol(PROTOCOL, Violation::malformed("status 101")));
            }
            if !response.status().is_informational() {
                return Ok(response);
            }
        }
    }
}

#[async_trait]
impl<C: Streams> Connection for Http3Connection<C> {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let head = Request::from_parts(head, ());
        let stream = self.requests.clone().send_request(head).await.map_err(|error| self.broken(error))?;
        let id = stream.id();
        let handoff = self.supervisor.as_ref().map(|supervisor| supervisor.handoff(id));
        let (write, mut read) = stream.split();
        let mut write = SendHalf { stream: write, handoff: handoff.clone() };
        let (body_failed, sent) = self.tasks.pump(async move { send(&mut write, body).await });
        let mut response = tokio::select! {
            // A body that fails resets the stream, and then the response may fail as well. The body is polled first, to
            // report the cause.
            biased;
            error = body_failed => return Err(error),
            response = self.response(&mut read) => response?,
            error = self.rejection(id) => return Err(error),
        };
        let announced = check_response(&response, &method).map_err(|violation| {
            handoff.iter().for_each(|handoff| handoff.set_code(violation.code));
            Error::protocol(PROTOCOL, violation)
        })?;
        handoff.iter().for_each(Handoff::close_gate);
        response.extensions_mut().insert(sent);
        Ok(response.map(|()| ReceivedBody::new(read, handoff, announced).boxed_unsync()))
    }

    async fn close(&self) {
        self.established.close(H3_NO_ERROR).await;
    }

    fn link(&self) -> Link {
        self.established.link()
    }
}
