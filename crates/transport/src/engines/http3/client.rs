//! The client's end of HTTP/3.

use std::future::poll_fn;

use async_trait::async_trait;
use bytes::Bytes;
use h3::client;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tracing::debug;

use super::{
    PROTOCOL, Streams,
    body::{Part, ReceivedBody, SendHalf},
    broken,
    streams::{Handoff, Handoffs},
};
use crate::{
    Body, Connection, Error, Link, carriers::quic::Established, engines::send::send,
    session::LinkSource as _, tasks::Tasks,
};

/// The code of a connection that is closed in good order (RFC 9114 section 8.1).
const H3_NO_ERROR: u32 = 0x100;

/// Exchanges the settings of HTTP/3, and starts to drive the connection.
///
/// # Errors
/// The peer does not speak HTTP/3, or the connection broke.
pub(super) async fn start<C: Streams>(
    established: Established,
    streams: C,
    handoffs: Option<Handoffs>,
) -> Result<Box<dyn Connection>, Error> {
    let (mut driver, requests) = client::builder().build(streams).await.map_err(Error::handshake)?;
    let tasks = Tasks::default();
    tasks.spawn(async move {
        // The error also reaches every exchange on the connection.
        let end = poll_fn(|cx| driver.poll_close(cx)).await;
        debug!("{PROTOCOL}: {end}");
    });
    Ok(Box::new(Http3Connection::<C> { requests, handoffs, established, tasks }))
}

struct Http3Connection<C: Streams> {
    requests: client::SendRequest<C::OpenStreams, Bytes>,
    handoffs: Option<Handoffs>,
    established: Established,
    tasks: Tasks,
}

#[async_trait]
impl<C: Streams> Connection for Http3Connection<C> {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let stream = self.requests.clone().send_request(head).await.map_err(broken)?;
        let handoff = self.handoffs.as_ref().map(|handoffs| handoffs.of(stream.id()));
        let (write, mut read) = stream.split();
        let mut write = SendHalf { stream: write, handoff: handoff.clone() };
        let (body_failed, sent) = self.tasks.pump(async move { send(&mut write, body).await });
        let mut response = tokio::select! {
            // A body that fails resets the stream, and then the response may fail as well: report the cause.
            biased;
            error = body_failed => return Err(error),
            response = read.recv_response() => response.map_err(broken)?,
        };
        handoff.iter().for_each(Handoff::close_gate);
        response.extensions_mut().insert(sent);
        Ok(response.map(|()| ReceivedBody { stream: read, handoff, next: Part::default() }.boxed_unsync()))
    }

    async fn close(&self) {
        self.established.close(H3_NO_ERROR).await;
    }

    fn link(&self) -> Link {
        self.established.link()
    }
}
