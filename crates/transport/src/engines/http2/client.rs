//! The client's end of HTTP/2.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use h2::{
    Ping,
    client::{Builder, Connection as Driven, SendRequest},
};
use http::{Request, Response};
use http_body::Body as _;
use tokio::sync::Mutex;

use super::{
    Http2, PROTOCOL, Sizing,
    body::{ReadAhead, Sending},
    failure::Failure,
    layered,
    opening::{self, Opening},
    receiving::received,
    small_frames::SmallFrames,
    turns::Turns,
    watched::Watched,
};
use crate::{
    Body, BodySent, Connection, Error, Link,
    carriers::{Stream, StreamInfo},
    driver::Driver,
    engines::patient::{AfterFailure, Patient, Unsent, WriteFailure},
    session::{CloseSignal, LinkSource as _},
    tasks::Tasks,
};

/// Exchanges the settings of HTTP/2, and starts to drive the connection.
///
/// # Errors
/// Fails if the server does not speak HTTP/2, or the connection broke.
pub(super) async fn start(
    engine: &Http2,
    stream: impl Stream,
    info: StreamInfo,
) -> Result<Box<dyn Connection>, Error> {
    let broken = |error| Error::handshake(Failure(error));
    let turns = Turns::default();
    // After a failed write, h2 must still read the server's response. It answers a PING before it reads on, so writes
    // are discarded.
    let (stream, write_failure) = Patient::new(stream, AfterFailure::Discard);
    let opening = (engine.sizing == Sizing::Adaptive)
        .then(|| Arc::new(Opening::by_path(opening::window(None, engine.window), CloseSignal::default())));
    let window = info.connection_window().unwrap_or(engine.window);
    let mut builder = Builder::new();
    builder
        .initial_window_size(engine.window)
        .initial_connection_window_size(opening.as_ref().map_or(window, |opening| opening.size()))
        .max_frame_size(engine.frame)
        .max_send_buffer_size(engine.send_buffer)
        .enable_push(false);
    if !engine.layers.are_none() {
        builder.data_frame_budget(usize::MAX);
    }
    let small_frames = watches(engine, &info).then(SmallFrames::default);
    let stream = Watched::new(layered(engine.layers, stream, &info, &turns), small_frames.clone());
    let (requests, mut connection) = builder.handshake(stream).await.map_err(broken)?;
    let ping = connection.ping_pong();
    let tasks = Tasks::default();
    let driver = match opening.clone() {
        Some(opening) => {
            let connection = async move { drive(connection, &opening).await.map_err(Failure) };
            Driver::spawn(&tasks, PROTOCOL, turns.clone().count(connection))
        }
        None => {
            let connection = async { connection.await.map_err(Failure) };
            Driver::spawn(&tasks, PROTOCOL, turns.clone().count(connection))
        }
    };
    // The pong follows the peer's SETTINGS: from here on, the peer's windows and frame size are in force.
    if let Some(mut ping) = ping {
        ping.ping(Ping::opaque()).await.map_err(broken)?;
        if let Some(opening) = &opening {
            tasks.spawn(opening.clone().follow_path(ping));
        }
    }
    let requests = Mutex::new(Some(requests));
    let send_buffer = engine.send_buffer;
    Ok(Box::new(Http2Connection {
        requests,
        send_buffer,
        window,
        opening,
        small_frames,
        turns,
        write_failure,
        info,
        driver,
        tasks,
    }))
}

/// Returns whether a connection bounds the small frames that wait. A connection whose unread bodies must not block
/// others is always read. Without layers, h2 has a bound of its own, at which it ends the connection.
fn watches(engine: &Http2, info: &StreamInfo) -> bool {
    info.is_any_server() && info.connection_window().is_none() && !engine.layers.are_none()
}

