//! The server's end of HTTP/2.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes;
use h2::{
    Reason,
    server::{Builder, Connection, SendResponse},
};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{
    Http2, PROTOCOL, Sizing,
    body::Sending,
    failure::Failure,
    heads, layered,
    opening::{self, Opening},
    receiving::Http2Body,
    refusals::MOST_REFUSED,
    send_window::{Share, Unanswered, is_short},
    turns::Turns,
    watched::{Watch, Watched},
};
use crate::{
    Body, Error, Guards, Incoming, Link, Responder, Session,
    carriers::{Stream, StreamInfo},
    reset_budget::ResetBudget,
    session::{Arrivals, CloseSignal, DrivenSession, LinkSource},
    tasks::Tasks,
    window_budget::{Window, WindowBudget},
};

/// Exchanges the settings of HTTP/2, and starts to drive the connection.
///
/// # Errors
/// Fails if the client does not speak HTTP/2, or the connection broke.
pub(super) async fn start(
    engine: &Http2,
    stream: impl Stream,
    info: StreamInfo,
    guards: &Guards,
) -> Result<Box<dyn Session>, Error> {
    let turns = Turns::default();
    let send_buffer = engine.send_buffer;
    let wake = CloseSignal::default();
    let opening = opening(engine, guards.receive_budget.as_ref(), &wake).map(Arc::new);
    let watch = (guards.data_frame_budget < usize::MAX).then(|| Watch::new(guards.header_bytes));
    let stream = Watched::new(layered(engine.layers, stream, &info, &turns), watch.clone());
    let mut builder = Builder::new();
    builder
        .initial_window_size(engine.window)
        .initial_connection_window_size(opening.as_ref().map_or(engine.window, |opening| opening.size()))
        .max_frame_size(engine.frame)
        .max_send_buffer_size(engine.send_buffer)
        .max_header_list_size(guards.header_bytes)
        .max_concurrent_streams(guards.streams);
    if !engine.layers.are_none() {
        builder.data_frame_budget(guards.data_frame_budget);
    }
    let mut connection = builder.handshake(stream).await.map_err(|error| Error::handshake(Failure(error)))?;
    let tasks = Tasks::default();
    if let (Sizing::Adaptive, Some(opening), Some(pings)) = (engine.sizing, &opening, connection.ping_pong())
    {
        tasks.spawn(opening.clone().follow_path(pings));
    }
    let waiting = guards.streams.saturating_add(MOST_REFUSED);
    let (streams, fields) = (guards.streams, guards.header_count);
    let link = CountedLink { info, turns: turns.clone(), window: engine.window, opening: opening.clone() };
    Ok(DrivenSession::woken_by(wake, waiting, link, |arrivals, close| {
        let control = Arc::new(Control::new(close, opening, send_buffer, turns.clone()));
        let driven = turns.count(drive(connection, Reports { arrivals, streams, fields }, control, watch));
        async move {
            driven.await;
            drop(tasks);
        }
    }))
}

/// Returns the changing window of a connection; `None` if its window has the size of the limits from the start.
fn opening(engine: &Http2, shared: Option<&WindowBudget>, wake: &CloseSignal) -> Option<Opening> {
    match (engine.sizing, shared) {
        (Sizing::Adaptive, _) => Some(Opening::by_path(opening::window(shared, engine.window), wake.clone())),
        (Sizing::Fixed, Some(budget)) => {
            Some(Opening::by_passing(Window::new(budget, engine.window), wake.clone()))
        }
        (Sizing::Fixed, None) => None,
    }
}

/// The state of a connection, with the waits of its bodies.
struct CountedLink {
    info: StreamInfo,
    turns: Turns,
    /// The connection's receive window of the limits, in bytes.
    window: u32,
    /// The window in effect; `None` if it is that of the limits.
    opening: Option<Arc<Opening>>,
}

#[async_trait]
impl LinkSource for CountedLink {
    fn link(&self) -> Link {
        let window = self.opening.as_ref().map_or(self.window, |opening| opening.size());
        let (send_waits, receive_window_bytes) = (Some(self.turns.waits()), Some(window.into()));
        Link { send_waits, receive_window_bytes, ..self.info.link() }
    }

