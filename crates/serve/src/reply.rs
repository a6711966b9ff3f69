//! The sending of responses to clients.

use std::{net::SocketAddr, pin::pin, time::Duration};

use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use tokio::{sync::watch, time::timeout};
use transport::{Body, Responder};

use crate::{
    delivery::Delivery, download::Transfer, patience::Patience, refusal::Refusal, response,
    stall::unless_reader_stalls,
};

/// The Server header of all responses. A version would tell attackers which faults to try.
const SERVER: &str = "longhaul";

/// The longest time for which a refused upload is drained, so that its client reads the refusal instead of a reset. A
/// client that reads nothing before it has sent everything needs this time. nginx's `lingering_time` is as long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause of an upload that is drained, as in nginx's `lingering_timeout`.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);

/// The effect of an exchange on its connection over HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionFate {
    /// The connection can carry more requests.
    KeepOpen,
    /// The exchange broke, or the position of the next request is unknown.
    Close,
}

/// The properties of a connection that its responses depend on.
pub(crate) struct Circumstances<'a> {
    /// The address of the client.
    pub(crate) client: SocketAddr,
    /// True if TLS or QUIC encrypts the connection.
    pub(crate) is_encrypted: bool,
    /// The Alt-Svc header of responses, if there is one.
    pub(crate) alt_svc: Option<&'a str>,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The bounds on slow transfers of the client.
    pub(crate) patience: Patience,
    /// The count of bytes that have reached the client.
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

    /// Returns the address of the client.
    pub(crate) fn client(&self) -> SocketAddr {
        self.connection.client
    }

    /// Returns whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.connection.is_encrypted
    }

    /// Waits until the server stops.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let mut stopping = self.connection.stopping.clone();
        async move {
            // An error means that the server was dropped, and has therefore stopped.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Returns the bounds on slow transfers of the client.
    pub(crate) fn patience(&self) -> Patience {
        self.connection.patience
    }

    /// Sends an interim response, if the protocol can. Returns whether it was sent.
    pub(crate) async fn inform(&mut self, head: Response<()>) -> bool {
        let informed = timeout(self.connection.patience.idle, self.responder.inform(head)).await;
        matches!(informed, Ok(Ok(true)))
    }

    /// Sends a response whose body is in memory. The response is aborted if the client does not read it within two idle
    /// timeouts. The second one is needed over HTTP/3, where a stalled download may hold the whole window of the
    /// connection. The first timeout resets that download, and the client then returns the window.
    pub(crate) async fn send(self, response: Response<Body>) -> ConnectionFate {
        let longest = self.connection.patience.idle.saturating_mul(2);
        timeout(longest, self.respond(response)).await.unwrap_or(ConnectionFate::Close)
    }

    /// Sends a response with a streamed body to its end. The body is aborted if the client reads too slowly.
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

    /// Sends a response whose body `conversation` writes. If the response ends first, the conversation is dropped. If
    /// the conversation ends first, the rest of the response may take one idle timeout. The conversation has no time
    /// limit, because it notices itself that its client is gone.
    pub(crate) async fn converse(
        self,
        response: Response<Body>,
        conversation: impl Future<Output = ()>,
    ) -> ConnectionFate {
        let longest = self.connection.patience.idle;
        let mut responding = pin!(self.respond(response));
        tokio::select! {
            _ = &mut responding => return ConnectionFate::Close,
            () = conversation => {}
        }
        timeout(longest, responding).await.unwrap_or(ConnectionFate::Close)
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

    /// Refuses a request by its head alone. No 100 is sent to a client that waits for one.
    pub(crate) async fn refuse(self, refusal: Refusal, body: Body) -> ConnectionFate {
        if self.expects_continue {
            let fate = self.send(refusal.response()).await;
            drop(body);
            return fate;
        }
        self.refuse_midway(refusal, body).await
    }

    /// Sends a refusal while draining the request's body. A client that is still sending would otherwise see a reset
    /// before it reads the refusal.
    pub(crate) async fn refuse_midway(self, refusal: Refusal, body: Body) -> ConnectionFate {
        let (fate, drained) = tokio::join!(self.send(refusal.response()), drain(body));
        if drained { fate } else { ConnectionFate::Close }
    }
}

/// Reads a body to its end, within the limits for draining. Returns whether the end came.
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
