//! The server's end of HTTP/3.

use std::{future::pending, pin::pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use h3::{
    error::{ConnectionError, StreamError},
    quic,
    server::{self, RequestResolver},
};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tracing::debug;

use super::{
    PROTOCOL, Streams,
    body::{ReceivedBody, SendHalf},
    fields::check_request,
    streams::{Handoff, Supervisor},
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
/// Fails if the peer does not speak HTTP/3, or the connection broke.
pub(super) async fn start<C: Streams>(
    established: Established,
    streams: C,
    supervisor: Option<Arc<Supervisor>>,
    guards: &Guards,
) -> Result<Box<dyn Session>, Error> {
    let connection = server::builder()
        .max_field_section_size(guards.header_bytes.into())
        .build(streams)
        .await
        .map_err(Error::handshake)?;
    let drive = |arrivals, close| drive::<C>(connection, supervisor, arrivals, close);
    Ok(DrivenSession::start(guards.streams, established, drive))
}

/// Drives a server's connection: polling for the next request lets its control streams progress. After the signal to
/// close, it rejects further requests, and ends once the responses to the others have been delivered.
async fn drive<C: Streams>(
    mut connection: server::Connection<C, Bytes>,
    supervisor: Option<Arc<Supervisor>>,
    arrivals: Arrivals,
    close: CloseSignal,
) {
    let mut delivered = pin!(delivered(supervisor.clone()));
    let mut closing = false;
    let error = loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = close.notified() => {
                closing = true;
                supervisor.iter().for_each(|supervisor| supervisor.reject_requests());
                // GOAWAY names the first request that is not served (RFC 9114 section 5.2): the one after the last.
                match connection.shutdown(1).await {
                    Ok(()) => continue,
                    Err(error) => break error,
                }
            }
            () = &mut delivered, if closing => return,
        };
        match accepted {
            Ok(Some(resolver)) => {
                let (arrivals, supervisor) = (arrivals.clone(), supervisor.clone());
                tokio::spawn(async move {
                    match arrive::<C>(resolver, supervisor.as_deref()).await {
                        // The send fails only once the session is dropped.
                        Ok(incoming) => drop(arrivals.send(Ok(incoming)).await),
                        // Only this stream has failed. If the connection has failed as well, the next `accept` reports
                        // it.
                        Err(NotAccepted::Refused(error)) => {
                            debug!("a request was refused: {error}");
                            // A refusal is a mere report, so it is dropped if the channel is full.
                            let _ = arrivals.try_send(Err(error));
                        }
                        Err(NotAccepted::Gone(error)) => debug!("a request was given up: {error}"),
                    }
                });
            }
            // Only the streams of h3-quinn pass a client's GOAWAY on to h3, which then ends the connection.
            Ok(None) => return,
            Err(error) => break error,
        }
    };
    if !error.is_h3_no_error() {
        let error = match (supervisor.and_then(|supervisor| supervisor.violation()), &error) {
            // The client's frames broke a rule, which counts as a refusal, because it may concern a head.
            (Some(violation), _) => Error::refused(PROTOCOL, None, violation),
            (None, ConnectionError::Local { .. }) => Error::refused(PROTOCOL, None, error),
            (None, _) => Error::protocol(PROTOCOL, error),
        };
        let _ = arrivals.send(Err(error)).await;
    }
}

/// Waits until all responses have been delivered, or the client takes no more of them.
async fn delivered(supervisor: Option<Arc<Supervisor>>) {
    let Some(supervisor) = supervisor else { return pending().await };
    tokio::select! {
        () = supervisor.deliveries.complete() => {}
        () = supervisor.stalled() => debug!("the client takes no more of its responses"),
    }
}

/// The reason why a stream brought no request.
enum NotAccepted {
    /// This end refused the request.
    Refused(Error),
    /// The client cancelled the request, or the connection broke.
    Gone(StreamError),
}

impl From<StreamError> for NotAccepted {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::HeaderTooBig { .. } => {
                let status = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                Self::Refused(Error::refused(PROTOCOL, status, error))
            }
            // h3 returns a violation found by the streams of this crate as an unknown error.
            StreamError::StreamError { .. } | StreamError::Undefined { .. } => {
                Self::Refused(Error::refused(PROTOCOL, None, error))
            }
            error => Self::Gone(error),
        }
    }
}

/// Reads the head of a request.
///
/// # Errors
/// Fails if the stream ended, or its request is refused. The connection may go on.
async fn arrive<C: Streams>(
    resolver: RequestResolver<C, Bytes>,
    supervisor: Option<&Supervisor>,
) -> Result<Incoming, NotAccepted> {
    let (request, stream) = resolver.resolve_request().await?;
    let handoff = supervisor.map(|supervisor| supervisor.handoff(stream.id()));
    let (write, read) = stream.split();
    let announced = check_request(&request).map_err(|violation| {
        handoff.iter().for_each(|handoff| handoff.set_code(violation.code));
        supervisor.iter().for_each(|supervisor| supervisor.stream_was_cancelled());
        NotAccepted::Refused(Error::refused(PROTOCOL, None, violation))
    })?;
    handoff.iter().for_each(Handoff::close_gate);
    let room = handoff.as_ref().and_then(Handoff::take_room);
    let write = SendHalf { stream: write, handoff: handoff.clone() };
    let request = request.map(|()| ReceivedBody::new(read, handoff, announced).boxed_unsync());
    Ok(Incoming::new(request, Box::new(Http3Responder::<Sending<C>>(write))).until_accepted(room))
}

struct Http3Responder<S>(SendHalf<server::RequestStream<S, Bytes>>);

#[async_trait]
impl<S: quic::SendStream<Bytes> + Send> Responder for Http3Responder<S> {
    async fn inform(&mut self, head: Response<()>) -> Result<bool, Error> {
        // h3 would accept a final status here, and a second response after it.
        if !head.status().is_informational() {
            return Err(Error::protocol(PROTOCOL, format!("{} is not an interim status", head.status())));
        }
        self.0.stream.send_response(head).await.map_err(|error| self.0.broken(error))?;
        Ok(true)
    }

    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let (head, body) = response.into_parts();
        let sent = self.0.stream.send_response(Response::from_parts(head, ())).await;
        sent.map_err(|error| self.0.broken(error))?;
        send(&mut self.0, body).await
    }
}
