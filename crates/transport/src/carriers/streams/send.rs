//! The sending half of a stream, into which chunks go as they are.

use std::{
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use h3::quic::{self, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::VarInt;

use super::{error, lane::Lane, stream_id};

pub(crate) struct SendStream<B> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
    /// None for h3's own streams, which carry no chunks.
    lane: Option<Lane>,
}

impl<B: Buf> SendStream<B> {
    pub(super) fn new(stream: quinn::SendStream, lane: Option<Lane>) -> Self {
        Self { stream, writing: None, lane }
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(writing) = self.writing.as_mut().filter(|writing| writing.has_remaining()) {
            let part = writing.chunk();
            let written = match &self.lane {
                // A write that has to wait has taken nothing, so it can be begun anew.
                Some(lane) => {
                    let mut part = [lane.unload(part)];
                    ready!(pin!(self.stream.write_chunks(&mut part)).poll(cx)).map(|written| written.bytes)
                }
                None => ready!(pin!(self.stream.write(part)).poll(cx)),
            };
            writing.advance(written.map_err(error::write)?);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        // h3 asks `poll_ready` to its end before it sends again.
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|closed| StreamErrorIncoming::Unknown(Box::new(closed))))
    }

    fn reset(&mut self, code: u64) {
        // A stream that is closed already needs no reset.
        let _ = self.stream.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}
