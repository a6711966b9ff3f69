//! HTTP/1.1 over a byte stream, by hyper.

use std::pin::pin;

use async_trait::async_trait;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming as Received, client, server, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Mutex, oneshot};
use tracing::debug;

use crate::{
    Body, Connection, End, Error, Guards, Incoming, Limits, Link, MIN_H1_BUFFER, Responder, Session, Shape,
    Term,
    carriers::{ClientEngine, ServerEngine, Stream, Wire},
    session::{Arrivals, Closing, Driven, Linked as _},
    tasks::Tasks,
};

/// What errors call this protocol.
const PROTOCOL: &str = "HTTP/1.1";

/// The engine of the `h1c` and `h1` rows.
pub(crate) struct Http1;

#[async_trait]
impl ClientEngine for Http1 {
    async fn client(stream: impl Stream, wire: Wire, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let (requests, connection) = client::conn::http1::Builder::new()
            .max_buf_size(buffer(limits))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::handshake)?;
        let tasks = Tasks::default();
        tasks.spawn(async {
            // The error also reaches whoever waits for the response, or reads its body.
            if let Err(error) = connection.await {
                debug!("{PROTOCOL}: {error}");
            }
        });
        Ok(Box::new(Http1Connection { requests: Mutex::new(requests), wire, _tasks: tasks }))
    }
}

/// hyper pulls a chunk when its queue has room, and queues it by reference: a sender holds buffers for heads
/// alone. A receiver's buffer is read into while one piece of it waits to be taken and another is taken.
pub(crate) fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
    let (bytes, reason) = match end {
        End::Sender => (
            2 * HEAD_BUFFER,
            "2 × 16 KiB a connection, for heads (INIT_BUFFER_SIZE and its growth in hyper's proto/h1/io.rs)",
        ),
        End::Receiver => (
            3 * buffer(limits) as u64,
            "3 × h1-buffer a connection: read into, waiting, being taken (max_buf_size, and the body channel of hyper, which holds one piece)",
        ),
    };
    let mut terms = vec![Term::new("HTTP/1.1 buffers", bytes * shape.connections(), reason)];
    if end == End::Sender {
        let queued = (buffer(limits) as u64 + shape.chunk) * shape.connections();
        terms.extend(shape.held(queued, "h1-buffer and a chunk a connection, queued for one writev"));
    }
    terms
}

/// What a head takes, on the way in or out.
const HEAD_BUFFER: u64 = 16 << 10;

#[async_trait]
impl ServerEngine for Http1 {
    async fn server(
        stream: impl Stream,
        wire: Wire,
        limits: &Limits,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let mut builder = server::conn::http1::Builder::new();
        builder
            .max_buf_size(buffer(limits))
            .max_header_size(guards.header_bytes as usize)
            .max_headers(guards.header_count)
            .timer(TokioTimer::new())
            .header_read_timeout(guards.header_timeout);
        Ok(Driven::start(1, wire, |arrivals, closing| drive(builder, stream, arrivals, closing)))
    }
}

/// Drives a server's connection: hyper calls for an answer to each request.
async fn drive(
    builder: server::conn::http1::Builder,
    stream: impl Stream,
    arrivals: Arrivals,
    closing: Closing,
) {
    let arriving = arrivals.clone();
    let service = service_fn(move |request| arrive(arriving.clone(), request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = closing.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        // Nobody waits once the session is dropped.
        let _ = arrivals.send(Err(Error::protocol(PROTOCOL, error))).await;
    }
}

fn buffer(limits: &Limits) -> usize {
    usize::try_from(limits.h1_buffer.max(MIN_H1_BUFFER)).unwrap_or(usize::MAX)
}

struct Http1Connection {
    requests: Mutex<client::conn::http1::SendRequest<Body>>,
    wire: Wire,
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
        self.wire.link()
    }
}

/// A server is asked for the path, and told the host in a header (RFC 9112 section 3.2.1).
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

fn received(body: Received) -> Body {
    body.map_err(|error| Error::truncated(error).into()).boxed_unsync()
}

/// Hands a request over to the session, and the session's response to hyper.
async fn arrive(arrivals: Arrivals, request: Request<Received>) -> Result<Response<Body>, Error> {
    let gone = || Error::Protocol { protocol: PROTOCOL, reason: "the request was left unanswered".into() };
    let (responder, response) = oneshot::channel();
    let incoming =
        Incoming { request: request.map(received), responder: Box::new(Http1Responder(responder)) };
    arrivals.send(Ok(incoming)).await.map_err(|_| gone())?;
    response.await.map_err(|_| gone())
}

struct Http1Responder(oneshot::Sender<Response<Body>>);

#[async_trait]
impl Responder for Http1Responder {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        self.0.send(response).map_err(|_| Error::Protocol {
            protocol: PROTOCOL,
            reason: "the client was gone before the response".into(),
        })
    }
}