    async fn delivered(&self) {
        self.info.delivered().await;
    }

    async fn stalled(&self) {
        self.info.stalled().await;
    }
}

/// Drives a connection: polling for the next request lets all its streams progress.
async fn drive(
    mut connection: Connection<impl Stream, Bytes>,
    reports: Reports,
    control: Arc<Control>,
    watch: Option<Watch>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = control.wake.notified() => {
                control.apply(&mut connection);
                continue;
            }
            refused = refused(watch.as_ref()) => {
                reports.refused(refused);
                continue;
            }
            accepted = accept(&mut connection, watch.as_ref()) => accepted,
        };
        let incoming = match accepted {
            Some(Ok((request, respond))) if request.headers().len() > reports.fields => {
                reports.refused(too_many_fields(respond, watch.as_ref()));
                continue;
            }
            Some(Ok((request, respond))) => Ok(incoming(request, respond, &control, watch.as_ref())),
            Some(Err(error)) => Err(broken(error)),
            None => {
                let is_refused = watch.is_some_and(|watch| watch.heads.is_excessive());
                if is_refused {
                    reports.refused(Error::refused(PROTOCOL, None, "the frames of a head are too large"));
                }
                return;
            }
        };
        // The channel has room for as many requests as the settings admit streams.
        if reports.arrivals.try_send(incoming).is_err() {
            return;
        }
    }
}

