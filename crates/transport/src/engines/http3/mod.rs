//! HTTP/3 over QUIC (RFC 9114), by h3.

use async_trait::async_trait;
use bytes::Bytes;
use h3::{error::StreamError, quic};
use record::{DISCOVERED_QUIC_MTU, End, H3_RECV, Limits, QUIC_MTU, QUIC_SEND_WINDOW, Term};

use crate::{
    BodyError, Connection, Error, Guards, Session, Shape,
    carriers::quic::{Established, QuicEngine},
    footprint::{Footprint, kib},
    settings::{FromLimits, choice},
};
use streams::{Bounds, JOINED, PIECES, Role, Violation};

mod body;
mod client;
mod fields;
mod server;
mod streams;

#[cfg(any(test, fuzzing))]
pub use streams::fuzzing::h3_frames;

/// The protocol's name in errors.
const PROTOCOL: &str = "HTTP/3";

/// The value of [`H3_RECV`] that selects the streams of h3-quinn.
const STOCK: &str = "stock";

/// The engine of the `h3` row.
#[derive(Clone)]
pub(crate) struct Http3 {
    receive_path: ReceivePath,
}

/// The streams that h3 runs on.
#[derive(Clone, Copy)]
enum ReceivePath {
    /// The streams of this crate, from which h3 takes one piece at a time.
    Bounded,
    /// The streams of h3-quinn 0.0.10, from which h3 0.0.8 buffers without bound for a slow reader (hyperium/h3 issue
    /// 308).
    Stock,
}

impl FromLimits for Http3 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let known = [("bounded", ReceivePath::Bounded), (STOCK, ReceivePath::Stock)];
        Ok(Self { receive_path: choice(limits, &H3_RECV, &known)? })
    }
}

impl Footprint for Http3 {
    /// Returns the memory of HTTP/3 beyond that of QUIC.
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => {
                let stock = limits.choice(&H3_RECV) == Some(STOCK);
                let copies = stock || shape.chunk_bytes() <= JOINED as u64;
                let flag = QUIC_SEND_WINDOW.flag;
                let term = shape.term(
                    "QUIC send window",
                    limits.bytes(&QUIC_SEND_WINDOW),
                    format!(
                        "{flag} per connection: frames of up to {} are copied, and all of them by h3-quinn",
                        kib(JOINED as u64)
                    ),
                );
                Some(term).filter(|_| copies).into_iter().collect()
            }
            End::Receiver => {
                let datagram = limits.bytes_unless_auto(&QUIC_MTU).unwrap_or(DISCOVERED_QUIC_MTU);
                vec![Term::new(
                    "HTTP/3 pieces",
                    datagram.saturating_mul(PIECES as u64).saturating_mul(shape.bodies()),
                    format!(
                        "{PIECES} datagrams per stream, taken from quinn and not yet asked for by h3; they \
                         have left the window"
                    ),
                )]
            }
        }
    }
}

#[async_trait]
impl QuicEngine for Http3 {
    /// The identifier that RFC 9114 section 3.1 registers.
    const ALPN: &'static str = "h3";

    /// H3_EXCESSIVE_LOAD (RFC 9114 section 8.1).
    const NO_PLACE: u32 = 0x107;

    async fn client(&self, established: Established) -> Result<Box<dyn Connection>, Error> {
        let (connection, data_frames) = (established.connection.clone(), established.data_frames());
        match self.receive_path {
            ReceivePath::Bounded => {
                let (streams, supervisor) =
                    streams::Connection::new(connection, Role::Client, client::BOUNDS, None, data_frames);
                client::start(established, streams, Some(supervisor)).await
            }
            ReceivePath::Stock => {
                client::start(established, h3_quinn::Connection::new(connection), None).await
            }
        }
    }

    async fn server(&self, established: Established, guards: &Guards) -> Result<Box<dyn Session>, Error> {
        let (connection, data_frames) = (established.connection.clone(), established.data_frames());
        match self.receive_path {
            ReceivePath::Bounded => {
                let bounds = Bounds {
                    header_bytes: guards.header_bytes,
                    header_count: guards.header_count,
                    heads: Some(u32::try_from(guards.shared_by_heads()).unwrap_or(u32::MAX)),
                    short_head: guards.short_head(),
                    head_timeout: Some(guards.header_timeout),
                };
                let windows = established.windows();
                let (streams, supervisor) =
                    streams::Connection::new(connection, Role::Server, bounds, windows, data_frames);
                server::start(established, streams, Some(supervisor), guards).await
            }
            ReceivePath::Stock => {
                established.windows().iter().for_each(|windows| windows.open());
                server::start(established, h3_quinn::Connection::new(connection), None, guards).await
            }
        }
    }
}

/// The streams of a QUIC connection that h3 can run on, with the bounds that both ends need.
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

/// Returns the error of a stream. `violation` is the violation by which the peer made this end close the connection.
fn broken(error: StreamError, violation: Option<Violation>) -> Error {
    Error::protocol(PROTOCOL, cause(error, violation))
}

/// Returns the cause of the error of a stream: the violation by which the peer made this end close the connection, if
/// there is one. h3 would call the closed connection an error of the peer's.
fn cause(error: StreamError, violation: Option<Violation>) -> BodyError {
    let violation = violation.filter(|_| matches!(error, StreamError::ConnectionError { .. }));
    violation.map_or_else(|| error.into(), Into::into)
}
