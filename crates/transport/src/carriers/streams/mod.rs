//! A QUIC connection as h3 wants it: quinn's streams, with a lane past h3 for each that carries a body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::stream::{Stream, StreamExt as _, unfold};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::{ConnectionError, VarInt};

pub(crate) use lane::{Lane, Lanes};
pub(crate) use recv::{PIECES, RecvStream};
pub(crate) use send::{JOINED, SendStream};

mod error;
mod lane;
mod recv;
mod send;

/// Streams as they come, one after the other. It ends with the connection's error.
type Coming<T> = Pin<Box<dyn Stream<Item = Result<T, ConnectionError>> + Send + Sync>>;

/// Both halves of one of quinn's streams.
type Pair = (quinn::SendStream, quinn::RecvStream);

/// Streams of one kind. What quinn returns has to be kept until it is done, so they are asked for by a
/// stream that keeps it.
macro_rules! coming {
    ($connection:expr, $next:ident) => {
        Box::pin(unfold($connection.clone(), |connection| async {
            Some((connection.$next().await, connection))
        }))
    };
}

/// A connection, of either end.
pub(crate) struct Connection {
    opener: OpenStreams,
    pairs: Coming<Pair>,
    receiving: Coming<quinn::RecvStream>,
}

impl Connection {
    pub(crate) fn new(connection: quinn::Connection) -> (Self, Lanes) {
        let lanes = Lanes::default();
        let pairs = coming!(connection, accept_bi);
        let receiving = coming!(connection, accept_uni);
        let opener = OpenStreams { connection, lanes: lanes.clone(), pairs: None, sending: None };
        (Self { opener, pairs, receiving }, lanes)
    }
}

impl<B: Buf> quic::Connection<B> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = OpenStreams;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let stream = next(&mut self.receiving, cx).map_err(error::connection);
        stream.map_ok(|stream| RecvStream::new(stream, None))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        let pair = next(&mut self.pairs, cx).map_err(error::connection);
        pair.map_ok(|pair| BidiStream::new(pair, &self.opener.lanes))
    }

    fn opener(&self) -> OpenStreams {
        self.opener.clone()
    }
}

impl<B: Buf> quic::OpenStreams<B> for Connection {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<B>::close(&mut self.opener, code, reason);
    }
}

/// What opens streams of a connection.
pub(crate) struct OpenStreams {
    connection: quinn::Connection,
    lanes: Lanes,
    pairs: Option<Coming<Pair>>,
    sending: Option<Coming<quinn::SendStream>>,
}

impl Clone for OpenStreams {
    fn clone(&self) -> Self {
        Self { connection: self.connection.clone(), lanes: self.lanes.clone(), pairs: None, sending: None }
    }
}

impl<B: Buf> quic::OpenStreams<B> for OpenStreams {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let pairs = self.pairs.get_or_insert_with(|| coming!(self.connection, open_bi));
        let pair = next(pairs, cx).map_err(error::stream);
        pair.map_ok(|pair| BidiStream::new(pair, &self.lanes))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        let sending = self.sending.get_or_insert_with(|| coming!(self.connection, open_uni));
        let stream = next(sending, cx).map_err(error::stream);
        stream.map_ok(|stream| SendStream::new(stream, None))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX), reason);
    }
}

fn next<T>(streams: &mut Coming<T>, cx: &mut Context<'_>) -> Poll<Result<T, ConnectionError>> {
    // They end with an error only, which h3 asks for once.
    Poll::Ready(ready!(streams.poll_next_unpin(cx)).unwrap_or(Err(ConnectionError::LocallyClosed)))
}

/// What h3 calls a stream of quinn's.
#[expect(
    clippy::expect_used,
    reason = "both libraries' identifiers have the 62 bits of RFC 9000 section 2.1"
)]
fn stream_id(id: quinn::StreamId) -> StreamId {
    u64::from(id).try_into().expect("62 bits")
}

/// A stream of a request and its response.
pub(crate) struct BidiStream<B> {
    send: SendStream<B>,
    recv: RecvStream,
}

impl<B: Buf> BidiStream<B> {
    fn new((send, recv): Pair, lanes: &Lanes) -> Self {
        let entry = lanes.open(stream_id(recv.id()));
        let send = SendStream::new(send, Some(entry.lane.clone()));
        Self { send, recv: RecvStream::new(recv, Some(entry)) }
    }
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = SendStream<B>;
    type RecvStream = RecvStream;

    fn split(self) -> (Self::SendStream, Self::RecvStream) {
        (self.send, self.recv)
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.recv.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}
