//! A body whose bytes are counted.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use transport::{Body, BodyError};

use super::exchange::Exchange;

/// The direction of a body, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Received,
    Sent,
}

/// A body whose bytes are counted for its exchange. The exchange lasts at least as long as the body.
pub(super) struct Counted {
    body: Body,
    exchange: Arc<Exchange>,
    direction: Direction,
}

impl Counted {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>, direction: Direction) -> Self {
        Self { body, exchange, direction }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.exchange.count(self.direction, data.len());
                }
            }
            Some(Err(_)) => {}
            None if self.direction == Direction::Sent => self.exchange.sent_all(),
            None => {}
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
        if self.direction == Direction::Sent && http_body::Body::is_end_stream(&self.body) {
            self.exchange.sent_all();
        }
    }
}
