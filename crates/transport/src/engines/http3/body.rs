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
}

macro_rules! request_stream {
    ($end:ident) => {
        impl<S: quic::SendStream<Bytes> + Send> BodySink for SendHalf<$end::RequestStream<S, Bytes>> {
            async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
                self.handoff.iter().for_each(|handoff| handoff.set_chunk(chunk.clone()));
                self.stream.send_data(chunk).await.map_err(broken)
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
}

impl<S: DataSource + Unpin> http_body::Body for ReceivedBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let data = loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(data) => break data.map_err(|error| Error::truncated(error).into()),
                // h3 holds no more data, so it gets another piece.
                Poll::Pending if self.handoff.as_ref().is_some_and(Handoff::admit_one) => {}
                Poll::Pending => return Poll::Pending,
            }
        };
        if let (Some(handoff), Ok(Some(data))) = (&self.handoff, &data) {
            handoff.data_read(data);
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)).transpose())
    }
}
