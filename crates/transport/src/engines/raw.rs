//! Bodies over a byte stream without HTTP: a small head, then the bytes of the body. The baseline writes each chunk by
//! itself; [`ceiling`](super::ceiling) uses larger system calls.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::try_join;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use record::{End, Limits, Term};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Mutex, OwnedMutexGuard},
};

use super::{
    frame::{self, RequestHead, ResponseHead},
    send::{self, BodySink},
};
use crate::{
    Body, BodyError, BodySent, Connection, Error, Guards, Incoming, Link, Responder, Session, Shape,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    footprint::{Footprint, kib},
    probe::Cork,
    session::LinkSource as _,
    settings::FromLimits,
};

/// The system calls that carry bodies over a byte stream.
pub(super) trait Calls: Clone + Send + Sync + 'static {
    /// Returns the bytes that one read of a body asks for.
    fn read(&self) -> usize;

    /// Sends a body. `cork` must belong to the socket of `write`.
    fn send<S: Stream>(
        &self,
        write: &mut WriteHalf<S>,
        cork: Cork,
        body: Body,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The calls of the baseline: a write for each chunk.
#[derive(Clone)]
struct PerChunk;

/// The bytes that the baseline asks for by one read. A read that fills the buffer is followed by another without a call
/// to epoll. On loopback, 64 KiB are available more often than 128 KiB: `tcp` moves 7,900 MiB/s, instead of 6,850 with
/// 128 KiB.
const READ: usize = 64 << 10;

impl Calls for PerChunk {
    fn read(&self) -> usize {
        READ
    }

    async fn send<S: Stream>(&self, write: &mut WriteHalf<S>, _: Cork, body: Body) -> Result<(), Error> {
        send::send(write, body).await
    }
}

/// The read buffers of a connection, which alternate.
const BUFFERS: u64 = 2;

/// The protocol's name in errors.
const PROTOCOL: &str = "raw stream";

/// The engine of the `tcp` and `tls` rows.
#[derive(Clone)]
pub(crate) struct Raw;

impl FromLimits for Raw {
    /// Ignores the limits: none concerns this engine.
    fn from_limits(_: &Limits) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[async_trait]
impl ClientEngine for Raw {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(RawLink::new(stream, info, PerChunk)))
    }
}

#[async_trait]
impl ServerEngine for Raw {
    /// A private identifier, since the protocol is not registered.
    const ALPN: &'static [&'static str] = &["longhaul-tls"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        _: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(RawLink::new(stream, info, PerChunk)))
    }
}

impl Footprint for Raw {
    fn footprint(_: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => Vec::new(),
            End::Receiver => vec![read_buffers(READ as u64, shape)],
        }
    }
}

/// Returns the memory of reads that ask for `read` bytes of a body.
pub(super) fn read_buffers(read: u64, shape: Shape) -> Term {
    let reason = format!("{BUFFERS} × {} per connection: one at the sink, one being read", kib(read));
    shape.term("read buffers", read.saturating_mul(BUFFERS), reason)
}

/// A connection of either end, which carries one exchange after the other.
pub(super) struct RawLink<S, C> {
    read: Arc<Mutex<Reader<S>>>,
    write: Arc<Mutex<WriteHalf<S>>>,
    info: StreamInfo,
    calls: C,
}

impl<S: Stream, C: Calls> RawLink<S, C> {
    pub(super) fn new(stream: S, info: StreamInfo, calls: C) -> Self {
        let (read, write) = tokio::io::split(stream);
        let read = Reader { stream: read, buffer: BytesMut::new(), unread: 0, read: calls.read() };
        Self { read: Arc::new(Mutex::new(read)), write: Arc::new(Mutex::new(write)), info, calls }
    }
}

