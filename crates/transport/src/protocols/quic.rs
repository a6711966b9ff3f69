//! The baseline over QUIC: a small head and the body on one bidirectional stream an exchange.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use crate::{
    Bind, Body, BodyError, Connection, End, Error, Features, Handshake, Incoming, Limit, Limits, Link,
    Listener, Peer, Responder, Shape, Term, Transport,
    carriers::quic::{self, Established, QuicListener},
    engines::frame::{self, RequestHead, ResponseHead},
    session::{Arrivals, Closing, Driven, Linked as _},
};

/// A name of our own: the row speaks no registered protocol.
const ALPN: &str = "longhaul-quic";

/// What errors call this protocol.
const PROTOCOL: &str = "QUIC";

/// The code that a stream is reset with when its body fails.
const BODY_FAILED: VarInt = VarInt::from_u32(1);

pub(crate) struct Quic;

#[async_trait]
impl Transport for Quic {
    fn name(&self) -> &'static str {
        "quic"
    }

    fn features(&self) -> Features {
        Features { tls: true, baseline: None, streams: true }
    }

    fn limits(&self) -> &'static [Limit] {
        &[
            Limit::QuicWindow,
            Limit::QuicConnectionWindow,
            Limit::QuicSendWindow,
            Limit::QuicMtu,
            Limit::Congestion,
            Limit::UdpBuffer,
            Limit::Cipher,
        ]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        quic::footprint(limits, end, shape)
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(QuicConnection(quic::connect(peer, limits, ALPN).await?)))
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        Ok(Box::new(Listening { quic: quic::listen(bind, limits, ALPN)?, streams: bind.guards.streams }))
    }
}

struct Listening {
    quic: QuicListener,
    streams: u32,
}

#[async_trait]
impl Listener for Listening {
    fn local_addr(&self) -> std::net::SocketAddr {
        self.quic.local_addr()
    }

    async fn accept(&self) -> Result<Handshake, Error> {
        let handshake = self.quic.accept().await?;
        let streams = self.streams;
        Ok(Box::pin(async move {
            let established = handshake.await?;
            let connection = established.connection.clone();
            Ok(Driven::start(streams, established, |arrivals, closing| drive(connection, arrivals, closing)))
        }))
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
        let head = head.ok_or_else(|| Error::Truncated("the peer closed without a response".into()))?;
        let unread = head.length;
        head.response(PROTOCOL, QuicBody { read, unread }.boxed_unsync())
    }

    async fn close(&self) {
        self.0.close(0).await;
    }

    fn link(&self) -> Link {
        self.0.link()
    }
}

/// Takes streams as they open. Their heads are awaited side by side: a stream is open as soon as a later
/// one is, and its head may have to wait until the bodies of others have been read.
async fn drive(connection: quinn::Connection, arrivals: Arrivals, closing: Closing) {
    let mut heads = JoinSet::new();
    let error = loop {
        let accepted = tokio::select! {
            accepted = connection.accept_bi() => accepted,
            () = closing.notified() => return,
        };
        let (write, read) = match accepted {
            Ok(stream) => stream,
            Err(ConnectionError::ApplicationClosed(_)) => return,
            Err(error) => break Error::protocol(PROTOCOL, error),
        };
        while heads.try_join_next().is_some() {}
        let arrivals = arrivals.clone();
        heads.spawn(async move {
            if let Some(incoming) = arrive(write, read).await.transpose() {
                // Nobody waits once the session is dropped.
                let _ = arrivals.send(incoming).await;
            }
        });
    };
    let _ = arrivals.send(Err(error)).await;
}

async fn arrive(write: SendStream, mut read: RecvStream) -> Result<Option<Incoming>, Error> {
    let Some(head) = frame::read::<RequestHead>(PROTOCOL, &mut read).await? else { return Ok(None) };
    let unread = head.length;
    let request = head.request(PROTOCOL, QuicBody { read, unread }.boxed_unsync())?;
    Ok(Some(Incoming { request, responder: Box::new(QuicResponder(write)) }))
}

struct QuicResponder(SendStream);

#[async_trait]
impl Responder for QuicResponder {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let head = frame::encode(PROTOCOL, &ResponseHead::of(&response))?;
        send(&mut self.0, head, response.into_body()).await
    }
}

async fn send(write: &mut SendStream, head: Vec<u8>, mut body: Body) -> Result<(), Error> {
    let broken = |error| Error::protocol(PROTOCOL, error);
    write.write_chunk(head.into()).await.map_err(broken)?;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                // The stream may be closed already, which tells the peer as much.
                let _ = write.reset(BODY_FAILED);
                return Err(Error::body(&error));
            }
        };
        if let Ok(chunk) = frame.into_data() {
            write.write_chunk(chunk).await.map_err(broken)?;
        }
    }
    write.finish().map_err(|error| Error::protocol(PROTOCOL, error))
}

/// A body as it arrives, datagram by datagram.
struct QuicBody {
    read: RecvStream,
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
            Ok(None) => Err(Error::Truncated(format!("{} bytes were still to come", self.unread)).into()),
            Err(error) => Err(Error::truncated(error).into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.unread == 0
    }
}
