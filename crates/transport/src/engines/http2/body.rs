//! The bodies that HTTP/2 sends, within the flow control of h2.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::{
    PROTOCOL,
    failure::Failure,
    send_window::{MOST_PIECES, Share},
    server::Control,
    turns::Turns,
};
use crate::{Body, BodyError, Error};

/// A body that is being sent. Dropping it before its end resets the stream, and no other.
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    /// The state of a server's connection; `None` for a request.
    control: Option<Arc<Control>>,
    /// The most capacity that h2 grants, in bytes, even if the windows allow more.
    send_buffer: usize,
    /// The share of the connection's window, for a long body to a client that may return no credit; `None` otherwise.
    share: Option<Share>,
    /// The turns of the connection, which count the waits of the body.
    turns: Turns,
    read_ahead: ReadAhead,
    is_over: bool,
}

/// The treatment of a body while the windows admit no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadAhead {
    /// The body is pulled only when its data can be sent. This suffices for longhaul's own receivers, which return all
    /// credit.
    Off,
    /// One frame is pulled: trailers and an end without data need no credit (RFC 9113 sections 5.2.1 and 6.9.1), which
    /// may never come. A chunk is held until there is credit.
    OneFrame,
}

/// The bytes of the last chunk that h2 gets at once if only the send buffer bounds the capacity: the default of
/// SETTINGS_MAX_FRAME_SIZE. Otherwise a send buffer of one byte would make frames of one byte, and such a frame costs
/// its receiver a hundred times as much.
const PIECE: usize = 16 << 10;

impl Sending {
    /// Returns the body of a request.
    pub(super) fn request(
        stream: SendStream<Bytes>,
        send_buffer: usize,
        turns: Turns,
        read_ahead: ReadAhead,
    ) -> Self {
        Self { stream, control: None, send_buffer, share: None, turns, read_ahead, is_over: false }
    }

    /// Returns the body of a response.
    pub(super) fn response(stream: SendStream<Bytes>, control: Arc<Control>, share: Option<Share>) -> Self {
        let (send_buffer, turns) = (control.send_buffer, control.turns.clone());
        let read_ahead = if share.is_some() { ReadAhead::OneFrame } else { ReadAhead::Off };
        Self { stream, control: Some(control), send_buffer, share, turns, read_ahead, is_over: false }
    }

    /// Notes that the stream has ended at this end.
    pub(super) fn over(mut self) {
        self.is_over = true;
        self.share.iter().for_each(Share::over);
    }

