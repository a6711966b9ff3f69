//! The bodies of HTTP/2, within the flow control of h2.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::PROTOCOL;
use crate::{Body, BodyError, Error};

/// Sends a body. A chunk is pulled once there is capacity for the first byte of it, so that no more than the send
/// buffer and one chunk ever wait in h2.
///
/// # Errors
/// The body failed, or the stream was reset.
pub(super) async fn send(mut stream: SendStream<Bytes>, mut body: Body) -> Result<(), Error> {
    let broken = |error| Error::protocol(PROTOCOL, error);
    loop {
        capacity(&mut stream).await.map_err(broken)?;
        let chunk = match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => chunk,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return stream.send_trailers(trailers).map_err(broken);
                }
            },
            Some(Err(error)) => {
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
                return Err(Error::body(error));
            }
            None => return stream.send_data(Bytes::new(), true).map_err(broken),
        };
        let last = body.is_end_stream();
        stream.send_data(chunk, last).map_err(broken)?;
        if last {
            return Ok(());
        }
    }
}

/// Waits until the stream may send at least one byte.
async fn capacity(stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(granted) => granted?,
            None => return Err(h2::Reason::STREAM_CLOSED.into()),
        };
    }
    Ok(())
}

/// A body that is being received.
pub(super) fn received(stream: RecvStream) -> Body {
    Http2Body(stream).boxed_unsync()
}

/// A body that is being received. Handing on a piece returns its bytes to the peer as credit.
struct Http2Body(RecvStream);

impl http_body::Body for Http2Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(data) = ready!(self.0.poll_data(cx)) else {
            let trailers = ready!(self.0.poll_trailers(cx)).map_err(|error| Error::truncated(error).into());
            return Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose());
        };
        let piece = data.and_then(|data| {
            self.0.flow_control().release_capacity(data.len())?;
            Ok(Frame::data(data))
        });
        Poll::Ready(Some(piece.map_err(|error| Error::truncated(error).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
