//! HTTP/3 over QUIC (RFC 9114), by h3.

use std::future::poll_fn;

use async_trait::async_trait;
use bytes::Bytes;
use h3::{
    client, quic,
    server::{self, RequestResolver},
};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tracing::debug;

use crate::{
    Bind, Body, Connection, DISCOVERED_QUIC_MTU, End, Error, Features, Guards, H3Recv, Handshake, Incoming,
    Limit, Limits, Link, Listener, Peer, Responder, Session, Shape, Term, Transport,
    carriers::{
        quic::{Established, QuicListener, connect, footprint, listen},
        streams::{self, Lane, Lanes},
    },
    engines::http3::{Http3Body, PROTOCOL, send},
    session::{Arrivals, Closing, Driven, Linked as _},
    tasks::Tasks,
};

/// Registered by RFC 9114 section 3.1.
const ALPN: &str = "h3";

/// H3_NO_ERROR (RFC 9114 section 8.1).
const NO_ERROR: u32 = 0x100;

pub(crate) struct H3;

#[async_trait]
impl Transport for H3 {
    fn name(&self) -> &'static str {
        "h3"
    }

    fn features(&self) -> Features {
        Features { tls: true, baseline: Some("quic"), streams: true }
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
            Limit::H3Recv,
        ]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        let mut terms = footprint(limits, end, shape);
        if end == End::Receiver {
            let datagram = limits.quic_mtu.unwrap_or(DISCOVERED_QUIC_MTU);
            terms.push(Term::new(
                "HTTP/3 pieces",
                streams::PIECES as u64 * datagram * shape.bodies(),
                "16 datagrams a stream, taken from quinn and not yet asked for by h3; they have left the window",
            ));
        }
        let copies = limits.h3_recv == H3Recv::Stock || shape.chunk <= streams::JOINED as u64;
        if end == End::Sender && copies {
            terms.push(Term::new(
                "QUIC send window",
                limits.quic_send_window * shape.connections(),
                "quic-send-window a connection: frames of up to 8 KiB are copied, and all of them by h3-quinn",
            ));
        }
        terms
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let established = connect(peer, limits, ALPN).await?;
        let connection = established.connection.clone();
        match limits.h3_recv {
            H3Recv::Bounded => {
                let (streams, lanes) = streams::Connection::new(connection);
                dial(established, streams, Some(lanes)).await
            }
            H3Recv::Stock => dial(established, h3_quinn::Connection::new(connection), None).await,
        }
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        let quic = listen(bind, limits, ALPN)?;
        Ok(Box::new(H3Listener { quic, guards: bind.guards.clone(), recv: limits.h3_recv }))
    }
}

/// What h3 runs on: our own streams, or h3-quinn's as they come.
trait Streams:
    quic::Connection<
        Bytes,
        OpenStreams: Clone + Send + Sync,
        BidiStream: quic::BidiStream<Bytes, SendStream: Send + Unpin, RecvStream: Send + Unpin> + Send,
        SendStream: Send,
        RecvStream: Send,
    > + Send
    + 'static
{
}

impl Streams for streams::Connection {}

impl Streams for h3_quinn::Connection {}

/// The sending half of a request's stream.
type Sending<C> = <<C as quic::OpenStreams<Bytes>>::BidiStream as quic::BidiStream<Bytes>>::SendStream;

async fn dial<C: Streams>(
    established: Established,
    streams: C,
    lanes: Option<Lanes>,
) -> Result<Box<dyn Connection>, Error> {
    let (mut driver, requests) = client::builder().build(streams).await.map_err(Error::handshake)?;
    let tasks = Tasks::default();
    tasks.spawn(async move {
        // The end also reaches every exchange on it.
        let end = poll_fn(|cx| driver.poll_close(cx)).await;
        debug!("{PROTOCOL}: {end}");
    });
    Ok(Box::new(H3Connection::<C> { requests, lanes, established, tasks }))
}

struct H3Connection<C: Streams> {
    requests: client::SendRequest<C::OpenStreams, Bytes>,
    lanes: Option<Lanes>,
    established: Established,
    tasks: Tasks,
}

