//! HTTP/2 over a byte stream, by h2.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use h2::{Ping, RecvStream, SendStream, client, server};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tracing::debug;

use super::{
    gather::{self, Gather},
    turns::{Rationed, Turns},
};
use crate::{
    Body, BodyError, Connection, End, Error, Guards, Incoming, Limits, Link, Responder, Session, Shape, Term,
    carriers::{ClientEngine, ServerEngine, Stream, Wire},
    session::{Arrivals, Closing, Driven, Linked as _},
    tasks::Tasks,
};

/// What errors call this protocol.
const PROTOCOL: &str = "HTTP/2";

/// The bounds of SETTINGS_MAX_FRAME_SIZE (RFC 9113 section 6.5.2).
const FRAME: std::ops::RangeInclusive<u64> = 16_384..=16_777_215;

/// How many small DATA frames may come in a row. h2 takes many frames under 256 bytes for an attack; here
/// they are what a small chunk size asks for, and bodies are consumed as they come, so they cost nothing.
const DATA_FRAME_BUDGET: usize = usize::MAX;

/// The engine of the `h2c` and `h2` rows.
pub(crate) struct Http2;

#[async_trait]
impl ClientEngine for Http2 {
    async fn client(stream: impl Stream, wire: Wire, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let turns = Turns::default();
        let (requests, mut connection) = client::Builder::new()
            .initial_window_size(window(limits))
            .initial_connection_window_size(window(limits))
            .max_frame_size(frame(limits))
            .max_send_buffer_size(send_buffer(limits))
            .data_frame_budget(DATA_FRAME_BUDGET)
            .enable_push(false)
            .handshake(beneath(stream, &wire, &turns))
            .await
            .map_err(Error::handshake)?;
        let ping = connection.ping_pong();
        let tasks = Tasks::default();
        tasks.spawn(turns.count(async {
            // The error also reaches every exchange on it.
            if let Err(error) = connection.await {
                debug!("{PROTOCOL}: {error}");
            }
        }));
        // The pong comes after the peer's SETTINGS: from here on its windows and frame size are in force.
        if let Some(mut ping) = ping {
            ping.ping(Ping::opaque()).await.map_err(Error::handshake)?;
        }
        Ok(Box::new(Http2Connection { requests, wire, tasks }))
    }
}

/// A sender queues chunks by reference, up to its send buffer; what is copied is heads, payloads under 256 bytes
/// (CHAIN_THRESHOLD in h2's codec/framed_write.rs), and frames so small that they are [gathered](gather). A receiver holds what its window admits, in
/// frames that are slices of the buffer which they were read into.
pub(crate) fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
    let connections = shape.connections();
    let codec = Term::new(
        "HTTP/2 codec",
        2 * CODEC_BUFFER * connections,
        "2 × 32 KiB a connection (DEFAULT_BUFFER_CAPACITY in h2's codec, and its growth)",
    );
    let entries =
        |bytes: u64| bytes.div_ceil(shape.chunk.min(frame(limits).into())) * FRAME_ENTRIES * connections;
    match end {
        End::Sender => {
            let queued = (send_buffer(limits) as u64 + shape.chunk) * u64::from(shape.streams);
            let mut terms = vec![
                codec,
                gather::footprint(connections),
                Term::new(
                    "HTTP/2 queue",
                    entries(queued),
                    "3 × 160 bytes for each frame of h2-send-buffer and a chunk, a stream; the payload itself is only referred to",
                ),
            ];
            terms.extend(shape.held(queued * connections, "h2-send-buffer and a chunk, a stream"));
            terms
        }
        End::Receiver => {
            let window = u64::from(window(limits));
            let read = 2 * u64::from(frame(limits));
            vec![
                codec,
                Term::new(
                    "HTTP/2 window",
                    window * connections,
                    "h2-window a connection, whatever its streams: what the peer may send that nobody has taken (RFC 9113 section 5.2)",
                ),
                Term::new(
                    "HTTP/2 gaps",
                    window / 2 * connections,
                    "half of h2-window: a frame of 64 KiB and its head take 80 KiB, and frames cut at odd lengths leave gaps among the pages that the allocator keeps for a second (dirty_decay_ms)",
                ),
                Term::new(
                    "HTTP/2 frames that pin others",
                    window * pinned(shape, limits) * connections,
                    "what waits of one stream pins the read buffer, 8 KiB, that came with it for others, once for each frame in it (INITIAL_CAPACITY in tokio-util's codec/framed_impl.rs)",
                ),
                Term::new(
                    "HTTP/2 frames being read",
                    read * connections,
                    "2 × h2-frame a connection: one being read, one pinned by a slice of it",
                ),
                Term::new(
                    "HTTP/2 frame entries",
                    entries(window),
                    "3 × 160 bytes for each frame of the window, in a slab that doubles (h2's proto/streams/buffer.rs)",
                ),
            ]
        }
    }
}

/// How many times its own size a frame that waits may pin of other streams' frames, which came in one read.
fn pinned(shape: Shape, limits: &Limits) -> u64 {
    const READ: u64 = 8 << 10;
    let frame = shape.chunk.min(frame(limits).into());
    (READ / frame).min(shape.streams.into()).saturating_sub(1)
}