/// Drives a connection whose window changes.
async fn drive(mut connection: Driven<impl Stream, Bytes>, opening: &Opening) -> Result<(), h2::Error> {
    loop {
        tokio::select! {
            biased;
            () = opening.notified() => {
                if let Some(size) = opening.grown() {
                    connection.set_target_window_size(size);
                }
            }
            end = &mut connection => return end,
        }
    }
}

struct Http2Connection {
    /// The sender of requests; `None` once the connection has been closed.
    requests: Mutex<Option<SendRequest<Bytes>>>,
    /// The most bytes that h2 queues for one stream.
    send_buffer: usize,
    /// The connection's receive window at the start, in bytes.
    window: u32,
    /// The window in effect; `None` if it does not change.
    opening: Option<Arc<Opening>>,
    /// The small frames that wait to be read by bodies; `None` if they are not bounded.
    small_frames: Option<SmallFrames>,
    turns: Turns,
    write_failure: WriteFailure,
    info: StreamInfo,
    driver: Driver,
    tasks: Tasks,
}

#[async_trait]
impl Connection for Http2Connection {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        match self.response(request).await {
            Ok(response) => Ok(response),
            Err(Failed::Body(error)) => Err(error),
            Err(Failed::Connection(error)) => Err(self.broken(error).await),
        }
    }

    async fn close(&self) {
        // Without requests and streams, h2 sends GOAWAY and shuts the stream down.
        self.requests.lock().await.take();
        self.driver.ended().await;
    }

    fn link(&self) -> Link {
        let window = self.opening.as_ref().map_or(self.window, |opening| opening.size());
        let (send_waits, receive_window_bytes) = (Some(self.turns.waits()), Some(window.into()));
        Link { send_waits, receive_window_bytes, ..self.info.link() }
    }
}

/// The reason why an exchange failed.
enum Failed {
    Body(Error),
    Connection(h2::Error),
}

impl From<h2::Error> for Failed {
    fn from(error: h2::Error) -> Self {
        Self::Connection(error)
    }
}

impl Http2Connection {
    async fn response(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let requests = self.requests.lock().await.clone();
        let requests =
            requests.ok_or_else(|| Failed::Body(Error::protocol(PROTOCOL, "the connection is closed")))?;
        let mut requests = requests.ready().await?;
        let (head, body) = request.into_parts();
        let empty = body.is_end_stream();
        let (response, stream) = requests.send_request(Request::from_parts(head, ()), empty)?;
        let waiting = self.small_frames.as_ref().map(|frames| frames.stream(stream.stream_id().as_u32()));
        let (response, sent) = if empty {
            (response.await?, BodySent::completed())
        } else {
            let any_server = self.info.is_any_server();
            let read_ahead = if any_server { ReadAhead::OneFrame } else { ReadAhead::Off };
            let sending = Sending::request(stream, self.send_buffer, self.turns.clone(), read_ahead);
            let (body_failed, sent) = self.tasks.pump(sending.send(body));
            let response = tokio::select! {
                // A body that fails resets the stream, and then the response fails as well. The body is polled first,
                // to report the cause.
                biased;
                error = body_failed => return Err(Failed::Body(error)),
                response = response => response?,
            };
            (response, sent)
        };
        let mut response = response.map(|stream| received(stream, self.opening.clone(), waiting));
        response.extensions_mut().insert(sent);
        Ok(response)
    }

    /// Returns the error of an exchange. The failure that ended the connection is reported as the cause of any later
    /// error.
    async fn broken(&self, error: h2::Error) -> Error {
        if error.is_go_away() || error.is_reset() {
            return Error::protocol(PROTOCOL, Failure(error));
        }
        if let Some(failure) = self.write_failure.get() {
            return Error::protocol(PROTOCOL, Unsent { failure, source: Failure(error).into() });
        }
        self.driver.ended().await;
        match self.driver.error() {
            Some(end) => Error::protocol(PROTOCOL, end),
            None => Error::protocol(PROTOCOL, Failure(error)),
        }
    }
}