#[async_trait]
impl<C: Streams> Connection for H3Connection<C> {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let broken = |error| Error::protocol(PROTOCOL, error);
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let stream = self.requests.clone().send_request(head).await.map_err(broken)?;
        let lane = self.lanes.as_ref().map(|lanes| lanes.of(stream.id()));
        let (write, mut read) = stream.split();
        let body_failed = self.tasks.pump(send(write, body, lane.clone()));
        let response = tokio::select! {
            response = read.recv_response() => response.map_err(broken)?,
            error = body_failed => return Err(error),
        };
        lane.iter().for_each(Lane::shut);
        Ok(response.map(|()| Http3Body { read, lane }.boxed_unsync()))
    }

    async fn close(&self) {
        self.established.close(NO_ERROR).await;
    }

    fn link(&self) -> Link {
        self.established.link()
    }
}

struct H3Listener {
    quic: QuicListener,
    guards: Guards,
    recv: H3Recv,
}

#[async_trait]
impl Listener for H3Listener {
    fn local_addr(&self) -> std::net::SocketAddr {
        self.quic.local_addr()
    }

    async fn accept(&self) -> Result<Handshake, Error> {
        let handshake = self.quic.accept().await?;
        let (guards, recv) = (self.guards.clone(), self.recv);
        Ok(Box::pin(async move {
            let established = handshake.await?;
            let connection = established.connection.clone();
            match recv {
                H3Recv::Bounded => {
                    let (streams, lanes) = streams::Connection::new(connection);
                    answer(established, streams, Some(lanes), &guards).await
                }
                H3Recv::Stock => {
                    answer(established, h3_quinn::Connection::new(connection), None, &guards).await
                }
            }
        }))
    }
}

async fn answer<C: Streams>(
    established: Established,
    streams: C,
    lanes: Option<Lanes>,
    guards: &Guards,
) -> Result<Box<dyn Session>, Error> {
    let connection = server::builder()
        .max_field_section_size(guards.header_bytes.into())
        .build(streams)
        .await
        .map_err(Error::handshake)?;
    let drive = |arrivals, closing| drive::<C>(connection, lanes, arrivals, closing);
    Ok(Driven::start(guards.streams, established, drive))
}

/// Drives a server's connection: accepting is what makes its control streams go on.
async fn drive<C: Streams>(
    mut connection: server::Connection<C, Bytes>,
    lanes: Option<Lanes>,
    arrivals: Arrivals,
    closing: Closing,
) {
    let error = loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = closing.notified() => match connection.shutdown(0).await {
                Ok(()) => continue,
                Err(error) => break error,
            },
        };
        match accepted {
            Ok(Some(resolver)) => {
                let (arrivals, lanes) = (arrivals.clone(), lanes.clone());
                tokio::spawn(async move {
                    // Nobody waits once the session is dropped.
                    let _ = arrivals.send(arrive::<C>(resolver, lanes).await).await;
                });
            }
            Ok(None) => return,
            Err(error) => break error,
        }
    };
    if !error.is_h3_no_error() {
        let _ = arrivals.send(Err(Error::protocol(PROTOCOL, error))).await;
    }
}

async fn arrive<C: Streams>(
    resolver: RequestResolver<C, Bytes>,
    lanes: Option<Lanes>,
) -> Result<Incoming, Error> {
    let resolved = resolver.resolve_request().await;
    let (request, stream) = resolved.map_err(|error| Error::protocol(PROTOCOL, error))?;
    let lane = lanes.as_ref().map(|lanes| lanes.of(stream.id()));
    let (write, read) = stream.split();
    lane.iter().for_each(Lane::shut);
    let responder = Box::new(H3Responder::<Sending<C>> { write, lane: lane.clone() });
    let request = request.map(|()| Http3Body { read, lane }.boxed_unsync());
    Ok(Incoming { request, responder })
}

struct H3Responder<S> {
    write: server::RequestStream<S, Bytes>,
    lane: Option<Lane>,
}

#[async_trait]
impl<S: quic::SendStream<Bytes> + Send> Responder for H3Responder<S> {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let (head, body) = response.into_parts();
        self.write
            .send_response(Response::from_parts(head, ()))
            .await
            .map_err(|error| Error::protocol(PROTOCOL, error))?;
        send(self.write, body, self.lane).await
    }
}
