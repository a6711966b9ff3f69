//! Bodies over every protocol: they arrive unchanged in both directions, and a failed body is distinguished from a
//! complete one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use longhaul_transport::{
    Bind, Body, BodyError, BodyLength, Connection, Error, Identity, Peer, Session, Transport, Trust, all,
};
use record::{Limits, Profile};

/// The length of a body, in bytes: more than any window admits.
const LENGTH: usize = 5_000_000;

/// A body whose bytes count up, in chunks of one size; it fails once `fails_at` bytes are sent.
struct Counting {
    chunk: usize,
    sent: usize,
    fails_at: usize,
}

impl http_body::Body for Counting {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.sent >= self.fails_at {
            return Poll::Ready(Some(Err("no more to read".into())));
        }
        let length = self.chunk.min(LENGTH - self.sent);
        let bytes: Vec<u8> = (self.sent..self.sent + length).map(|at| (at % 251) as u8).collect();
        self.sent += length;
        Poll::Ready((length > 0).then(|| Ok(Frame::data(bytes.into()))))
    }
}

fn body(chunk: usize, fails_at: usize) -> Body {
    Counting { chunk, sent: 0, fails_at }.boxed_unsync()
}

/// Reads a body to its end, asserts each byte, and returns the number of bytes.
async fn read(mut body: Body) -> Result<usize, BodyError> {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap();
        assert!(data.iter().zip(read..).all(|(byte, at)| *byte == (at % 251) as u8), "after {read} bytes");
        read += data.len();
    }
    Ok(read)
}

async fn connect(transport: &dyn Transport, limits: &Limits) -> (Box<dyn Connection>, Box<dyn Session>) {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity);
    let listener = transport.listen(&bind, limits).unwrap();
    let peer = Peer::new(listener.local_addr(), "localhost", trust);
    let accept = async { listener.accept().await.unwrap().handshake.await.unwrap() };
    let (connection, session) = tokio::join!(transport.connect(&peer, limits), accept);
    (connection.unwrap(), session)
}

fn upload(transport: &dyn Transport, body: Body) -> Request<Body> {
    let scheme = transport.protocol().scheme();
    let request = Request::put(format!("{scheme}://localhost/a?b=c")).extension(BodyLength(LENGTH as u64));
    request.body(body).unwrap()
}

/// Returns every protocol with the limits to test it with.
fn variants() -> impl Iterator<Item = (&'static dyn Transport, Limits)> {
    let profiles = [Profile::Balanced, Profile::Stock];
    all().flat_map(move |transport| profiles.map(|profile| (transport, Limits::of(profile))))
}

#[tokio::test]
async fn a_body_arrives_as_it_was_sent_and_so_does_the_response() {
    for (transport, limits) in variants() {
        for chunk in [5_000, 300_000] {
            let (connection, session) = connect(transport, &limits).await;
            let serve = async {
                let incoming = session.accept().await.unwrap().unwrap();
                assert_eq!(incoming.request.uri().query(), Some("b=c"));
                assert_eq!(read(incoming.request.into_body()).await.unwrap(), LENGTH);
                let mut response = Response::new(body(chunk, usize::MAX));
                response.extensions_mut().insert(BodyLength(LENGTH as u64));
                incoming.responder.respond(response).await.unwrap();
                while session.accept().await.is_ok_and(|incoming| incoming.is_some()) {}
            };
            let exchange = async {
                let response = connection.exchange(upload(transport, body(chunk, usize::MAX))).await.unwrap();
                assert_eq!(read(response.into_body()).await.unwrap(), LENGTH);
                connection.close().await;
                drop(connection);
            };
            tokio::join!(serve, exchange);
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_is_an_error_at_both_ends() {
    for (transport, limits) in variants() {
        let (connection, session) = connect(transport, &limits).await;
        let name = transport.protocol().name;
        let serve = async {
            let incoming = session.accept().await.unwrap().unwrap();
            let broken = read(incoming.request.into_body()).await.unwrap_err();
            assert!(matches!(broken.downcast_ref(), Some(Error::Truncated { .. })), "{name}: {broken}");
        };
        let exchange = async {
            let refused =
                connection.exchange(upload(transport, body(65_536, LENGTH / 2))).await.err().unwrap();
            // hyper reports the body's error in its own words, as an error of the exchange.
            let cause = matches!(refused, Error::Body { .. }) || name.starts_with("h1");
            assert!(cause && refused.to_string().contains("no more to read"), "{name}: {refused}");
            // Over a protocol without streams, the server notices the failure when the connection is dropped. Otherwise
            // it notices the reset of the stream.
            transport.protocol().has_streams().then_some(connection)
        };
        tokio::join!(serve, exchange);
    }
}
