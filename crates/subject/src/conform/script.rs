//! Bodies that longhaul sends in a case: whole or in tiny pieces, with a stop, with trailers, or broken off.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use payload::{Payload, Source};
use record::{ChunkSize, DEFAULT_SEED, PayloadKind};
use tokio::sync::watch;
use transport::{Body, BodyError};

/// The trailer field that follows a body.
pub(super) const TRAILER: HeaderName = HeaderName::from_static("x-longhaul-end");

/// The bytes after which a reader or a sender stops, leaves or breaks off.
pub(super) const FIRST: u64 = 1 << 20;

/// The bytes of a body in tiny pieces, with trailers, or of an announced length.
pub(super) const SMALL: u64 = 64 << 10;

/// The interval, in pieces of one byte, at which a piece is empty. The protections of servers against floods of empty
/// frames allow some.
const EMPTY_EVERY: u64 = 64;

/// Returns the bytes of all scripted bodies.
pub(super) fn payload() -> Payload {
    Payload::prepare(&PayloadKind::Random, DEFAULT_SEED, ChunkSize::DEFAULT)
}

/// The handle of a stop in a body. The body goes on once the gate is opened or dropped.
pub(super) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(super) fn open(&self) {
        let _ = self.0.send(true);
    }
}

/// A body to be sent.
pub(super) struct Script {
    size: u64,
    piece: usize,
    has_empty_pieces: bool,
    has_trailers: bool,
    breaks_after: Option<u64>,
    stop: Option<(u64, watch::Receiver<bool>)>,
    sent: Arc<AtomicU64>,
}

impl Script {
    /// Returns a body of `size` bytes. `sent` counts the bytes that were handed over.
    pub(super) fn of(size: u64, sent: &Arc<AtomicU64>) -> Self {
        Self {
            size,
            piece: usize::MAX,
            has_empty_pieces: false,
            has_trailers: false,
            breaks_after: None,
            stop: None,
            sent: sent.clone(),
        }
    }

    /// Sends the body in pieces of one byte, and some empty ones.
    pub(super) fn in_tiny_pieces(self) -> Self {
        Self { has_empty_pieces: true, ..self.in_pieces(1) }
    }

    /// Sends the body in pieces of at most `bytes` bytes.
    pub(super) fn in_pieces(self, bytes: usize) -> Self {
        Self { piece: bytes, ..self }
    }

    /// Sends a trailer field after the body.
    pub(super) fn with_trailers(self) -> Self {
        Self { has_trailers: true, ..self }
    }

    /// Fails after at least `bytes` bytes.
    pub(super) fn breaking_after(self, bytes: u64) -> Self {
        Self { breaks_after: Some(bytes), ..self }
    }

    /// Pauses the body once at least `bytes` bytes are sent, until the returned gate is opened or dropped.
    pub(super) fn stopping_after(self, bytes: u64) -> (Self, Gate) {
        let (open, opened) = watch::channel(false);
        (Self { stop: Some((bytes, opened)), ..self }, Gate(open))
    }

    /// Returns the body with its length, which is then announced by Content-Length.
    pub(super) fn announced(self) -> Body {
        let left = self.size;
        Announced { body: self.body(), left }.boxed_unsync()
    }

    /// Returns the body for a request or a response.
    pub(super) fn body(self) -> Body {
        let source = payload().open(self.size).ok();
        let state = State { script: self, source, pending: Bytes::new(), pieces: 0, done: 0 };
        let frames = stream::unfold(state, |mut state| async { Some((state.next().await?, state)) });
        StreamBody::new(frames).boxed_unsync()
    }
}

/// A body of a known length.
struct Announced {
    body: Body,
    left: u64,
}

impl http_body::Body for Announced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.left = self.left.saturating_sub(length);
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body that is being sent.
struct State {
    script: Script,
    source: Option<Source>,
    pending: Bytes,
    pieces: u64,
    done: u64,
}

impl State {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        if self.script.breaks_after.is_some_and(|bytes| self.done >= bytes) {
            return Some(Err("the body is broken off on purpose".into()));
        }
        if let Some((after, opened)) = &mut self.script.stop
            && self.done >= *after
        {
            let _ = opened.wait_for(|is_open| *is_open).await;
            self.script.stop = None;
        }
        self.pieces = self.pieces.saturating_add(1);
        if self.script.has_empty_pieces
            && self.pieces.is_multiple_of(EMPTY_EVERY)
            && self.done < self.script.size
        {
            return Some(Ok(Frame::data(Bytes::new())));
        }
        if self.pending.is_empty() {
            match self.source.as_mut()?.next().await {
                Some(Ok(chunk)) => self.pending = chunk,
                Some(Err(error)) => return Some(Err(error.into())),
                None => return self.end(),
            }
        }
        let data = self.pending.split_to(self.script.piece.min(self.pending.len()));
        self.done = self.done.saturating_add(data.len() as u64);
        self.script.sent.fetch_add(data.len() as u64, Relaxed);
        Some(Ok(Frame::data(data)))
    }

    /// Returns the trailers once, if there are any.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.source = None;
        let fields = HeaderMap::from_iter([(TRAILER, HeaderValue::from_static("reached"))]);
        self.script.has_trailers.then(|| Ok(Frame::trailers(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frames(script: Script) -> Vec<Frame<Bytes>> {
        let (mut body, mut frames) = (script.body(), Vec::new());
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap());
        }
        frames
    }

    #[tokio::test]
    async fn a_tiny_script_has_pieces_of_one_byte_and_the_bytes_of_the_payload() {
        let sent = Arc::default();
        let frames = frames(Script::of(1000, &sent).in_tiny_pieces().with_trailers()).await;
        let data: Vec<usize> = frames.iter().filter_map(|frame| Some(frame.data_ref()?.len())).collect();
        assert_eq!((data.iter().sum::<usize>(), data.iter().max()), (1000, Some(&1)));
        assert_eq!(data.iter().filter(|length| **length == 0).count(), 15);
        assert!(frames.last().unwrap().is_trailers() && sent.load(Relaxed) == 1000);
        let bytes: Vec<u8> = frames.iter().filter_map(Frame::data_ref).flatten().copied().collect();
        let mut hasher = payload::Hasher::new();
        hasher.update(&bytes);
        assert_eq!(Some(hasher.digest()), payload().digest(1000));
    }

    #[tokio::test]
    async fn a_script_stops_until_its_gate_is_open_and_breaks_off() {
        let sent = Arc::default();
        let (script, gate) = Script::of(1 << 20, &sent).stopping_after(1 << 17);
        let all = tokio::spawn(frames(script));
        while sent.load(Relaxed) < 1 << 17 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(sent.load(Relaxed) < 1 << 20, "it stands still");
        gate.open();
        all.await.unwrap();
        assert_eq!(sent.load(Relaxed), 1 << 20);
        let mut body = Script::of(1 << 20, &sent).breaking_after(1 << 17).body();
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return;
            }
        }
        panic!("it ended as if it were whole");
    }
}
