//! The server's end of HTTP/3.

use async_trait::async_trait;
use bytes::Bytes;
use h3::{
    quic,
    server::{self, RequestResolver},
};
use http::Response;
use http_body_util::BodyExt as _;

use super::{
    PROTOCOL, Streams,
    body::{Part, ReceivedBody, SendHalf},
    broken,
    streams::{Handoff, Handoffs},
};
use crate::{
    Body, Error, Guards, Incoming, Responder, Session,
    carriers::quic::Established,
    engines::send::send,
    session::{Arrivals, CloseSignal, DrivenSession},
};

/// The sending half of the stream of a request.
type Sending<C> = <<C as quic::OpenStreams<Bytes>>::BidiStream as quic::BidiStream<Bytes>>::SendStream;

/// Exchanges the settings of HTTP/3, and starts to drive the connection.
///
/// # Errors
/// The peer does not speak HTTP/3, or the connection broke.
pub(super) async fn start<C: Streams>(
    established: Established,
    streams: C,
    handoffs: Option<Handoffs>,
    guards: &Guards,
) -> Result<Box<dyn Session>, Error> {
    let connection = server::builder()
        .max_field_section_size(guards.header_bytes.into())
        .build(streams)
        .await
        .map_err(Error::handshake)?;
    let drive = |arrivals, close| drive::<C>(connection, handoffs, arrivals, close);
    Ok(DrivenSession::start(guards.streams, established, drive))
}

/// Drives a server's connection: polling for the next request lets its control streams progress.
async fn drive<C: Streams>(
    mut connection: server::Connection<C, Bytes>,
    handoffs: Option<Handoffs>,
    arrivals: Arrivals,
    close: CloseSignal,
) {
    let error = loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = close.notified() => match connection.shutdown(0).await {
                Ok(()) => continue,
                Err(error) => break error,
            },
        };
        match accepted {
            Ok(Some(resolver)) => {
                let (arrivals, handoffs) = (arrivals.clone(), handoffs.clone());
                tokio::spawn(async move {
                    // This fails only once the session is dropped.
                    let _ = arrivals.send(arrive::<C>(resolver, handoffs).await).await;
                });
            }
            Ok(None) => return,
            Err(error) => break error,
        }
    };
    if !error.is_h3_no_error() {
        let _ = arrivals.send(Err(Error::protocol(PROTOCOL, error))).await;
    }
}

/// Reads the head of a request.
async fn arrive<C: Streams>(
    resolver: RequestResolver<C, Bytes>,
    handoffs: Option<Handoffs>,
) -> Result<Incoming, Error> {
    let (request, stream) = resolver.resolve_request().await.map_err(broken)?;
    let handoff = handoffs.as_ref().map(|handoffs| handoffs.of(stream.id()));
    let (write, read) = stream.split();
    handoff.iter().for_each(Handoff::close_gate);
    let write = SendHalf { stream: write, handoff: handoff.clone() };
    let request =
        request.map(|()| ReceivedBody { stream: read, handoff, next: Part::default() }.boxed_unsync());
    Ok(Incoming::new(request, Box::new(Http3Responder::<Sending<C>>(write))))
}

struct Http3Responder<S>(SendHalf<server::RequestStream<S, Bytes>>);

#[async_trait]
impl<S: quic::SendStream<Bytes> + Send> Responder for Http3Responder<S> {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let (head, body) = response.into_parts();
        self.0.stream.send_response(Response::from_parts(head, ())).await.map_err(broken)?;
        send(&mut self.0, body).await
    }
}
