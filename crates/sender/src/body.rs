//! The body of a sender: a payload as an HTTP body that times the protocol's requests for chunks.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use metrics::{Flow, Meter, Pace, Stamp};
use payload::{Hasher, PayloadError, Source};
use tokio::time::{Sleep, sleep};

use crate::{SendProgress, progress::Outcome};

/// The error of a [`MeteredBody`], which is a [`PayloadError`] always. The body boxes it, because most libraries ask for
/// bodies with such an error, and a wrapper that boxes it copies each frame: 20 instructions of 2,340 for a chunk of 64 B over HTTP/2.
type BoxError = Box<dyn Error + Send + Sync>;

/// An HTTP body that hands on the chunks of its source unchanged, and counts them. For each chunk that the meter
/// stamps, the body reports two times: the protocol's time until it requests the next chunk, and the lateness of a
/// paced chunk.
///
/// The body states no length. HTTP/1.1 therefore sends the body chunked, one HTTP chunk per chunk of the source.
#[derive(Debug)]
pub struct MeteredBody {
    source: Source,
    flow: Flow,
    hasher: Option<Hasher>,
    pace: Option<Pace>,
    /// The wait before the next chunk of a paced body.
    pause: Option<Pin<Box<Sleep>>>,
    /// The time at which a stamped chunk was handed over. `None` once the protocol requests the next chunk.
    handed: Option<Stamp>,
    /// The time of the protocol's first request that the application could not meet at once; `None` without an unmet
    /// request.
    asked: Option<Stamp>,
    polled: bool,
    progress: SendProgress,
}

impl MeteredBody {
    /// Creates a body of the chunks of `source`, which `meter` counts.
    pub fn new(source: Source, meter: Meter) -> Self {
        Self {
            source,
            flow: meter.flow(),
            hasher: None,
            pace: None,
            pause: None,
            handed: None,
            asked: None,
            polled: false,
            progress: SendProgress::default(),
        }
    }

    /// Makes the body digest its bytes as they are sent. A generated payload does not need this: its digest is known in
    /// advance.
    #[must_use]
    pub fn digesting(mut self) -> Self {
        self.hasher = Some(Hasher::new());
        self
    }

    /// Makes the body continue the digest `digested`, which covers the bytes that were sent before.
    #[must_use]
    pub fn digesting_after(mut self, digested: Hasher) -> Self {
        self.hasher = Some(digested);
        self
    }

    /// Holds the chunks to a pace. `None` sends as fast as the protocol requests chunks.
    #[must_use]
    pub fn paced(mut self, pace: impl Into<Option<Pace>>) -> Self {
        self.pace = pace.into();
        self
    }

    /// Returns a handle to the outcome of this body, for use after the body was given away.
    pub fn progress(&self) -> SendProgress {
        self.progress.clone()
    }

    /// Counts, digests and paces a chunk that is handed over now. Returns whether it is the last one.
    #[inline]
    fn pass(&mut self, chunk: &Bytes) -> bool {
        self.handed = self.flow.pass(chunk.len());
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        if self.pace.is_some() {
            self.pause_after(chunk.len());
        }
        self.source.is_finished()
    }

    /// Begins the pause after a chunk of a paced body. No pause follows the last chunk: protocols that learn the end of the
    /// body together with that chunk would not wait for it, and others would.
    #[cold]
    fn pause_after(&mut self, bytes: usize) {
        let Some(pace) = &mut self.pace else { return };
        if let Some(handed) = self.handed {
            self.flow.late(pace.lateness(handed));
        }
        let wait = pace.pass(bytes).filter(|_| !self.source.is_finished());
        self.pause = wait.map(|wait| Box::pin(sleep(wait)));
    }

    /// Reports the wait after a stamped chunk, which ends now.
    #[cold]
    fn report_wait(&mut self) {
        if let Some(handed) = self.handed.take() {
            self.flow.waited(handed.elapsed());
        }
    }

