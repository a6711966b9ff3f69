//! A warm pair of ends for the benches: a server on a thread of its own, a client here, one connection over
//! real sockets between them.
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

use std::{sync::mpsc, thread, time::Duration};

use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use metrics::{Meter, Stamp};
use payload::{ChunkSize, Kind, Payload};
use receiver::Sink;
use sender::MeteredBody;
use tokio::runtime::{Builder, Runtime};
use transport::{
    Bind, Body, BodyLength, Connection, Identity, Incoming, Limits, Listener, Peer, Session, Transport, Trust,
};

/// The binary's allocator: with glibc's, frames go back to the kernel and the bench measures that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The name in the server's certificate.
const NAME: &str = "localhost";

/// The seed of all generated bodies.
const SEED: u64 = 1;

/// Which way the body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A connection over which one transfer after the other is made.
pub struct WarmPair {
    runtime: Runtime,
    connection: Box<dyn Connection>,
    target: String,
}

impl WarmPair {
    /// Starts a server for `transport`, which ends with the connection, and connects to it.
    pub fn connect(transport: &'static dyn Transport) -> Self {
        let (told, listening) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let identity = Identity::self_signed(&[NAME]).expect("a certificate");
                let trust = Trust::pem(identity.certificate_pem()).expect("the same certificate");
                let bind = Bind::new(([127, 0, 0, 1], 0).into(), identity);
                let listener = transport.listen(&bind, &Limits::default()).expect("a free port");
                told.send((listener.local_addr(), trust)).expect("a client that waits");
                serve(listener.as_ref()).await;
            });
        });
        let (addr, trust) = listening.recv().expect("a server that listens");
        let peer = Peer::new(addr, NAME, trust);
        let runtime = runtime();
        let connection =
            runtime.block_on(transport.connect(&peer, &Limits::default())).expect("a connection");
        let scheme = if transport.features().tls { "https" } else { "http" };
        Self { runtime, connection, target: format!("{scheme}://{NAME}:{}", addr.port()) }
    }

    /// Makes one transfer and tells how long it took, up to the confirmed end.
    pub fn transfer(&self, direction: Direction, chunk: ChunkSize, size: u64) -> Duration {
        let uri: Uri = format!("{}/{}/{size}", self.target, u64::from(chunk)).parse().expect("a target");
        self.runtime.block_on(async {
            let began;
            match direction {
                Direction::Up => {
                    let request = Request::builder().method(Method::PUT).uri(uri);
                    let mut request = request.body(body(chunk, size)).expect("a request");
                    request.extensions_mut().insert(BodyLength(size));
                    began = Stamp::now();
                    let response = self.connection.exchange(request).await.expect("a response");
                    response.into_body().collect().await.expect("an end");
                }
                Direction::Down => {
                    let request = Request::builder().uri(uri).body(empty()).expect("a request");
                    began = Stamp::now();
                    let response = self.connection.exchange(request).await.expect("a response");
                    take(response.into_body(), chunk, size).await;
                }
            }
            began.elapsed()
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Serves one connection, one request after the other.
async fn serve(listener: &dyn Listener) {
    let handshake = listener.accept().await.expect("a connection");
    let session: Box<dyn Session> = handshake.await.expect("a handshake");
    while let Ok(Some(Incoming { request, responder })) = session.accept().await {
        let mut path = request.uri().path().split('/').skip(1).map(|part| part.parse::<u64>());
        let mut next = || path.next().expect("a part of the path").expect("a number");
        let (chunk, size) = (ChunkSize::try_from(next()).expect("a chunk size"), next());
        let response = if request.method() == Method::PUT {
            take(request.into_body(), chunk, size).await;
            Response::new(empty())
        } else {
            let mut response = Response::new(body(chunk, size));
            response.extensions_mut().insert(BodyLength(size));
            response
        };
        responder.respond(response).await.expect("a client that listens");
    }
}

fn body(chunk: ChunkSize, size: u64) -> Body {
    let source = Payload::prepare(&Kind::Random, SEED, chunk).open(size).expect("a generated payload");
    MeteredBody::new(source, Meter::new(chunk.into()), false).map_err(Into::into).boxed_unsync()
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

async fn take(body: Body, chunk: ChunkSize, size: u64) {
    let meter = Meter::new(chunk.into());
    receiver::receive(body, &meter, Sink::Discard, Some(size), None).await.expect("the whole body");
}
