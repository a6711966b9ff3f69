//! The baseline over a byte stream: a small head, then the body as it is.

use std::{
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
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Mutex, OwnedMutexGuard},
};

use super::frame::{self, RequestHead, ResponseHead};
use crate::{
    Body, BodyError, Connection, End, Error, Guards, Incoming, Limits, Link, Responder, Session, Shape, Term,
    carriers::{ClientEngine, ServerEngine, Stream, Wire},
    session::Linked as _,
};

/// How much one read of a body asks for. What fills it is taken without asking epoll before the next, and on
/// loopback 64 KiB are there more often than 128: `tcp` moves 7,900 instead of 6,850 MiB/s.
const READ: usize = 64 << 10;

/// What errors call this protocol.
const PROTOCOL: &str = "raw stream";

/// The engine of the `tcp` and `tls` rows.
pub(crate) struct Raw;

#[async_trait]
impl ClientEngine for Raw {
    async fn client(stream: impl Stream, wire: Wire, _: &Limits) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(RawLink::new(stream, wire)))
    }
}

#[async_trait]
impl ServerEngine for Raw {
    async fn server(
        stream: impl Stream,
        wire: Wire,
        _: &Limits,
        _: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(RawLink::new(stream, wire)))
    }
}

/// Reads of a body take turns in two buffers: what the sink still has, and what is being read.
pub(crate) fn footprint(end: End, shape: Shape) -> Vec<Term> {
    match end {
        End::Sender => Vec::new(),
        End::Receiver => {
            let bytes = 2 * READ as u64 * shape.connections();
            vec![Term::new("read buffers", bytes, "2 × 64 KiB a connection: one at the sink, one being read")]
        }
    }
}

/// One connection, which carries one exchange after the other.
struct RawLink<S> {
    read: Arc<Mutex<Reader<S>>>,
    write: Arc<Mutex<WriteHalf<S>>>,
    wire: Wire,
}

impl<S: Stream> RawLink<S> {
    fn new(stream: S, wire: Wire) -> Self {
        let (read, write) = tokio::io::split(stream);
        let read = Reader { stream: read, buffer: BytesMut::new(), unread: 0 };
        Self { read: Arc::new(Mutex::new(read)), write: Arc::new(Mutex::new(write)), wire }
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
        let head = head.ok_or_else(|| Error::Truncated("the peer closed without a response".into()))?;
        read.unread = head.length;
        head.response(PROTOCOL, RawBody(read).boxed_unsync())
    }

    fn link(&self) -> Link {
        self.wire.link()
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
        Ok(Some(Incoming { request, responder }))
    }

    fn link(&self) -> Link {
        self.wire.link()
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

async fn send<S: Stream>(write: &mut WriteHalf<S>, head: Vec<u8>, mut body: Body) -> Result<(), Error> {
    let broken = |error| Error::protocol(PROTOCOL, error);
    write.write_all(&head).await.map_err(broken)?;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                // The length was announced, so ending early is how the peer learns of it.
                let _ = write.shutdown().await;
                return Err(Error::body(&error));
            }
        };
        if let Ok(chunk) = frame.into_data() {
            write.write_all(&chunk).await.map_err(broken)?;
        }
    }
    write.flush().await.map_err(broken)
}

struct Reader<S> {
    stream: ReadHalf<S>,
    buffer: BytesMut,
    /// What is left to read of the current body.
    unread: u64,
}

impl<S: Stream> Reader<S> {
    async fn head<H: for<'a> serde::Deserialize<'a>>(&mut self) -> Result<Option<H>, Error> {
        if self.unread > 0 {
            let reason = format!("{} bytes of the body before were never read", self.unread);
            return Err(Error::Protocol { protocol: PROTOCOL, reason });
        }
        frame::read(PROTOCOL, &mut self.stream).await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.unread == 0 {
            return Poll::Ready(None);
        }
        // The sink has let go of the piece before, so this takes its place again instead of allocating.
        self.buffer.reserve(READ);
        let limit = self.unread.min(READ as u64);
        let mut stream = (&mut self.stream).take(limit);
        let read = ready!(pin!(stream.read_buf(&mut self.buffer)).poll(cx));
        Poll::Ready(Some(match read {
            Ok(0) => Err(Error::Truncated(format!("{} bytes were still to come", self.unread))),
            Ok(length) => {
                self.unread -= length as u64;
                Ok(self.buffer.split().freeze())
            }
            Err(error) => Err(Error::truncated(error)),
        }))
    }
}

/// A body as it arrives. It keeps the reader until it is dropped.
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
