//! The sending of responses to clients.

use std::{net::SocketAddr, time::Duration};

use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use transport::{Body, Responder};

use crate::{
    delivery::Delivery, download::Transfer, patience::Patience, refusal::Refusal, response,
    stall::unless_reader_stalls,
};

/// The Server header of all responses. The version would tell strangers which faults to try.
const SERVER: &str = "longhaul";

/// The longest time for which a refused upload is drained, so that its client reads the refusal instead of a reset. A
/// client that reads nothing before it has sent everything needs all of it: nginx's `lingering_time` is as long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause of an upload that is drained: nginx's `lingering_timeout`.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);

/// The fate of an exchange, which decides that of its connection over HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionFate {
    /// The connection can carry more requests.
    KeepOpen,
    /// The exchange broke, or the position of the next request is unknown.
    Close,
}

/// The facts about a connection that its responses depend on.
pub(crate) struct Circumstances<'a> {
    /// The address of the client.
    pub(crate) client: SocketAddr,
    /// The Alt-Svc header of responses, if any.
    pub(crate) alt_svc: Option<&'a str>,
    /// The bounds on the slowness of the client.
    pub(crate) patience: Patience,
    /// The bytes that have reached the client.
    pub(crate) delivery: Delivery<'a>,
}

/// A sender of the response to one request. It adds the headers that all responses have.
pub(crate) struct Reply<'a> {
    responder: Box<dyn Responder>,
    connection: &'a Circumstances<'a>,
    /// True if the client waits for a 100 before it sends its body (RFC 9110 section 10.1.1).
    expects_continue: bool,
}

impl<'a> Reply<'a> {
    /// Wraps the responder of a request.
    pub(crate) fn new(
        responder: Box<dyn Responder>,
        request: &Request<Body>,
        connection: &'a Circumstances<'a>,
    ) -> Self {
        let expect = request.headers().get(header::EXPECT);
        let expects_continue =
            expect.is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self { responder, connection, expects_continue }
    }

    /// The address of the client.
    pub(crate) fn client(&self) -> SocketAddr {
        self.connection.client
    }

    /// The bounds on the slowness of the client.
    pub(crate) fn patience(&self) -> Patience {
        self.connection.patience
    }

    /// Sends a response whose body is in memory. A client that does not take it within the idle timeout loses it.
    pub(crate) async fn send(self, response: Response<Body>) -> ConnectionFate {
        let idle = self.connection.patience.idle;
        timeout(idle, self.respond(response)).await.unwrap_or(ConnectionFate::Close)
    }

    /// Sends a response with a streamed body to its end. A client that takes too little of it loses the rest.
    pub(crate) async fn stream(self, response: Response<Body>, transfer: &Transfer) -> ConnectionFate {
        let connection = self.connection;
        let sending = async {
            let (fate, ()) = tokio::join!(self.respond(response), transfer.progress.over());
            fate
        };
        unless_reader_stalls(connection.patience, &transfer.meter, &connection.delivery, sending)
            .await
            .unwrap_or(ConnectionFate::Close)
    }

    async fn respond(self, mut response: Response<Body>) -> ConnectionFate {
        response::set(&mut response, header::SERVER, SERVER);
        if let Some(alt_svc) = self.connection.alt_svc {
            response::set(&mut response, header::ALT_SVC, alt_svc);
        }
        match self.responder.respond(response).await {
            Ok(()) => ConnectionFate::KeepOpen,
            Err(_) => ConnectionFate::Close,
        }
    }

    /// Refuses a request by its head alone. A client that waits for a 100 before its body gets none.
    pub(crate) async fn refuse(self, refusal: Refusal, body: Body) -> ConnectionFate {
        if self.expects_continue {
            let fate = self.send(refusal.response()).await;
            drop(body);
            return fate;
        }
        self.refuse_midway(refusal, body).await
    }

    /// Sends a refusal, and drains the request's body meanwhile: a client that is still sending would otherwise see a
    /// reset before it reads the refusal.
    pub(crate) async fn refuse_midway(self, refusal: Refusal, body: Body) -> ConnectionFate {
        let (fate, drained) = tokio::join!(self.send(refusal.response()), drain(body));
        if drained { fate } else { ConnectionFate::Close }
    }
}

/// Reads a body to its end, for a while. Returns whether the end came.
async fn drain(mut body: Body) -> bool {
    let read = async {
        loop {
            match timeout(DRAIN_PAUSE, body.frame()).await {
                Ok(Some(Ok(_))) => {}
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
    };
    timeout(DRAIN_TIMEOUT, read).await.unwrap_or(false)
}
