//! The baseline over QUIC: a small head and the bytes of the body, on one bidirectional stream per exchange.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use record::{End, Limits, Term};
use tokio::task::JoinSet;
use tracing::debug;

use super::{
    frame::{self, RequestHead, ResponseHead},
    send::{self, BodySink},
};
use crate::{
    Body, BodyError, BodySent, Connection, Error, Guards, Incoming, Link, Responder, Session, Shape,
    carriers::quic::{Deliveries, Established, QuicEngine, Running},
    footprint::Footprint,
    session::{Arrivals, CloseSignal, DrivenSession, LinkSource as _},
    settings::FromLimits,
};

/// The protocol's name in errors.
const PROTOCOL: &str = "QUIC";

/// The code of a stream that is reset because its body failed.
const BODY_FAILED: VarInt = VarInt::from_u32(1);

/// The engine of the `quic` row.
#[derive(Clone)]
pub(crate) struct RawQuic;

impl FromLimits for RawQuic {
    /// Ignores the limits: none concerns this engine.
    fn from_limits(_: &Limits) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Footprint for RawQuic {
    /// Returns no term: bodies are sent from and received into the buffers of QUIC.
    fn footprint(_: &Limits, _: End, _: Shape) -> Vec<Term> {
        Vec::new()
    }
}

#[async_trait]
impl QuicEngine for RawQuic {
    /// A private identifier, since the protocol is not registered.
    const ALPN: &'static str = "longhaul-quic";

    const NO_PLACE: u32 = 1;

    async fn client(&self, established: Established) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(QuicConnection(established)))
    }

    async fn server(&self, established: Established, guards: &Guards) -> Result<Box<dyn Session>, Error> {
        let connection = established.connection.clone();
        established.windows().iter().for_each(|windows| windows.open());
        let drive = |arrivals, close| drive(connection, arrivals, close);
        Ok(DrivenSession::start(guards.streams, established, drive))
    }
}

struct QuicConnection(Established);

#[async_trait]
impl Connection for QuicConnection {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (mut write, mut read) =
            self.0.connection.open_bi().await.map_err(|error| Error::protocol(PROTOCOL, error))?;
        let head = frame::encode(PROTOCOL, &RequestHead::of(&request))?;
        let send = send(&mut write, head, request.into_body());
        let (_, head) = try_join(send, frame::read::<ResponseHead>(PROTOCOL, &mut read)).await?;
        let head = head.ok_or_else(|| Error::truncated("the peer closed without a response"))?;
        let unread = head.length;
        let mut response = head.response(PROTOCOL, QuicBody { read, unread }.boxed_unsync())?;
        response.extensions_mut().insert(BodySent::completed());
        Ok(response)
    }

    async fn close(&self) {
        self.0.close(0).await;
    }

    fn link(&self) -> Link {
        self.0.link()
    }
}

/// Drives a server's connection: takes streams as they open. Their heads are awaited concurrently. Opening a stream
/// opens all earlier streams, and the head of a stream may have to wait until the bodies of others have been read.
async fn drive(connection: quinn::Connection, arrivals: Arrivals, close: CloseSignal) {
    let mut heads = JoinSet::new();
    let deliveries = Arc::new(Deliveries::default());
    let error = loop {
        let accepted = tokio::select! {
            accepted = connection.accept_bi() => accepted,
            () = close.notified() => return deliveries.complete().await,
        };
        let (write, read) = match accepted {
            Ok(stream) => stream,
            Err(ConnectionError::ApplicationClosed(_)) => return,
            Err(error) => break Error::protocol(PROTOCOL, error),
        };
        while heads.try_join_next().is_some() {}
        let arrivals = arrivals.clone();
        let deliveries = deliveries.clone();
        heads.spawn(async move {
            match arrive(write, read, deliveries).await {
                // The send fails only once the session is dropped.
                Ok(Some(incoming)) => drop(arrivals.send(Ok(incoming)).await),
                Ok(None) => {}
                // Only this stream has failed. If the connection has failed as well, the next `accept` reports it.
                Err(error) => debug!("a request was not accepted: {error}"),
            }
        });
    };
    let _ = arrivals.send(Err(error)).await;
}

/// Reads the head of a request. Returns `None` if the stream ended before the head.
///
/// # Errors
/// Fails if the stream broke, or its head is malformed.
async fn arrive(
    write: SendStream,
    mut read: RecvStream,
    deliveries: Arc<Deliveries>,
) -> Result<Option<Incoming>, Error> {
    let Some(head) = frame::read::<RequestHead>(PROTOCOL, &mut read).await? else { return Ok(None) };
    let unread = head.length;
    let request = head.request(PROTOCOL, QuicBody { read, unread }.boxed_unsync())?;
    let running = deliveries.begin();
    Ok(Some(Incoming::new(request, Box::new(QuicResponder { write, deliveries, _running: running }))))
}

struct QuicResponder {
    write: SendStream,
    deliveries: Arc<Deliveries>,
    _running: Running,
}

#[async_trait]
impl Responder for QuicResponder {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let head = frame::encode(PROTOCOL, &ResponseHead::of(&response))?;
        send(&mut self.write, head, response.into_body()).await?;
        self.deliveries.sent(&self.write);
        Ok(())
    }
}

async fn send(write: &mut SendStream, head: Vec<u8>, body: Body) -> Result<(), Error> {
    write.write_chunk(head.into()).await.map_err(|error| Error::protocol(PROTOCOL, error))?;
    send::send(write, body).await
}

impl BodySink for SendStream {
    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.write_chunk(chunk).await.map_err(|error| Error::protocol(PROTOCOL, error))
    }

    async fn finish(&mut self) -> Result<(), Error> {
        SendStream::finish(self).map_err(|error| Error::protocol(PROTOCOL, error))
    }

    async fn abort(&mut self) {
        // `reset` fails only if the stream is already closed, which the peer notices as well.
        let _ = self.reset(BODY_FAILED);
    }
}

/// A body that is being received, datagram by datagram.
struct QuicBody {
    read: RecvStream,
    /// The bytes of the body that are still to be read.
    unread: u64,
}

impl http_body::Body for QuicBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.unread == 0 {
            return Poll::Ready(None);
        }
        let chunk = ready!(pin!(self.read.read_chunk(usize::MAX, true)).poll(cx));
        Poll::Ready(Some(match chunk {
            Ok(Some(chunk)) => {
                self.unread = self.unread.saturating_sub(chunk.bytes.len() as u64);
                Ok(Frame::data(chunk.bytes))
            }
            Ok(None) => Err(Error::truncated(format!("{} bytes were still to come", self.unread)).into()),
            Err(error) => Err(Error::truncated(error).into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.unread == 0
    }
}