    /// Reports the wait for the application, which ends now.
    #[cold]
    fn report_application_wait(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.flow.waited_for_application(asked.elapsed());
        }
    }

    /// Concludes the body after its last chunk or a failure.
    #[cold]
    fn end(&mut self, failure: Option<PayloadError>) -> Option<Result<Frame<Bytes>, BoxError>> {
        if self.asked.is_some() {
            self.report_application_wait();
        }
        let Some(error) = failure else {
            self.complete();
            return None;
        };
        self.progress.conclude(|| Outcome::Failed(error.to_string()));
        Some(Err(error.into()))
    }

    /// Returns the next chunk of the source, once the pace allows it.
    #[inline]
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Pin::new(&mut self.source).poll_next(cx)
    }

    #[cold]
    fn complete(&mut self) {
        self.flow.finish();
        self.progress.conclude(|| Outcome::Whole(self.hasher.as_ref().map(Hasher::digest)));
    }
}

impl Drop for MeteredBody {
    fn drop(&mut self) {
        self.progress.conclude(|| Outcome::Dropped);
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polled = true;
        if self.handed.is_some() {
            self.report_wait();
        }
        match self.poll_source(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                if self.asked.is_some() {
                    self.report_application_wait();
                }
                if self.pass(&chunk) {
                    self.complete();
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.end(Some(error))),
            Poll::Ready(None) => Poll::Ready(self.end(None)),
            Poll::Pending => {
                self.asked.get_or_insert_with(Stamp::now);
                Poll::Pending
            }
        }
    }

    /// Returns true once the last chunk has been handed over, so that the end of the stream shares the frame of that
    /// chunk. Returns false for an empty body that was not polled yet. HTTP/1.1 would otherwise send an empty body with
    /// a Content-Length instead of chunked.
    fn is_end_stream(&self) -> bool {
        self.polled && self.source.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use payload::Payload;
    use record::{ChunkSize, PayloadKind, Rate};

    use super::*;

    fn body(kind: &PayloadKind, size: u64) -> (MeteredBody, Meter) {
        let payload = Payload::prepare(kind, 1, ChunkSize::try_from(1000).unwrap());
        let meter = Meter::new(1000);
        (MeteredBody::new(payload.open(size).unwrap(), meter.clone()), meter)
    }

    fn digesting(kind: &PayloadKind, size: u64) -> (MeteredBody, Meter) {
        let (body, meter) = body(kind, size);
        (body.digesting(), meter)
    }

    #[tokio::test]
    async fn a_body_counts_and_digests_the_bytes_sent() {
        let (body, meter) = digesting(&PayloadKind::Random, 10_500);
        let progress = body.progress();
        let other_chunks = ChunkSize::try_from(7).unwrap();
        let expected = Payload::prepare(&PayloadKind::Random, 1, other_chunks).digest(10_500);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 10_500);
        assert_eq!((meter.bytes(), progress.digest()), (10_500, expected));
        assert!(meter.readings().pull_wait.is_some());
    }

    #[tokio::test]
    async fn the_clock_is_read_for_few_of_many_small_chunks() {
        let (body, meter) = body(&PayloadKind::Zero, 6_700_000);
        body.collect().await.unwrap();
        let readings = meter.readings();
        assert_eq!((readings.bytes, readings.stamp_every_chunks), (6_700_000, Some(67)));
    }

    #[tokio::test]
    async fn a_paced_body_states_how_late_its_chunks_are_and_another_does_not() {
        let pace = Pace::new(Rate::try_from(1 << 20).unwrap());
        let payload = Payload::prepare(&PayloadKind::Zero, 1, ChunkSize::try_from(100_000).unwrap());
        let meter = Meter::new(100_000);
        let mut paced =
            MeteredBody::new(payload.open(500_000).unwrap(), meter.clone()).paced(pace.catching_up());
        paced.frame().await.unwrap().unwrap();
        // The second chunk is due after 95 ms, and the other chunks later.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        paced.frame().await.unwrap().unwrap();
        let lateness = meter.readings().lateness.unwrap();
        assert!(lateness.max >= 200_000_000, "{lateness:?}");
        let (plain, meter) = body(&PayloadKind::Zero, 5000);
        plain.collect().await.unwrap();
        assert!(meter.readings().lateness.is_none());
    }

