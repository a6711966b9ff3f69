//! A payload as an HTTP body that times how it is pulled.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use metrics::{Meter, Pace, Stamp};
use payload::{Digest, Hasher, Source};
use tokio::time::{Sleep, sleep};

/// A body that hands on its source's chunks as they are, and stamps when each is handed over and when the
/// protocol asks for the next.
///
/// It never tells its length: over HTTP/1.1 that makes it chunked, one chunk a piece of the source.
#[derive(Debug)]
pub struct MeteredBody {
    source: Source,
    meter: Meter,
    hasher: Option<Hasher>,
    handed: Option<Stamp>,
    begun: bool,
    sent: Sent,
    pace: Option<Pace>,
    pause: Option<Pin<Box<Sleep>>>,
}

/// How sending went, for whoever gave the body away.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<OnceLock<Outcome>>);

#[derive(Debug)]
enum Outcome {
    /// Every byte was handed over.
    Whole(Option<Digest>),
    /// The payload could not be read to its end.
    Failed(String),
    /// The protocol let the body go before its end.
    Dropped,
}

impl MeteredBody {
    /// A body of what `source` yields, counted by `meter`. With `digest` the bytes are digested as they
    /// leave, which a generated payload has no need of.
    pub fn new(source: Source, meter: Meter, digest: bool) -> Self {
        let hasher = digest.then(Hasher::new);
        let sent = Sent::default();
        Self { source, meter, hasher, handed: None, begun: false, sent, pace: None, pause: None }
    }

    /// The same body, whose chunks do not leave before their time.
    pub fn paced(mut self, pace: Option<Pace>) -> Self {
        self.pace = pace;
        self
    }

    /// A handle that outlives the body.
    pub fn sent(&self) -> Sent {
        self.sent.clone()
    }

    /// Every byte was handed over. Only the first end counts; a protocol may well ask once more after it.
    fn end(&self) {
        let digest = || self.hasher.as_ref().map(Hasher::digest);
        self.sent.0.get_or_init(|| Outcome::Whole(digest()));
    }
}

impl Sent {
    /// The digest of the whole body, if it was to be taken and every byte has been handed over.
    pub fn digest(&self) -> Option<Digest> {
        match self.0.get()? {
            Outcome::Whole(digest) => *digest,
            Outcome::Failed(_) | Outcome::Dropped => None,
        }
    }

    /// Why the payload could not be read to its end.
    pub fn error(&self) -> Option<&str> {
        match self.0.get()? {
            Outcome::Failed(error) => Some(error),
            Outcome::Whole(_) | Outcome::Dropped => None,
        }
    }

    /// Whether the body is over, one way or another.
    pub fn is_over(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Drop for MeteredBody {
    fn drop(&mut self) {
        self.sent.0.get_or_init(|| Outcome::Dropped);
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = payload::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, payload::Error>>> {
        self.begun = true;
        if let Some(handed) = self.handed.take() {
            self.meter.chunk_took(handed.elapsed());
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        match ready!(Pin::new(&mut self.source).poll_next(cx)) {
            Some(Ok(chunk)) => {
                self.meter.pass(chunk.len());
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&chunk);
                }
                if self.source.is_finished() {
                    self.end();
                }
                self.pause = self
                    .pace
                    .as_mut()
                    .and_then(|pace| pace.pass(chunk.len()))
                    .map(|wait| Box::pin(sleep(wait)));
                self.handed = Some(Stamp::now());
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => {
                self.sent.0.get_or_init(|| Outcome::Failed(error.to_string()));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }

    /// True once the last chunk was handed over, so that the end can ride on it. Not true of an empty body
    /// that nobody has pulled yet: it would be sent with a Content-Length instead of chunked.
    fn is_end_stream(&self) -> bool {
        self.begun && self.source.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use payload::{ChunkSize, Kind, Payload};

    use super::*;

    fn body(kind: &Kind, size: u64, digest: bool) -> (MeteredBody, Meter) {
        let payload = Payload::prepare(kind, 1, ChunkSize::try_from(1000).unwrap());
        let meter = Meter::new(1000);
        (MeteredBody::new(payload.open(size).unwrap(), meter.clone(), digest), meter)
    }

    #[tokio::test]
    async fn a_body_counts_and_digests_what_leaves() {
        let (body, meter) = body(&Kind::Random, 10_500, true);
        let sent = body.sent();
        let expected = Payload::prepare(&Kind::Random, 1, ChunkSize::try_from(7).unwrap()).digest(10_500);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 10_500);
        assert_eq!((meter.bytes(), sent.digest()), (10_500, expected));
        assert!(meter.readings().chunk_latency.is_some());
    }

    #[tokio::test]
    async fn the_end_rides_on_the_last_chunk_but_an_empty_body_is_still_pulled() {
        let (mut full, _) = body(&Kind::Zero, 1500, false);
        assert!(!full.is_end_stream());
        full.frame().await.unwrap().unwrap();
        assert!(!full.is_end_stream());
        full.frame().await.unwrap().unwrap();
        assert!(full.is_end_stream());

        let (mut empty, _) = body(&Kind::Zero, 0, false);
        assert!(!empty.is_end_stream() && empty.size_hint().exact().is_none());
        assert!(empty.frame().await.is_none());
        assert!(empty.is_end_stream());
    }

    #[tokio::test]
    async fn a_payload_that_fails_is_remembered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (body, _) = body(&Kind::File(file.path().to_owned()), 10, true);
        let sent = body.sent();
        body.collect().await.unwrap_err();
        assert!(sent.error().unwrap().contains("shrank"), "{sent:?}");
        assert_eq!(sent.digest(), None);
    }

    #[tokio::test]
    async fn a_body_that_is_let_go_early_is_over_but_neither_whole_nor_failed() {
        let (mut body, _) = body(&Kind::Random, 10_500, true);
        let sent = body.sent();
        body.frame().await.unwrap().unwrap();
        assert!(!sent.is_over());
        drop(body);
        assert!(sent.is_over() && sent.digest().is_none() && sent.error().is_none());
    }
}
