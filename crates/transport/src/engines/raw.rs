//! The baseline over a byte stream: a small head, then the bytes of the body.

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
    session::LinkSource as _,
    settings::FromLimits,
};

/// The bytes that one read of a body asks for. A read that fills the buffer is followed by another without a call to
/// epoll. On loopback, 64 KiB are available more often than 128: `tcp` moves 7,900 MiB/s, instead of 6,850 with 128.
const READ: usize = 64 << 10;

/// The read buffers of a connection, which alternate.
const BUFFERS: u64 = 2;

/// The protocol's name in errors.
const PROTOCOL: &str = "raw stream";

/// The engine of the `tcp` and `tls` rows.
#[derive(Clone)]
pub(crate) struct Raw;

impl FromLimits for Raw {
    /// No limit matters here.
    fn from_limits(_: &Limits) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[async_trait]
impl ClientEngine for Raw {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(RawLink::new(stream, info)))
    }
}

#[async_trait]
impl ServerEngine for Raw {
    /// A private name: this is no registered protocol.
    const ALPN: &'static [&'static str] = &["longhaul-tls"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        _: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(RawLink::new(stream, info)))
    }
}

impl Footprint for Raw {
    fn footprint(_: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => Vec::new(),
            End::Receiver => {
                let size = kib(READ as u64);
                let reason = format!("{BUFFERS} × {size} a connection: one at the sink, one being read");
                vec![shape.term("read buffers", BUFFERS * READ as u64, reason)]
            }
        }
    }
}

/// A connection of either end, which carries one exchange after the other.
struct RawLink<S> {
    read: Arc<Mutex<Reader<S>>>,
    write: Arc<Mutex<WriteHalf<S>>>,
    info: StreamInfo,
}

impl<S: Stream> RawLink<S> {
    fn new(stream: S, info: StreamInfo) -> Self {
        let (read, write) = tokio::io::split(stream);
        let read = Reader { stream: read, buffer: BytesMut::new(), unread: 0 };
        Self { read: Arc::new(Mutex::new(read)), write: Arc::new(Mutex::new(write)), info }
    }
}

#[async_trait]
impl<S: Stream> Connection for RawLink<S> {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let mut write = self.write.lock().await;
        let mut read = self.read.clone().lock_owned().await;
        let head = frame::encode(PROTOCOL, &RequestHead::of(&request))?;
        let send = send(&mut write, head, request.into_body());
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
impl<S: Stream> Session for RawLink<S> {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        let mut read = self.read.clone().lock_owned().await;
        let Some(head) = read.head::<RequestHead>().await? else { return Ok(None) };
        read.unread = head.length;
        let request = head.request(PROTOCOL, RawBody(read).boxed_unsync())?;
        let responder = Box::new(RawResponder(self.write.clone()));
        Ok(Some(Incoming::new(request, responder)))
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

struct RawResponder<S>(Arc<Mutex<WriteHalf<S>>>);

#[async_trait]
impl<S: Stream> Responder for RawResponder<S> {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let head = frame::encode(PROTOCOL, &ResponseHead::of(&response))?;
        send(&mut *self.0.lock().await, head, response.into_body()).await
    }
}

async fn send<S: Stream>(write: &mut WriteHalf<S>, head: Vec<u8>, body: Body) -> Result<(), Error> {
    write.write_all(&head).await.map_err(broken)?;
    send::send(write, body).await
}

fn broken(error: io::Error) -> Error {
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
        // The sink has dropped the previous piece by now, so this reuses its memory instead of allocating.
        self.buffer.reserve(READ);
        let limit = self.unread.min(READ as u64);
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