    /// Sends a body. A chunk is sent once there is capacity for its first byte, so that at most the send buffer and one
    /// chunk wait in h2; with [`ReadAhead::OneFrame`], a further chunk waits here.
    ///
    /// On return, the windows have admitted every byte, and only the connection has to write them. The end of a request
    /// with read-ahead is sent before that.
    ///
    /// # Errors
    /// Fails if the body failed, or the stream was reset.
    pub(super) async fn send(mut self, mut body: Body) -> Result<(), Error> {
        loop {
            let frame = match self.next(&mut body).await? {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    self.over();
                    return Err(Error::body(error));
                }
                None => return self.end(Bytes::new()).await,
            };
            match frame.into_data() {
                Ok(chunk) if body.is_end_stream() => return self.end(chunk).await,
                Ok(chunk) if self.share.is_some() => self.send_pieces(chunk, false).await?,
                Ok(chunk) => self.stream.send_data(chunk, false).map_err(broken)?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.stream.send_trailers(trailers).map_err(broken)?;
                        self.over();
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Pulls the next frame of a body, and waits until it may be sent.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Result<Frame<Bytes>, BodyError>>, Error> {
        if self.read_ahead == ReadAhead::Off {
            self.admitted_one().await?;
            return Ok(body.frame().await);
        }
        let held = tokio::select! {
            biased;
            admitted = self.admitted_one() => {
                admitted?;
                return Ok(body.frame().await);
            }
            frame = body.frame() => frame,
        };
        match &held {
            Some(Err(_)) => {}
            Some(Ok(frame)) if frame.data_ref().is_some_and(|chunk| !chunk.is_empty()) => {
                self.admitted_one().await?;
            }
            Some(Ok(_)) | None => self.written().await?,
        }
        Ok(held)
    }

    /// Sends the last chunk, or only the end of the body.
    async fn end(mut self, rest: Bytes) -> Result<(), Error> {
        if rest.is_empty() {
            self.stream.send_data(rest, true).map_err(broken)?;
        } else {
            self.send_pieces(rest, true).await?;
        }
        self.over();
        Ok(())
    }

    /// Waits until h2 has written all queued bytes of a long body. Does nothing for other bodies.
    async fn written(&mut self) -> Result<(), Error> {
        let Some(share) = &self.share else { return Ok(()) };
        self.stream.reserve_capacity(0);
        tokio::select! {
            biased;
            reset = poll_fn(|cx| self.stream.poll_reset(cx)) => Err(was_reset(reset)),
            () = share.written() => Ok(()),
        }
    }

    /// Waits until at least one byte may be sent.
    async fn admitted_one(&mut self) -> Result<(), Error> {
        self.room().await?;
        self.capacity(1).await.map(drop)
    }

    /// Sends a chunk as the windows admit it. After a small piece behind a long queue, waits until the
    /// queue is empty.
    async fn send_pieces(&mut self, mut rest: Bytes, is_last: bool) -> Result<(), Error> {
        let longest_queue = self.send_buffer.saturating_add(rest.len());
        while !rest.is_empty() {
            let admitted = self.admitted(rest.len()).await?;
            let piece = rest.split_to(admitted.min(rest.len()));
            let (length, is_end) = (piece.len(), is_last && rest.is_empty());
            self.stream.send_data(piece, is_end).map_err(broken)?;
            // The lock of the window is taken only if the queue can hold more pieces of this size than allowed.
            let may_be_long = length.saturating_mul(MOST_PIECES as usize) < longest_queue;
            if !is_end && may_be_long && self.share.as_ref().is_some_and(|share| share.is_long(length)) {
                self.written().await?;
            }
        }
        Ok(())
    }

    /// Waits until at least one of `wanted` bytes may be sent. Returns the number of bytes that may be sent now; it may
    /// exceed `wanted`.
    async fn admitted(&mut self, wanted: usize) -> Result<usize, Error> {
        loop {
            let room = self.room().await?;
            let capacity = self.capacity(wanted.min(room)).await?;
            let capacity = if capacity >= self.send_buffer { capacity.max(PIECE) } else { capacity };
            let Some(share) = &mut self.share else { return Ok(capacity) };
            match share.take(wanted, capacity) {
                0 => {}
                taken => return Ok(taken),
            }
        }
    }

    /// Waits until the connection's window has room for the share of this stream. Returns the room in bytes.
    async fn room(&mut self) -> Result<usize, Error> {
        let Some(share) = &mut self.share else { return Ok(usize::MAX) };
        if share.room() == 0 {
            // Otherwise h2 would keep the last bytes of the window for this stream.
            self.stream.reserve_capacity(0);
            let begun = self.turns.begin_wait();
            let reset = tokio::select! {
                biased;
                reset = poll_fn(|cx| self.stream.poll_reset(cx)) => Some(reset),
                () = share.wait() => None,
            };
            if let Some(reset) = reset {
                return Err(was_reset(reset));
            }
            self.turns.end_wait(begun);
        }
        Ok(share.room())
    }

    /// Asks for `wanted` bytes, and waits until the stream may send at least one. Returns the number of bytes that it
    /// may send.
    async fn capacity(&mut self, wanted: usize) -> Result<usize, Error> {
        self.stream.reserve_capacity(wanted);
        match self.stream.capacity() {
            0 => {}
            capacity => return Ok(capacity),
        }
        let begun = self.turns.begin_wait();
        let granted = self.granted().await?;
        self.turns.end_wait(begun);
        Ok(granted)
    }

    /// Waits until the stream may send at least one byte. Returns the number of bytes that it may send.
    async fn granted(&mut self) -> Result<usize, Error> {
        loop {
            match poll_fn(|cx| self.stream.poll_capacity(cx)).await {
                Some(granted) => drop(granted.map_err(broken)?),
                None => return Err(broken(self.end_of_stream())),
            }
            match self.stream.capacity() {
                0 => {}
                capacity => return Ok(capacity),
            }
        }
    }

    /// Returns the reason why the stream takes no more data.
    fn end_of_stream(&mut self) -> h2::Error {
        match self.poll_reset() {
            Poll::Ready(Err(error)) => error,
            Poll::Ready(Ok(reason)) => reason.into(),
            Poll::Pending => Reason::STREAM_CLOSED.into(),
        }
    }

    fn poll_reset(&mut self) -> Poll<Result<Reason, h2::Error>> {
        self.stream.poll_reset(&mut Context::from_waker(Waker::noop()))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        match (self.poll_reset(), &self.control) {
            (Poll::Pending, _) => self.stream.send_reset(Reason::CANCEL),
            (Poll::Ready(_), Some(control)) => control.cancelled(),
            (Poll::Ready(_), None) => {}
        }
    }
}

/// Returns the error of a stream that either end has reset.
fn was_reset(reset: Result<Reason, h2::Error>) -> Error {
    broken(reset.map_or_else(|error| error, Into::into))
}

fn broken(error: h2::Error) -> Error {
    Error::protocol(PROTOCOL, Failure(error))
}
