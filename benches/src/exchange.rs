//! One transfer over a connection: the client's request and the server's response.
//!
//! Both ends are in one process, so the client gives the server its part directly. Both parts are prepared before the
//! clock starts.

use std::{
    pin::{Pin, pin},
    sync::mpsc::Receiver,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream as _;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use metrics::{Meter, Stamp};
use payload::{Payload, PayloadError, Source};
use receiver::SpinTime;
use record::{Case, Direction, End};
use run::Outgoing;
use transport::{Body, BodyLength, Connection, Session};

/// The instruments on the body of a sender and the loop of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruments {
    /// The instruments of `longhaul bench`: meters, and a receiver that busy-polls before it waits.
    Bench,
    /// Meters, without busy-polling.
    Meters,
    /// No instruments: the simplest body and loop that move the same bytes.
    None,
}

/// The part of one end in a transfer.
pub(crate) struct Part {
    case: Case,
    bodies: Bodies,
}

enum Bodies {
    Metered { outgoing: Box<Outgoing>, meter: Meter, spun: SpinTime },
    Bare(Payload),
}

impl Part {
    /// Prepares the parts of client and server.
    pub(crate) fn both(case: &Case, instruments: Instruments) -> (Self, Self) {
        let part = |end| Self::prepare(case, instruments, end);
        (part(case.direction.client()), part(case.direction.server()))
    }

    fn prepare(case: &Case, instruments: Instruments, end: End) -> Self {
        let mut case = case.clone();
        if instruments != Instruments::Bench {
            case.spin = None;
        }
        let bodies = if instruments == Instruments::None {
            Bodies::Bare(Payload::prepare(&case.payload, case.seed, case.chunk))
        } else {
            let meter = Meter::new(case.chunk.into());
            let outgoing = Box::new(Outgoing::prepare(&case, end, &meter));
            Bodies::Metered { outgoing, meter, spun: SpinTime::default() }
        };
        Self { case, bodies }
    }

    /// Makes the transfer over `connection` to the server at `target`. Returns the time of the transfer, up to its
    /// confirmed end.
    pub(crate) async fn exchange(&self, connection: &dyn Connection, target: &str) -> Duration {
        let (method, body) = match self.case.direction {
            Direction::Up => (Method::PUT, self.body()),
            Direction::Down => (Method::GET, transport::body::empty()),
        };
        let mut request = Request::builder().method(method).uri(target).body(body).expect("a request");
        if self.case.direction == Direction::Up {
            request.extensions_mut().insert(BodyLength(self.case.body.0));
        }
        let began = Stamp::now();
        let response = connection.exchange(request).await.expect("a response");
        let response = run::accepted(response).await.expect("a success");
        match self.case.direction {
            Direction::Up => drop(run::short_body(response).await.expect("the end of the response")),
            Direction::Down => self.receive(response.into_body()).await,
        }
        began.elapsed()
    }

    /// Returns the server's response to the one request of the transfer.
    async fn response(&self, request: Request<Body>) -> Response<Body> {
        if self.case.direction == Direction::Up {
            self.receive(request.into_body()).await;
            return Response::new(transport::body::empty());
        }
        let mut response = Response::new(self.body());
        response.extensions_mut().insert(BodyLength(self.case.body.0));
        response
    }

    fn body(&self) -> Body {
        match &self.bodies {
            Bodies::Metered { outgoing, .. } => outgoing.body(0).expect("a generated payload"),
            Bodies::Bare(payload) => {
                let source = payload.open(self.case.body.0).expect("a generated payload");
                BareBody { source, polled: false }.map_err(Into::into).boxed_unsync()
            }
        }
    }

    async fn receive(&self, body: Body) {
        let received = match &self.bodies {
            Bodies::Metered { meter, spun, .. } => {
                let receipt = run::receive(&self.case, meter, spun, body).await;
                receipt.expect("the whole body").bytes
            }
            Bodies::Bare(_) => drain(body).await,
        };
        assert_eq!(received, self.case.body.0);
    }
}

/// Answers each request with the next of `parts`, until the client is gone.
pub(crate) async fn serve(session: &dyn Session, parts: Receiver<Part>) {
    while let Ok(Some(incoming)) = session.accept().await {
        let part = parts.recv().expect("a part for each request");
        let response = part.response(incoming.request).await;
        incoming.responder.respond(response).await.expect("a client that listens");
    }
}

/// Pulls a body to its end. Returns its length in bytes.
async fn drain(body: Body) -> u64 {
    let (mut body, mut bytes) = (pin!(body), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("a chunk").into_data().map_or(0, |data| data.len() as u64);
    }
    bytes
}

/// The chunks of a payload, neither counted nor timed.
struct BareBody {
    source: Source,
    polled: bool,
}

impl http_body::Body for BareBody {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        self.polled = true;
        Pin::new(&mut self.source).poll_next(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.polled && self.source.is_finished()
    }
}
