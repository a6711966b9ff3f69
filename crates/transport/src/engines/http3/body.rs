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

use super::{broken, streams::Handoff};
use crate::{BodyError, Error, engines::send::BodySink};

/// The sending half of a request stream. It sends one DATA frame per chunk.
pub(super) struct SendHalf<S> {
    pub(super) stream: S,
    /// `None` over the streams of h3-quinn.
    pub(super) handoff: Option<Handoff>,
}

/// The receiving half of a request stream, of which h3 has one type per end.
pub(super) trait DataSource {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>>;

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, StreamError>>;
}

macro_rules! request_stream {
    ($end:ident) => {
        impl<S: quic::SendStream<Bytes> + Send> BodySink for SendHalf<$end::RequestStream<S, Bytes>> {
            async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
                self.handoff.iter().for_each(|handoff| handoff.set_chunk(chunk.clone()));
                self.stream.send_data(chunk).await.map_err(broken)
            }

            async fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Error> {
                self.stream.send_trailers(trailers).await.map_err(broken)
            }

            async fn finish(&mut self) -> Result<(), Error> {
                self.stream.finish().await.map_err(broken)
            }

            async fn abort(&mut self) {
                self.stream.stop_stream(Code::H3_INTERNAL_ERROR);
            }
        }

        impl<S: quic::RecvStream> DataSource for $end::RequestStream<S, Bytes> {
            fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
                let data = ready!(self.poll_recv_data(cx))?;
                // The piece is one `Bytes` underneath, so this does not copy.
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
    pub(super) stream: S,
    /// `None` over the streams of h3-quinn, from which h3 takes data at any time.
    pub(super) handoff: Option<Handoff>,
    /// The part of the body that is read next.
    pub(super) next: Part,
}

/// The parts of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    Data,
    Trailers,
    End,
}

impl<S: DataSource + Unpin> ReceivedBody<S> {
    /// The next frame that h3 has. It is asked for trailers only once it has reported the end of the data.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, StreamError>> {
        if self.next == Part::Data {
            match ready!(self.stream.poll_data(cx))? {
                Some(data) => return Poll::Ready(Ok(Some(Frame::data(data)))),
                None => self.next = Part::Trailers,
            }
        }
        if self.next == Part::End {
            return Poll::Ready(Ok(None));
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        self.next = Part::End;
        Poll::Ready(Ok(trailers.map(Frame::trailers)))
    }
}

impl<S: DataSource + Unpin> http_body::Body for ReceivedBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = loop {
            match self.poll_next(cx) {
                Poll::Ready(frame) => break frame.map_err(|error| Error::truncated(error).into()),
                // h3 holds no more data, so it gets another piece.
                Poll::Pending if self.handoff.as_ref().is_some_and(Handoff::admit_one) => {}
                Poll::Pending => return Poll::Pending,
            }
        };
        if let (Some(handoff), Ok(Some(frame))) = (&self.handoff, &frame) {
            frame.data_ref().into_iter().for_each(|data| handoff.data_read(data));
        }
        Poll::Ready(frame.transpose())
    }
}