/// The first capacity of h2's buffers is 16 KiB; they double when a frame's head and a small payload need it.
const CODEC_BUFFER: u64 = 32 << 10;

/// A slot of h2's slab of frames is 160 bytes. The slab doubles as it grows, and the old one is still there then.
const FRAME_ENTRIES: u64 = 3 * 160;

#[async_trait]
impl ServerEngine for Http2 {
    async fn server(
        stream: impl Stream,
        wire: Wire,
        limits: &Limits,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let turns = Turns::default();
        let connection = server::Builder::new()
            .initial_window_size(window(limits))
            .initial_connection_window_size(window(limits))
            .max_frame_size(frame(limits))
            .max_send_buffer_size(send_buffer(limits))
            .max_header_list_size(guards.header_bytes)
            .max_concurrent_streams(guards.streams)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(beneath(stream, &wire, &turns))
            .await
            .map_err(Error::handshake)?;
        Ok(Driven::start(guards.streams, wire, |arrivals, closing| {
            turns.count(drive(connection, arrivals, closing))
        }))
    }
}

/// What lies between h2 and the carrier.
fn beneath<S: Stream>(stream: S, wire: &Wire, turns: &Turns) -> Gather<Rationed<S>> {
    Gather::new(Rationed::new(stream, turns.clone()), wire.cork(), turns.clone())
}

fn window(limits: &Limits) -> u32 {
    // RFC 9113 section 6.9.1: no window exceeds 2^31 - 1.
    u32::try_from(limits.h2_window).unwrap_or(u32::MAX).min((1 << 31) - 1)
}

fn frame(limits: &Limits) -> u32 {
    limits.h2_frame.clamp(*FRAME.start(), *FRAME.end()) as u32
}

fn send_buffer(limits: &Limits) -> usize {
    usize::try_from(limits.h2_send_buffer).unwrap_or(usize::MAX)
}

struct Http2Connection {
    requests: client::SendRequest<Bytes>,
    wire: Wire,
    tasks: Tasks,
}

#[async_trait]
impl Connection for Http2Connection {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let broken = |error| Error::protocol(PROTOCOL, error);
        let mut requests = self.requests.clone().ready().await.map_err(broken)?;
        let (head, body) = request.into_parts();
        let empty = body.is_end_stream();
        let (response, stream) =
            requests.send_request(Request::from_parts(head, ()), empty).map_err(broken)?;
        if empty {
            return Ok(response.await.map_err(broken)?.map(received));
        }
        let body_failed = self.tasks.pump(send(stream, body));
        tokio::select! {
            response = response => Ok(response.map_err(broken)?.map(received)),
            error = body_failed => Err(error),
        }
    }

    fn link(&self) -> Link {
        self.wire.link()
    }
}

/// Drives a server's connection: accepting is what makes all its streams go on.
async fn drive(mut connection: server::Connection<impl Stream, Bytes>, arrivals: Arrivals, closing: Closing) {
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = closing.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(accepted) = accepted else { return };
        let incoming =
            accepted.map_err(|error| Error::protocol(PROTOCOL, error)).map(|(request, respond)| Incoming {
                request: request.map(received),
                responder: Box::new(Http2Responder(respond)),
            });
        // There is a place for every stream that the settings admit.
        if arrivals.try_send(incoming).is_err() {
            return;
        }
    }
}

struct Http2Responder(server::SendResponse<Bytes>);

#[async_trait]
impl Responder for Http2Responder {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let (head, body) = response.into_parts();
        let empty = body.is_end_stream();
        let stream = self
            .0
            .send_response(Response::from_parts(head, ()), empty)
            .map_err(|error| Error::protocol(PROTOCOL, error))?;
        if empty { Ok(()) } else { send(stream, body).await }
    }
}

/// Sends a body: a chunk is pulled once there is room for the beginning of it, so that no more than the
/// send buffer and one chunk ever wait in h2.
async fn send(mut stream: SendStream<Bytes>, mut body: Body) -> Result<(), Error> {
    let broken = |error| Error::protocol(PROTOCOL, error);
    loop {
        room(&mut stream).await.map_err(broken)?;
        let chunk = match body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
                return Err(Error::body(&error));
            }
            None => return stream.send_data(Bytes::new(), true).map_err(broken),
        };
        let last = body.is_end_stream();
        stream.send_data(chunk, last).map_err(broken)?;
        if last {
            return Ok(());
        }
    }
}

/// Waits until the stream may send at least one byte.
async fn room(stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(granted) => granted?,
            None => return Err(h2::Reason::STREAM_CLOSED.into()),
        };
    }
    Ok(())
}

fn received(stream: RecvStream) -> Body {
    Http2Body(stream).boxed_unsync()
}

/// A body as it arrives; what is handed on is given back to the peer's window.
struct Http2Body(RecvStream);

impl http_body::Body for Http2Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(data) = ready!(self.0.poll_data(cx)) else { return Poll::Ready(None) };
        let taken = data.and_then(|data| {
            self.0.flow_control().release_capacity(data.len())?;
            Ok(Frame::data(data))
        });
        Poll::Ready(Some(taken.map_err(|error| Error::truncated(error).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
