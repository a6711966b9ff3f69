//! The server's end of HTTP/1.1: hyper calls a service for the response to each request.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming as Received, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::{
    PROTOCOL,
    framing::{Announcer, BodyFraming, Messages, Unadorned},
    received,
};
use crate::{
    Body, BodyError, ChunkExtensions, Error, Guards, Incoming, LengthBesideCoding, Responder, Session,
    carriers::{Stream, StreamInfo},
    session::{Arrivals, CloseSignal, DrivenSession},
    tcp_stream::SharedSocket,
    window_budget::Window,
};

/// Starts to drive the connection.
pub(super) fn start(
    stream: impl Stream,
    info: StreamInfo,
    buffer: usize,
    guards: &Guards,
) -> Box<dyn Session> {
    // hyper's buffer cannot grow later, so the window is taken at once.
    let most = u32::try_from(buffer).unwrap_or(u32::MAX);
    let window = guards.receive_budget.as_ref().map(|budget| Window::at_once(budget, most));
    let mut builder = Builder::new();
    builder
        .max_buf_size(window.as_ref().map_or(buffer, |window| window.size() as usize))
        .max_header_size(guards.header_bytes as usize)
        .max_headers(guards.header_count)
        // A client may end its direction once it has sent its request (RFC 9293 section 3.6, RFC 8446 section 6.1).
        .half_close(true);
    let socket = info.socket();
    let is_bounded = guards.header_timeout < Duration::MAX;
    let (stream, announcer) = match guards.chunk_extensions {
        ChunkExtensions::Few if !is_bounded => (Unadorned::as_it_is(stream), None),
        _ => {
            let (stream, announcer) = Unadorned::new(stream, Messages::Requests);
            (stream.with_head_timeout(guards.header_timeout), Some(announcer))
        }
    };
    DrivenSession::start(1, info, |arrivals, close| async move {
        drive(builder, stream, announcer, socket, arrivals, close).await;
        drop(window);
    })
}

async fn drive(
    builder: Builder,
    stream: impl Stream,
    announcer: Option<Announcer>,
    socket: Option<SharedSocket>,
    arrivals: Arrivals,
    close: CloseSignal,
) {
    let (arriving, unframed) = (arrivals.clone(), Arc::new(AtomicBool::new(false)));
    let serving = unframed.clone();
    let service = service_fn(move |mut request: Request<Received>| {
        if let Some(announcer) = &announcer
            && announcer.announce(BodyFraming::of(request.headers(), request.body()))
            && request.headers().contains_key(header::TRANSFER_ENCODING)
        {
            request.extensions_mut().insert(LengthBesideCoding);
        }
        arrive(arriving.clone(), request, serving.clone())
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Declared last, so that it is dropped first, while the stream is still open.
    let mut reset = ResetUnlessEnded { socket, unframed };
    let end = tokio::select! {
        // The signal is checked first, so that a response that is ready at the same time still announces the shutdown.
        biased;
        () = close.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        end = connection.as_mut() => end,
    };
    // hyper reports a failed response body as a user error. The response is then incomplete.
    if !end.as_ref().is_err_and(hyper::Error::is_user) {
        reset.socket = None;
    }
    if let Err(error) = end {
        let error = match status_of(&error) {
            None => Error::protocol(PROTOCOL, error),
            status => Error::refused(PROTOCOL, status, error),
        };
        // The send fails only once the session is dropped.
        let _ = arrivals.send(Err(error)).await;
    }
}

/// Returns the status that hyper has sent for a head that it cannot accept (`on_error` in its h1/role.rs): the
/// connection ends with this error once the status is written.
fn status_of(error: &hyper::Error) -> Option<StatusCode> {
    match error {
        // hyper sent no response, or responded to bytes that are not HTTP/1.1.
        error if !error.is_parse() || error.is_parse_version_h2() => None,
        error if !error.is_parse_too_large() => Some(StatusCode::BAD_REQUEST),
        error if error.to_string().contains("URI") => Some(StatusCode::URI_TOO_LONG),
        _ => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    }
}

/// A guard that resets the connection if it is dropped in the middle of a response whose body ends with the connection.
/// Without the reset, an HTTP/1.0 client would take the end of the connection for the end of the body.
struct ResetUnlessEnded {
    socket: Option<SharedSocket>,
    unframed: Arc<AtomicBool>,
}

impl Drop for ResetUnlessEnded {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket
            && self.unframed.load(Ordering::Relaxed)
        {
            socket.reset_when_closed();
        }
    }
}

/// Hands a request to the session, and the session's response to hyper.
async fn arrive(
    arrivals: Arrivals,
    request: Request<Received>,
    unframed: Arc<AtomicBool>,
) -> Result<Response<Body>, Error> {
    let unanswered = || Error::protocol(PROTOCOL, "the request was left unanswered");
    let (responder, response) = oneshot::channel();
    let answered = Arc::new(AtomicBool::new(false));
    let version = request.version();
    let expects = request.headers().contains_key(header::EXPECT);
    let request = request.map(|body| match received(body) {
        body if expects => Expected { body, is_begun: false, answered: answered.clone() }.boxed_unsync(),
        body => body,
    });
    let responder = Box::new(Http1Responder { response: responder, answered });
    arrivals.send(Ok(Incoming::new(request, responder))).await.map_err(|_| unanswered())?;
    let response = response.await.map_err(|_| unanswered())?;
    unframed.store(
        version < Version::HTTP_11 && response.body().size_hint().exact().is_none(),
        Ordering::Relaxed,
    );
    Ok(response)
}

struct Http1Responder {
    response: oneshot::Sender<Response<Body>>,
    answered: Arc<AtomicBool>,
}

#[async_trait]
impl Responder for Http1Responder {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let gone = |_| Error::protocol(PROTOCOL, "the client closed before the response");
        self.answered.store(true, Ordering::Relaxed);
        self.response.send(response).map_err(gone)
    }
}

/// The body of a request with `Expect: 100-continue`. hyper asks the client for the body at the first pull. If the
/// first pull came after the response, the client would send the body in vain (RFC 9110 section 10.1.1).
struct Expected {
    body: Body,
    is_begun: bool,
    answered: Arc<AtomicBool>,
}

impl http_body::Body for Expected {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.is_begun && self.answered.load(Ordering::Relaxed) {
            let error = Error::truncated("the request was answered before its body was asked for");
            return Poll::Ready(Some(Err(error.into())));
        }
        self.is_begun = true;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
