//! The bodies of HTTP/3, over the request streams of either end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    client,
    error::{Code, StreamError},
    quic, server,
};
use http::HeaderMap;
use http_body::Frame;

use super::{
    PROTOCOL, broken, cause,
    fields::{Unread, check_fields},
    streams::{Handoff, Violation},
};
use crate::{BodyError, Error, engines::send::BodySink};

/// The sending half of a request stream. It sends one DATA frame per chunk.
pub(super) struct SendHalf<S> {
    pub(super) stream: S,
    /// The side channel to the stream below h3; `None` over the streams of h3-quinn.
    pub(super) handoff: Option<Handoff>,
}

impl<S> SendHalf<S> {
    pub(super) fn broken(&self, error: StreamError) -> Error {
        broken(error, self.handoff.as_ref().and_then(Handoff::violation))
    }
}

/// The receiving half of a request stream, of which h3 has one type per end.
pub(super) trait DataSource {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>>;

    /// Polls for the trailers, which follow the data.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, StreamError>>;
}

macro_rules! request_stream {
    ($end:ident) => {
        impl<S: quic::SendStream<Bytes> + Send> BodySink for SendHalf<$end::RequestStream<S, Bytes>> {
            async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
                self.handoff.iter().for_each(|handoff| handoff.set_chunk(chunk.clone()));
                self.stream.send_data(chunk).await.map_err(|error| self.broken(error))
            }

            async fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Error> {
                self.stream.send_trailers(trailers).await.map_err(|error| self.broken(error))
            }

            async fn finish(&mut self) -> Result<(), Error> {
                self.stream.finish().await.map_err(|error| self.broken(error))
            }

            async fn abort(&mut self) {
                self.stream.stop_stream(Code::H3_INTERNAL_ERROR);
            }
        }

        impl<S: quic::RecvStream> DataSource for $end::RequestStream<S, Bytes> {
            fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
                let data = ready!(self.poll_recv_data(cx))?;
                // The piece is one `Bytes` underneath, so `copy_to_bytes` does not copy.
                Poll::Ready(Ok(data.map(|mut data| data.copy_to_bytes(data.remaining()))))
            }

            fn poll_trailers(
                &mut self,
                cx: &mut Context<'_>,
            ) -> Poll<Result<Option<HeaderMap>, StreamError>> {
                self.poll_recv_trailers(cx)
            }
        }
    };
}

request_stream!(client);
request_stream!(server);

/// A body that is being received, datagram by datagram.
pub(super) struct ReceivedBody<S> {
    stream: S,
    /// The side channel to the stream below h3; `None` over the streams of h3-quinn, from which h3 takes data at any
    /// time.
    handoff: Option<Handoff>,
    unread: Unread,
    part: BodyPart,
}

/// The part of a body that is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyPart {
    Data,
    Trailers,
    /// No part: the body has ended or failed.
    Nothing,
}

impl<S: DataSource> ReceivedBody<S> {
    /// Returns the body of a message whose head was read. `announced` is its length, if the head states one.
    pub(super) fn new(stream: S, handoff: Option<Handoff>, announced: Option<u64>) -> Self {
        Self { stream, handoff, unread: Unread::of(announced), part: BodyPart::Data }
    }

    /// Polls h3. If h3 holds no more data, opens the gate for another piece.
    fn poll<T>(&mut self, mut poll: impl FnMut(&mut S) -> Poll<T>) -> Poll<T> {
        loop {
            match poll(&mut self.stream) {
                Poll::Pending if self.handoff.as_ref().is_some_and(Handoff::admit_one) => {}
                polled => return polled,
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let data = ready!(self.poll(|stream| stream.poll_data(cx)));
        let data = data.map_err(|error| self.truncated(error))?;
        let counted = match &data {
            Some(data) => {
                self.handoff.iter().for_each(|handoff| handoff.data_read(data));
                self.unread.take(data.len())
            }
            None => self.unread.finish(),
        };
        counted.map_err(|violation| self.refuse(violation))?;
        Poll::Ready(Ok(data))
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>> {
        // Over the streams of h3-quinn, h3 may report a false end of the data, and asking for trailers would panic.
        if self.handoff.is_none() {
            return Poll::Ready(Ok(None));
        }
        let trailers = ready!(self.poll(|stream| stream.poll_trailers(cx)));
        let trailers = trailers.map_err(|error| self.broke(error))?;
        trailers.as_ref().map_or(Ok(()), check_fields).map_err(|violation| self.refuse(violation))?;
        Poll::Ready(Ok(trailers))
    }

    /// Sets the error code of a stream whose trailers h3 finds malformed.
    fn broke(&self, error: StreamError) -> Error {
        if let StreamError::StreamError { code, .. } = error {
            self.handoff.iter().for_each(|handoff| handoff.set_code(code));
        }
        self.truncated(error)
    }

    fn truncated(&self, error: StreamError) -> Error {
        Error::truncated(cause(error, self.handoff.as_ref().and_then(Handoff::violation)))
    }

    /// Sets the error code of a stream whose message is malformed.
    fn refuse(&self, violation: Violation) -> Error {
        self.handoff.iter().for_each(|handoff| handoff.set_code(violation.code));
        Error::protocol(PROTOCOL, violation)
    }
}

impl<S: DataSource + Unpin> http_body::Body for ReceivedBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let (polled, next) = match self.part {
                BodyPart::Data => {
                    let data = ready!(self.poll_data(cx));
                    (data.map(|data| data.map(Frame::data)), BodyPart::Trailers)
                }
                BodyPart::Trailers => {
                    let trailers = ready!(self.poll_trailers(cx));
                    (trailers.map(|trailers| trailers.map(Frame::trailers)), BodyPart::Nothing)
                }
                BodyPart::Nothing => return Poll::Ready(None),
            };
            match polled {
                Ok(Some(frame)) if self.part == BodyPart::Data => return Poll::Ready(Some(Ok(frame))),
                Ok(frame) => {
                    self.part = next;
                    if let Some(frame) = frame {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Err(error) => {
                    self.part = BodyPart::Nothing;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}
