//! One transfer, as a client makes it and as a server answers it.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream as _;
use http::{Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty};
use metrics::{Meter, Stamp};
use payload::{ChunkSize, Kind, Payload, Source};
use receiver::Sink;
use sender::MeteredBody;
use transport::{Body, BodyLength, Connection, Incoming, Session};

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

impl Direction {
    /// As in a case's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Whether a body passes longhaul's meters, or nothing but the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metering {
    /// The body and the loop that `longhaul bench` measures with.
    On,
    /// The barest body and loop that move the same bytes.
    Off,
}

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Which way the body goes.
    pub direction: Direction,
    /// The chunk, in bytes.
    pub chunk: u64,
    /// The body, in bytes.
    pub size: u64,
    /// Whether both ends meter it.
    pub metering: Metering,
}

impl Job {
    /// Makes the transfer over `connection` to the server at `target`, and tells how long it took, up to the
    /// confirmed end.
    pub async fn make(self, connection: &dyn Connection, target: &str) -> Duration {
        let metered = u8::from(self.metering == Metering::On);
        let uri: Uri = format!("{target}/{}/{}/{metered}", self.chunk, self.size).parse().expect("a target");
        let began;
        match self.direction {
            Direction::Up => {
                let request = Request::builder().method(Method::PUT).uri(uri);
                let mut request = request.body(self.body()).expect("a request");
                request.extensions_mut().insert(BodyLength(self.size));
                began = Stamp::now();
                let response = connection.exchange(request).await.expect("a response");
                response.into_body().collect().await.expect("an end");
            }
            Direction::Down => {
                let request = Request::builder().uri(uri).body(empty()).expect("a request");
                began = Stamp::now();
                let response = connection.exchange(request).await.expect("a response");
                self.take(response.into_body()).await;
            }
        }
        began.elapsed()
    }

    /// What a request asks for.
    fn of(request: &Request<Body>) -> Self {
        let mut path = request.uri().path().split('/').skip(1).map(|part| part.parse::<u64>());
        let mut next = || path.next().expect("a part of the path").expect("a number");
        let direction = if request.method() == Method::PUT { Direction::Up } else { Direction::Down };
        let (chunk, size) = (next(), next());
        Self { direction, chunk, size, metering: if next() == 1 { Metering::On } else { Metering::Off } }
    }

    fn body(self) -> Body {
        let chunk = ChunkSize::try_from(self.chunk).expect("a chunk size");
        let source =
            Payload::prepare(&Kind::Random, SEED, chunk).open(self.size).expect("a generated payload");
        match self.metering {
            Metering::On => {
                MeteredBody::new(source, Meter::new(self.chunk), false).map_err(Into::into).boxed_unsync()
            }
            Metering::Off => BareBody { source, begun: false }.map_err(Into::into).boxed_unsync(),
        }
    }

    async fn take(self, body: Body) {
        match self.metering {
            Metering::On => {
                let meter = Meter::new(self.chunk);
                let receipt =
                    receiver::receive(body, &meter, Sink::Discard, Some(self.size), None, Duration::ZERO)
                        .await;
                receipt.expect("the whole body");
            }
            Metering::Off => {
                let (mut body, mut taken) = (pin!(body), 0);
                while let Some(frame) = body.frame().await {
                    taken += frame.expect("a piece").into_data().map_or(0, |piece| piece.len() as u64);
                }
                assert_eq!(taken, self.size);
            }
        }
    }
}

/// Answers one request after the other, until the client is gone.
pub async fn serve(session: &dyn Session) {
    while let Ok(Some(Incoming { request, responder })) = session.accept().await {
        let job = Job::of(&request);
        let response = match job.direction {
            Direction::Up => {
                job.take(request.into_body()).await;
                Response::new(empty())
            }
            Direction::Down => {
                let mut response = Response::new(job.body());
                response.extensions_mut().insert(BodyLength(job.size));
                response
            }
        };
        responder.respond(response).await.expect("a client that listens");
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A payload as it is.
struct BareBody {
    source: Source,
    begun: bool,
}

impl http_body::Body for BareBody {
    type Data = Bytes;
    type Error = payload::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, payload::Error>>> {
        self.begun = true;
        Pin::new(&mut self.source).poll_next(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.begun && self.source.is_finished()
    }
}