#[async_trait]
impl<S: Stream, C: Calls> Connection for RawLink<S, C> {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let mut write = self.write.lock().await;
        let mut read = self.read.clone().lock_owned().await;
        let head = frame::encode(PROTOCOL, &RequestHead::of(&request))?;
        let send = send(&self.calls, &mut write, self.info.cork(), head, request.into_body());
        let (_, head) = try_join(send, read.head::<ResponseHead>()).await?;
        let head = head.ok_or_else(|| Error::truncated("the peer closed without a response"))?;
        read.unread = head.length;
        let mut response = head.response(PROTOCOL, RawBody(read).boxed_unsync())?;
        response.extensions_mut().insert(BodySent::completed());
        Ok(response)
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

#[async_trait]
impl<S: Stream, C: Calls> Session for RawLink<S, C> {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        let mut read = self.read.clone().lock_owned().await;
        let Some(head) = read.head::<RequestHead>().await? else { return Ok(None) };
        read.unread = head.length;
        let request = head.request(PROTOCOL, RawBody(read).boxed_unsync())?;
        let (write, cork) = (self.write.clone(), self.info.cork());
        let responder = RawResponder { write, cork, calls: self.calls.clone() };
        Ok(Some(Incoming::new(request, Box::new(responder))))
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

struct RawResponder<S, C> {
    write: Arc<Mutex<WriteHalf<S>>>,
    cork: Cork,
    calls: C,
}

#[async_trait]
impl<S: Stream, C: Calls> Responder for RawResponder<S, C> {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let head = frame::encode(PROTOCOL, &ResponseHead::of(&response))?;
        send(&self.calls, &mut *self.write.lock().await, self.cork, head, response.into_body()).await
    }
}

async fn send<S: Stream, C: Calls>(
    calls: &C,
    write: &mut WriteHalf<S>,
    cork: Cork,
    head: Vec<u8>,
    body: Body,
) -> Result<(), Error> {
    write.write_all(&head).await.map_err(broken)?;
    calls.send(write, cork, body).await
}

pub(super) fn broken(error: io::Error) -> Error {
    Error::protocol(PROTOCOL, error)
}

impl<S: Stream> BodySink for WriteHalf<S> {
    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.write_all(&chunk).await.map_err(broken)
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.flush().await.map_err(broken)
    }

    /// Closes the stream: the head announced a length, so the peer notices an early end.
    async fn abort(&mut self) {
        let _ = self.shutdown().await;
    }
}

/// The receiving half, with the state of the body that is being read.
struct Reader<S> {
    stream: ReadHalf<S>,
    buffer: BytesMut,
    /// The bytes of the current body that are still to be read.
    unread: u64,
    /// The bytes that one read asks for.
    read: usize,
}

impl<S: Stream> Reader<S> {
    async fn head<H: for<'a> serde::Deserialize<'a>>(&mut self) -> Result<Option<H>, Error> {
        if self.unread > 0 {
            let reason = format!("{} bytes of the previous body were never read", self.unread);
            return Err(Error::protocol(PROTOCOL, reason));
        }
        frame::read(PROTOCOL, &mut self.stream).await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.unread == 0 {
            return Poll::Ready(None);
        }
        // The sink has dropped the previous piece by now, so `reserve` reuses its memory instead of allocating.
        self.buffer.reserve(self.read);
        let limit = self.unread.min(self.read as u64);
        let mut stream = (&mut self.stream).take(limit);
        let read = ready!(pin!(stream.read_buf(&mut self.buffer)).poll(cx));
        Poll::Ready(Some(match read {
            Ok(0) => Err(Error::truncated(format!("{} bytes were still to come", self.unread))),
            Ok(length) => {
                self.unread -= length as u64;
                Ok(self.buffer.split().freeze())
            }
            Err(error) => Err(Error::truncated(error)),
        }))
    }
}

/// A body that is being received. It holds the reader until it is dropped.
struct RawBody<S>(OwnedMutexGuard<Reader<S>>);

impl<S: Stream> http_body::Body for RawBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.unread == 0
    }
}
