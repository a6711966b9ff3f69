//! HTTP/3's bodies, over either end's request streams of h3.

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
use http_body_util::BodyExt as _;

use crate::{Body, BodyError, Error, carriers::streams::Lane};

/// What errors call this protocol.
pub(crate) const PROTOCOL: &str = "HTTP/3";

/// Sends a body, a DATA frame a chunk.
pub(crate) async fn send(mut stream: impl DataSink, mut body: Body, lane: Option<Lane>) -> Result<(), Error> {
    let broken = |error| Error::protocol(PROTOCOL, error);
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                stream.reset(Code::H3_INTERNAL_ERROR);
                return Err(Error::body(&error));
            }
        };
        if let Ok(chunk) = frame.into_data() {
            lane.iter().for_each(|lane| lane.load(chunk.clone()));
            stream.data(chunk).await.map_err(broken)?;
        }
    }
    stream.finish().await.map_err(broken)
}

/// The sending half of h3's request streams, of which a client's and a server's are two types.
pub(crate) trait DataSink {
    async fn data(&mut self, chunk: Bytes) -> Result<(), StreamError>;
    async fn finish(&mut self) -> Result<(), StreamError>;
    fn reset(&mut self, code: Code);
}

/// The receiving half, likewise.
pub(crate) trait DataSource {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>>;
}

macro_rules! request_stream {
    ($end:ident) => {
        impl<S: quic::SendStream<Bytes> + Send> DataSink for $end::RequestStream<S, Bytes> {
            async fn data(&mut self, chunk: Bytes) -> Result<(), StreamError> {
                self.send_data(chunk).await
            }

            async fn finish(&mut self) -> Result<(), StreamError> {
                $end::RequestStream::finish(self).await
            }

            fn reset(&mut self, code: Code) {
                self.stop_stream(code);
            }
        }

        impl<S: quic::RecvStream> DataSource for $end::RequestStream<S, Bytes> {
            fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
                let data = ready!(self.poll_recv_data(cx))?;
                // The piece is one `Bytes` underneath, so this is no copy.
                Poll::Ready(Ok(data.map(|mut data| data.copy_to_bytes(data.remaining()))))
            }
        }
    };
}

request_stream!(client);
request_stream!(server);

/// A body as it arrives, datagram by datagram.
pub(crate) struct Http3Body<S> {
    pub(crate) read: S,
    /// None where h3 takes from the connection whatever it likes.
    pub(crate) lane: Option<Lane>,
}

impl<S: DataSource + Unpin> http_body::Body for Http3Body<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let data = loop {
            match self.read.poll_data(cx) {
                Poll::Ready(data) => break data.map_err(|error| Error::truncated(error).into()),
                // h3 has run dry, so it gets one more piece.
                Poll::Pending if self.lane.as_ref().is_some_and(Lane::admit) => {}
                Poll::Pending => return Poll::Pending,
            }
        };
        if let (Some(lane), Ok(Some(data))) = (&self.lane, &data) {
            lane.handed_out(data);
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)).transpose())
    }
}