    #[tokio::test]
    async fn the_end_is_known_with_the_last_chunk_but_an_empty_body_is_still_pulled() {
        let (mut full, _) = body(&PayloadKind::Zero, 1500);
        assert!(!full.is_end_stream());
        full.frame().await.unwrap().unwrap();
        assert!(!full.is_end_stream());
        full.frame().await.unwrap().unwrap();
        assert!(full.is_end_stream());

        let (mut empty, _) = body(&PayloadKind::Zero, 0);
        assert!(!empty.is_end_stream() && empty.size_hint().exact().is_none());
        assert!(empty.frame().await.is_none());
        assert!(empty.is_end_stream());
    }

    #[tokio::test]
    async fn the_error_of_a_payload_outlives_the_body() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (body, _) = digesting(&PayloadKind::File(file.path().to_owned()), 10);
        let progress = body.progress();
        body.collect().await.unwrap_err();
        assert!(progress.error().unwrap().contains("shrank"), "{progress:?}");
        assert_eq!(progress.digest(), None);
    }

    #[tokio::test]
    async fn a_body_that_is_dropped_early_is_over_but_neither_whole_nor_failed() {
        let (mut body, _) = digesting(&PayloadKind::Random, 10_500);
        let progress = body.progress();
        body.frame().await.unwrap().unwrap();
        assert!(!progress.is_over());
        drop(body);
        assert!(progress.is_over() && progress.digest().is_none() && progress.error().is_none());
    }

    #[tokio::test]
    async fn the_end_of_a_body_can_be_waited_for() {
        for pulled in [1, 11] {
            let (mut body, _) = body(&PayloadKind::Zero, 10_500);
            let progress = body.progress();
            let over = tokio::spawn(async move { progress.over().await });
            for _ in 0..pulled {
                tokio::task::yield_now().await;
                assert!(!over.is_finished());
                body.frame().await.unwrap().unwrap();
            }
            drop(body);
            over.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_digest_is_whole_without_a_digest() {
        let (body, _) = body(&PayloadKind::Random, 10_500);
        let progress = body.progress();
        body.collect().await.unwrap();
        assert!(progress.is_over() && progress.digest().is_none() && progress.error().is_none());
    }

    #[tokio::test]
    async fn a_paced_body_ends_with_its_last_chunk() {
        let (paced, _) = body(&PayloadKind::Zero, 2000);
        let mut paced = paced.paced(Pace::new(Rate::try_from(10_000).unwrap()));
        for _ in 0..2 {
            paced.frame().await.unwrap().unwrap();
        }
        let end = Pin::new(&mut paced).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(end, Poll::Ready(None)), "{end:?}");
    }

    #[tokio::test]
    async fn a_paced_body_takes_its_time_and_the_pace_is_optional() {
        let pace = || Pace::new(Rate::try_from(100_000).unwrap());
        let began = Stamp::now();
        let (paced, meter) = body(&PayloadKind::Zero, 5000);
        paced.paced(pace()).collect().await.unwrap();
        // A wait of 10 ms follows each chunk but the last.
        let took = began.elapsed();
        assert!(took >= std::time::Duration::from_millis(40), "{took:?}");
        let waited = meter.readings().application_wait;
        assert!(waited >= took / 2 && waited <= took, "{waited:?} of {took:?}");
        let (unpaced, meter) = body(&PayloadKind::Zero, 5000);
        unpaced.paced(Some(pace())).paced(None).collect().await.unwrap();
        assert_eq!(meter.readings().application_wait, std::time::Duration::ZERO);
        assert!(began.elapsed() - took < std::time::Duration::from_millis(40));
    }
}
