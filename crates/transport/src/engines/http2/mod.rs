//! HTTP/2 over a byte stream, by h2.

use async_trait::async_trait;
use bytes::Bytes;
use h2::{Ping, client, server};
use http::{Request, Response};
use http_body::Body as _;
use record::{H2_FRAME, H2_SEND_BUFFER, H2_WINDOW, Limits};
use tracing::debug;

use crate::{
    Body, BodySent, Connection, Error, Guards, Incoming, Link, Responder, Session,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    session::{Arrivals, CloseSignal, DrivenSession, LinkSource as _},
    settings::{FromLimits, bytes},
    tasks::Tasks,
};
use body::{received, send};
use gather::Gather;
use turns::{ReadQuota, Turns};

mod body;
mod footprint;
mod gather;
mod turns;

/// The protocol's name in errors.
const PROTOCOL: &str = "HTTP/2";

/// The number of small DATA frames that are accepted in a row. By default h2 takes many frames under 256 bytes for an
/// attack. Here a small chunk size produces them, and bodies are consumed on arrival, so they cost nothing.
const DATA_FRAME_BUDGET: usize = usize::MAX;

/// The engine of the `h2c` and `h2` rows.
#[derive(Clone)]
pub(crate) struct Http2 {
    /// The receive window of a stream, and of the connection.
    window: u32,
    /// The largest DATA frame that is accepted.
    frame: u32,
    /// The bytes queued for a stream before it has no more capacity.
    send_buffer: usize,
}

impl FromLimits for Http2 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            window: bytes(limits, &H2_WINDOW)?,
            frame: bytes(limits, &H2_FRAME)?,
            send_buffer: bytes(limits, &H2_SEND_BUFFER)?,
        })
    }
}

#[async_trait]
impl ClientEngine for Http2 {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        let turns = Turns::default();
        let (requests, mut connection) = client::Builder::new()
            .initial_window_size(self.window)
            .initial_connection_window_size(self.window)
            .max_frame_size(self.frame)
            .max_send_buffer_size(self.send_buffer)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .enable_push(false)
            .handshake(layers(stream, &info, &turns))
            .await
            .map_err(Error::handshake)?;
        let ping = connection.ping_pong();
        let tasks = Tasks::default();
        tasks.spawn(turns.count(async {
            // The error also reaches every exchange on the connection.
            if let Err(error) = connection.await {
                debug!("{PROTOCOL}: {error}");
            }
        }));
        // The pong follows the peer's SETTINGS: from here on its windows and frame size are in force.
        if let Some(mut ping) = ping {
            ping.ping(Ping::opaque()).await.map_err(Error::handshake)?;
        }
        Ok(Box::new(Http2Connection { requests, info, tasks }))
    }
}

#[async_trait]
impl ServerEngine for Http2 {
    /// The identifier that RFC 9113 section 3.2 registers.
    const ALPN: &'static [&'static str] = &["h2"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let turns = Turns::default();
        let connection = server::Builder::new()
            .initial_window_size(self.window)
            .initial_connection_window_size(self.window)
            .max_frame_size(self.frame)
            .max_send_buffer_size(self.send_buffer)
            .max_header_list_size(guards.header_bytes)
            .max_concurrent_streams(guards.streams)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(layers(stream, &info, &turns))
            .await
            .map_err(Error::handshake)?;
        Ok(DrivenSession::start(guards.streams, info, |arrivals, close| {
            turns.count(drive(connection, arrivals, close))
        }))
    }
}

/// The layers between h2 and the carrier.
fn layers<S: Stream>(stream: S, info: &StreamInfo, turns: &Turns) -> Gather<ReadQuota<S>> {
    Gather::new(ReadQuota::new(stream, turns.clone()), info.cork(), turns.clone())
}

struct Http2Connection {
    requests: client::SendRequest<Bytes>,
    info: StreamInfo,
    tasks: Tasks,
}

#[async_trait]
impl Connection for Http2Connection {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let broken = |error| Error::protocol(PROTOCOL, error);
        let mut requests = self.requests.clone().ready().await.map_err(broken)?;
        let (head, body) = request.into_parts();
        let empty = body.is_end_stream();
        let (response, stream) =
            requests.send_request(Request::from_parts(head, ()), empty).map_err(broken)?;
        if empty {
            let mut response = response.await.map_err(broken)?.map(received);
            response.extensions_mut().insert(BodySent::completed());
            return Ok(response);
        }
        let (body_failed, sent) = self.tasks.pump(send(stream, body));
        let mut response = tokio::select! {
            // A body that fails resets the stream, and then the response fails as well: report the cause.
            biased;
            error = body_failed => return Err(error),
            response = response => response.map_err(broken)?.map(received),
        };
        response.extensions_mut().insert(sent);
        Ok(response)
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

/// Drives a server's connection: polling for the next request lets all its streams progress.
async fn drive(
    mut connection: server::Connection<impl Stream, Bytes>,
    arrivals: Arrivals,
    close: CloseSignal,
) {
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = close.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(accepted) = accepted else { return };
        let incoming = accepted
            .map(|(request, respond)| Incoming::new(request.map(received), Box::new(Http2Responder(respond))))
            .map_err(|error| Error::protocol(PROTOCOL, error));
        // The channel has room for as many requests as the settings admit streams.
        if arrivals.try_send(incoming).is_err() {
            return;
        }
    }
}

struct Http2Responder(server::SendResponse<Bytes>);

#[async_trait]
impl Responder for Http2Responder {
    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let (head, body) = response.into_parts();
        let empty = body.is_end_stream();
        let stream = self
            .0
            .send_response(Response::from_parts(head, ()), empty)
            .map_err(|error| Error::protocol(PROTOCOL, error))?;
        if empty { Ok(()) } else { send(stream, body).await }
    }
}
