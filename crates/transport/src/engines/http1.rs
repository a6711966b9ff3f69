//! HTTP/1.1 over a byte stream, by hyper.

use std::pin::pin;

use async_trait::async_trait;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming as Received, client, server, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use record::{End, H1_BUFFER, Limits, Term};
use tokio::sync::{Mutex, oneshot};
use tracing::debug;

use crate::{
    Body, Connection, Error, Guards, Incoming, Link, Responder, Session, Shape,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    footprint::{Footprint, kib},
    session::{Arrivals, CloseSignal, DrivenSession, LinkSource as _},
    settings::{FromLimits, bytes},
    tasks::Tasks,
};

/// The protocol's name in errors.
const PROTOCOL: &str = "HTTP/1.1";

/// The engine of the `h1c` and `h1` rows.
#[derive(Clone)]
pub(crate) struct Http1 {
    /// The bytes that hyper reads at once, and gathers for one write (`max_buf_size`).
    buffer: usize,
}

impl FromLimits for Http1 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self { buffer: bytes(limits, &H1_BUFFER)? })
    }
}

#[async_trait]
impl ClientEngine for Http1 {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        let (requests, connection) = client::conn::http1::Builder::new()
            .max_buf_size(self.buffer)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::handshake)?;
        let tasks = Tasks::default();
        tasks.spawn(async {
            // The error also reaches the exchange that waits for a response or reads its body.
            if let Err(error) = connection.await {
                debug!("{PROTOCOL}: {error}");
            }
        });
        Ok(Box::new(Http1Connection { requests: Mutex::new(requests), info, _tasks: tasks }))
    }
}

/// The buffer of a head that is sent or received.
const HEAD_BUFFER: u64 = 16 << 10;

/// The head buffers of a sender: the one of hyper, and its growth.
const HEAD_BUFFERS: u64 = 2;

/// The receive buffers of a connection.
const RECEIVE_BUFFERS: u64 = 3;

impl Footprint for Http1 {
    /// hyper pulls a chunk when its queue has room, and queues it by reference: a sender holds buffers for heads alone.
    /// A receiver reads into a buffer while one piece of it waits and another is consumed.
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        let (buffer, flag) = (limits.bytes(&H1_BUFFER), H1_BUFFER.flag);
        let (bytes, reason) = match end {
            End::Sender => (
                HEAD_BUFFERS * HEAD_BUFFER,
                format!(
                    "{HEAD_BUFFERS} × {} a connection, for heads (INIT_BUFFER_SIZE and its growth in \
                     hyper's proto/h1/io.rs)",
                    kib(HEAD_BUFFER)
                ),
            ),
            End::Receiver => (
                buffer.saturating_mul(RECEIVE_BUFFERS),
                format!(
                    "{RECEIVE_BUFFERS} × {flag} a connection: one being filled, one waiting, one being \
                     consumed (max_buf_size, and the body channel of hyper, which holds one piece)"
                ),
            ),
        };
        let mut terms = vec![shape.term("HTTP/1.1 buffers", bytes, reason)];
        if end == End::Sender {
            let queued = buffer.saturating_add(shape.chunk_bytes());
            let reason = format!("{flag} and a chunk a connection, queued for one writev");
            terms.extend(shape.payload_in_flight(queued, reason));
        }
        terms
    }
}

#[async_trait]
impl ServerEngine for Http1 {
    /// The identifier that RFC 7301 section 6 registers.
    const ALPN: &'static [&'static str] = &["http/1.1"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let mut builder = server::conn::http1::Builder::new();
        builder
            .max_buf_size(self.buffer)
            .max_header_size(guards.header_bytes as usize)
            .max_headers(guards.header_count)
            .timer(TokioTimer::new())
            .header_read_timeout(guards.header_timeout);
        Ok(DrivenSession::start(1, info, |arrivals, close| drive(builder, stream, arrivals, close)))
    }
}

/// Drives a server's connection: hyper calls a service for the response to each request.
async fn drive(
    builder: server::conn::http1::Builder,
    stream: impl Stream,
    arrivals: Arrivals,
    close: CloseSignal,
) {
    let arriving = arrivals.clone();
    let service = service_fn(move |request| arrive(arriving.clone(), request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = close.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        // This fails only once the session is dropped.
        let _ = arrivals.send(Err(Error::protocol(PROTOCOL, error))).await;
    }
}

struct Http1Connection {
    requests: Mutex<client::conn::http1::SendRequest<Body>>,
    info: StreamInfo,
    _tasks: Tasks,
}

#[async_trait]
impl Connection for Http1Connection {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        let broken = |error| Error::protocol(PROTOCOL, error);
        origin_form(&mut request)?;
        if request.body().size_hint().exact().is_none() {
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
        }
        let mut requests = self.requests.lock().await;
        requests.ready().await.map_err(broken)?;
        Ok(requests.send_request(request).await.map_err(broken)?.map(received))
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

/// Reduces the target of a request to its path, and moves the host into a header (RFC 9112 section 3.2.1).
fn origin_form(request: &mut Request<Body>) -> Result<(), Error> {
    let malformed = |error: http::Error| Error::protocol(PROTOCOL, error);
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| malformed(error.into()))?;
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder().path_and_query(path).build().map_err(malformed)?;
    Ok(())
}

/// A body that is being received.
fn received(body: Received) -> Body {
    body.map_err(|error| Error::truncated(error).into()).boxed_unsync()
}

/// Hands a request to the session, and the session's response to hyper.
async fn arrive(arrivals: Arrivals, request: Request<Received>) -> Result<Response<Body>, Error> {
    let unanswered = || Error::protocol(PROTOCOL, "the request was left unanswered");
    let (responder, response) = oneshot::channel();
    let incoming = Incoming::new(request.map(received), Box::new(Http1Responder(responder)));
    arrivals.send(Ok(incoming)).await.map_err(|_| unanswered())?;
    response.await.map_err(|_| unanswered())
}

struct Http1Responder(oneshot::Sender<Response<Body>>);

#[async_trait]
impl Responder for Http1Responder {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let gone = |_| Error::protocol(PROTOCOL, "the client closed before the response");
        self.0.send(response).map_err(gone)
    }
}