/// A request, and the handle to answer it.
type Accepted = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// Returns the next request. The connection is read again once all requests that were read have been handed over. It is
/// ended if the frames of a head are too large.
async fn accept(
    connection: &mut Connection<impl Stream, Bytes>,
    watch: Option<&Watch>,
) -> Option<Result<Accepted, h2::Error>> {
    poll_fn(|cx| {
        loop {
            let accepted = connection.poll_accept(cx);
            let Some(Watch { heads, .. }) = watch.filter(|_| accepted.is_pending()) else { return accepted };
            let should_read = heads.settle();
            if heads.take_excess() {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            } else if !should_read {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Answers a head that has too many fields. Returns the refusal.
fn too_many_fields(mut respond: SendResponse<Bytes>, watch: Option<&Watch>) -> Error {
    if let Some(watch) = watch {
        watch.refusals.forget(respond.stream_id().as_u32());
    }
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let mut response = Response::new(());
    *response.status_mut() = status;
    // The send fails only if the client has reset the stream.
    let _ = respond.send_response(response, true);
    Error::refused(PROTOCOL, Some(status), "the head of a request has too many fields")
}

/// The sender of requests and refusals to the session.
struct Reports {
    arrivals: Arrivals,
    /// The most fields in a head.
    fields: usize,
    /// The most concurrent requests, for which there is always room.
    streams: u32,
}

impl Reports {
    /// Reports a refused request, unless too many reports already wait for the session.
    fn refused(&self, error: Error) {
        if self.arrivals.capacity() > self.streams as usize {
            // The send fails only once the session is dropped.
            let _ = self.arrivals.try_send(Err(error));
        }
    }
}

/// Waits for a request that h2 refuses.
async fn refused(watch: Option<&Watch>) -> Error {
    match watch {
        Some(watch) => poll_fn(|cx| watch.refusals.poll_next(cx)).await,
        None => pending().await,
    }
}

/// Returns the error of a connection. An error that h2 has found in the client's frames counts as a refusal, because it
/// may concern a head.
fn broken(error: h2::Error) -> Error {
    match error.is_library() {
        true => Error::refused(PROTOCOL, None, Failure(error)),
        false => Error::protocol(PROTOCOL, Failure(error)),
    }
}

fn incoming(
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    control: &Arc<Control>,
    watch: Option<&Watch>,
) -> Incoming {
    if let Some(watch) = watch {
        watch.refusals.forget(respond.stream_id().as_u32());
    }
    let counted = watch.map(|watch| watch.small_frames.stream(respond.stream_id().as_u32()));
    let unanswered = watch.map(|watch| watch.send_window.request());
    let windowed = control.opening.clone();
    let (mut head, stream) = request.into_parts();
    let waiting = watch.map(|watch| {
        heads::copy(&mut head);
        watch.heads.handed_over()
    });
    let body = Http2Body::new(stream).with_bounds(windowed, counted).boxed_unsync();
    let control = control.clone();
    let responder = Box::new(Http2Responder { respond: Some(respond), control, unanswered });
    Incoming::new(Request::from_parts(head, body), responder).until_accepted(waiting)
}

/// The state of a connection that its streams share with its driver: the changes that streams request and the driver
/// applies, and the settings of bodies.
pub(super) struct Control {
    wake: CloseSignal,
    /// The window of the connection; `None` if it does not change.
    opening: Option<Arc<Opening>>,
    resets: Mutex<ResetBudget>,
    is_exceeded: AtomicBool,
    /// The most bytes that h2 queues for one stream.
    pub(super) send_buffer: usize,
    /// The turns of the connection.
    pub(super) turns: Turns,
}

impl Control {
    fn new(wake: CloseSignal, opening: Option<Arc<Opening>>, send_buffer: usize, turns: Turns) -> Self {
        let resets = Mutex::new(ResetBudget::new(Instant::now()));
        Self { wake, opening, resets, is_exceeded: AtomicBool::new(false), send_buffer, turns }
    }

    /// Applies all changes to the connection.
    fn apply(&self, connection: &mut Connection<impl Stream, Bytes>) {
        if self.is_exceeded.swap(false, Ordering::Relaxed) {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            return;
        }
        if let Some(size) = self.opening.as_ref().and_then(|opening| opening.grown()) {
            connection.set_target_window_size(size);
        }
        if self.wake.is_closing() {
            connection.graceful_shutdown();
        }
    }

    /// Counts a stream that the client has cancelled.
    pub(super) fn cancelled(&self) {
        let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        if !resets.spend(Instant::now()) {
            self.is_exceeded.store(true, Ordering::Relaxed);
            self.wake.wake();
        }
    }
}

/// The responder to a request. Dropping it without an answer resets the stream.
struct Http2Responder {
    /// The handle of h2; `None` once it is in use.
    respond: Option<SendResponse<Bytes>>,
    control: Arc<Control>,
    /// The request's place in the count of unanswered requests; `None` if short answers have no reserve.
    unanswered: Option<Unanswered>,
}

#[async_trait]
impl Responder for Http2Responder {
    async fn inform(&mut self, head: Response<()>) -> Result<bool, Error> {
        let Some(respond) = &mut self.respond else { return Ok(false) };
        respond.send_informational(head).map_err(|error| Error::protocol(PROTOCOL, Failure(error)))?;
        Ok(true)
    }

    async fn respond(mut self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let Some(mut respond) = self.respond.take() else { return Ok(()) };
        let (head, body) = response.into_parts();
        let empty = body.is_end_stream();
        let sent = respond.send_response(Response::from_parts(head, ()), empty);
        let stream = match sent {
            Ok(stream) => stream,
            Err(error) => {
                self.respond = Some(respond);
                return Err(Error::protocol(PROTOCOL, Failure(error)));
            }
        };
        let share = self.share(&body, stream.stream_id().as_u32());
        let sending = Sending::response(stream, self.control.clone(), share);
        if !empty {
            return sending.send(body).await;
        }
        sending.over();
        Ok(())
    }
}

impl Http2Responder {
    /// Returns the share of the connection's window for a long body. `None` for a short body, and if short answers have
    /// no reserve.
    fn share(&mut self, body: &Body, stream: u32) -> Option<Share> {
        if is_short(body.size_hint().upper()) {
            return None;
        }
        self.unanswered.take().map(|unanswered| unanswered.share(stream))
    }
}

impl Drop for Http2Responder {
    fn drop(&mut self) {
        let Some(respond) = &mut self.respond else { return };
        match respond.poll_reset(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => respond.send_reset(Reason::INTERNAL_ERROR),
            Poll::Ready(_) => self.control.cancelled(),
        }
    }
}
