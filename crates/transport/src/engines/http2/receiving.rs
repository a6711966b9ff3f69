//! The bodies that HTTP/2 receives, within the flow control of h2.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;
use http_body_util::BodyExt as _;

use super::{failure::Failure, opening::Opening, small_frames::Waiting};
use crate::{Body, BodyError, Error};

/// Returns a body of a response that is being received, which may open the window of its connection.
pub(super) fn received(stream: RecvStream, window: Option<Arc<Opening>>, waiting: Option<Waiting>) -> Body {
    Http2Body::new(stream).with_bounds(window, waiting).boxed_unsync()
}

/// A body that is being received. Handing a piece to the reader returns its bytes to the peer as credit.
pub(super) struct Http2Body {
    stream: RecvStream,
    /// The connection's window, which opens as bytes are read; `None` if the window is open from the start.
    window: Option<Arc<Opening>>,
    /// The count of small frames that wait; `None` if it is not bounded.
    waiting: Option<Waiting>,
}

impl Http2Body {
    /// Returns a body without further bounds.
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, window: None, waiting: None }
    }

    /// Sets the changing window of the connection, and the count of small frames that an end with an unknown peer
    /// keeps.
    pub(super) fn with_bounds(self, window: Option<Arc<Opening>>, waiting: Option<Waiting>) -> Self {
        Self { window, waiting, ..self }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Some(data) = ready!(self.stream.poll_data(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(data.and_then(|data| {
            self.stream.flow_control().release_capacity(data.len())?;
            if let Some(window) = &self.window {
                window.taken(data.len());
            }
            if let Some(waiting) = &self.waiting {
                waiting.taken(data.len());
            }
            Ok(data)
        })))
    }
}

impl http_body::Body for Http2Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(self.poll_data(cx)) {
            Some(data) => Some(data.map(Frame::data)),
            None => match ready!(self.stream.poll_trailers(cx)) {
                Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
                Err(error) => Some(Err(error)),
            },
        };
        Poll::Ready(frame.map(|frame| frame.map_err(|error| Error::truncated(Failure(error)).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
