//! A body whose bytes are counted.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use transport::{Body, BodyError};

use super::exchange::Exchange;

/// The bytes of a body that are counted at once. All threads of a server count at common places, and each addition there takes
/// the cache line from the thread before: a piece of a body may be far smaller than this.
const STEP: usize = 64 << 10;

/// The direction of a body, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Received,
    Sent,
}

/// A body whose bytes are counted for its exchange. The exchange lasts at least as long as the body.
///
/// While the body moves, its exchange has counted all but the last [`STEP`] bytes, and all bytes while the body waits for its
/// sender.
pub(super) struct Counted {
    body: Body,
    exchange: Arc<Exchange>,
    direction: Direction,
    uncounted: usize,
}

impl Counted {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>, direction: Direction) -> Self {
        Self { body, exchange, direction, uncounted: 0 }
    }

    /// Notes a piece of the body.
    fn pass(&mut self, bytes: usize) {
        self.uncounted = self.uncounted.saturating_add(bytes);
        if self.uncounted >= STEP || http_body::Body::is_end_stream(&self.body) {
            self.count();
        }
    }

    fn count(&mut self) {
        if self.uncounted > 0 {
            self.exchange.count(self.direction, std::mem::take(&mut self.uncounted));
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.count();
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.pass(data.len());
                }
            }
            Some(Err(error)) => {
                self.count();
                if self.direction == Direction::Sent {
                    self.exchange.failed_to_send(&error.to_string());
                }
            }
            None => {
                self.count();
                if self.direction == Direction::Sent {
                    self.exchange.sent_all();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count();
        if self.direction == Direction::Received {
            return;
        }
        match http_body::Body::is_end_stream(&self.body) {
            true => self.exchange.sent_all(),
            false => self.exchange.cut_off(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::observe::{counters::Counters, request_id::RequestIds, served::Served};

    #[tokio::test]
    async fn pieces_are_counted_in_steps_and_every_byte_by_the_end() {
        let counters = Arc::new(Counters::default());
        let pieces = || {
            let pieces = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 1000])))).take(100);
            StreamBody::new(pieces).boxed_unsync()
        };
        for (read, counted, at_the_end) in [(65, 0, 65_000), (66, 66_000, 66_000), (131, 66_000, 100_000)] {
            let served = Arc::new(Served::default());
            let exchange = Exchange::new(RequestIds::new().next(), counters.clone(), served.clone(), None);
            let mut body = Counted::new(pieces(), Arc::new(exchange), Direction::Received);
            for _ in 0..read.min(100) {
                body.frame().await.unwrap().unwrap();
            }
            assert_eq!(served.received.load(Relaxed), counted, "{read}");
            drop(body);
            assert_eq!(served.received.load(Relaxed), at_the_end, "{read}");
        }
        let served = Arc::new(Served::default());
        let id = RequestIds::new().next();
        let exchange = Exchange::new(id, counters.clone(), served.clone(), None);
        let waiting = stream::iter([Ok(Frame::data(Bytes::from_static(b"abc")))]).chain(stream::pending());
        let waiting = StreamBody::new(waiting).boxed_unsync();
        let mut body = Counted::new(waiting, Arc::new(exchange), Direction::Received);
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().now_or_never().is_none());
        assert_eq!(served.received.load(Relaxed), 3, "a body that waits is counted");
        let served = Arc::new(Served::default());
        let exchange = Exchange::new(RequestIds::new().next(), counters, served.clone(), None);
        let mut body = Counted::new(pieces(), Arc::new(exchange), Direction::Sent);
        while body.frame().await.is_some() {}
        assert_eq!(served.sent.load(Relaxed), 100_000, "the end is seen before the body is dropped");
    }
}
