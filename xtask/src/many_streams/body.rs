//! A body that sends one byte, waits for its release, and then sends the rest.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::watch;
use transport::BodyError;

/// The chunk of a body.
const CHUNK: usize = 64 << 10;

pub(super) struct Upload {
    first: Option<Bytes>,
    left: u64,
    block: Bytes,
    released: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_released: bool,
}

impl Upload {
    /// Returns a body of one byte, and of `size` more once `released` is true.
    pub(super) fn new(size: u64, mut released: watch::Receiver<bool>) -> Self {
        let waiting = async move { drop(released.wait_for(|released| *released).await) };
        let block = Bytes::from_static(&[0; CHUNK]);
        Self {
            first: Some(Bytes::from_static(b"x")),
            left: size,
            block,
            released: Box::pin(waiting),
            is_released: false,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if !self.is_released {
            ready!(self.released.as_mut().poll(cx));
            self.is_released = true;
        }
        let next = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if next == 0 {
            return Poll::Ready(None);
        }
        self.left -= next as u64;
        Poll::Ready(Some(Ok(Frame::data(self.block.slice(..next)))))
    }
}
