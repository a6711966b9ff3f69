//! A QUIC connection for h3: the streams of quinn, within the bounds on a peer, and a [`Handoff`] for each stream that
//! carries a body.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::stream::{Stream, StreamExt as _, unfold};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::ConnectionError;

pub(crate) use control::ControlStream;
pub(crate) use handoff::Handoff;
pub(crate) use recv::{PIECES, RecvStream};
pub(crate) use send::{JOINED, SendStream};
pub(crate) use supervisor::{Bounds, Supervisor};
pub(crate) use violation::Violation;

use crate::{
    carriers::quic::{OpeningWindows, close as quic_close},
    framing::SizeLog,
};
use control::PeerStreams;
use handoff::Registration;

mod arriving;
mod control;
mod error;
mod frames;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod handoff;
mod instructions;
mod message;
mod payloads;
mod recv;
mod section;
mod send;
mod supervisor;
mod violation;

/// The role of this end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// The streams of one kind that are accepted or opened, one after the other. The queue ends with the error of the
/// connection.
type StreamQueue<T> = Pin<Box<dyn Stream<Item = Result<T, ConnectionError>> + Send + Sync>>;

/// Both halves of one of quinn's streams.
type Halves = (quinn::SendStream, quinn::RecvStream);

/// Makes a queue of the streams that the method `$next` of a connection returns. The queue keeps the method's future
/// between polls.
macro_rules! stream_queue {
    ($connection:expr, $next:ident) => {
        Box::pin(unfold($connection.clone(), |connection| async {
            Some((connection.$next().await, connection))
        }))
    };
}

/// A connection of either end.
pub(crate) struct Connection {
    opener: OpenStreams,
    bidirectional: StreamQueue<Halves>,
    unidirectional: PeerStreams,
}

impl Connection {
    /// Wraps a connection. Returns the wrapper and the supervisor of its streams. The received DATA frames are counted
    /// in `data_frames`.
    pub(crate) fn new(
        connection: quinn::Connection,
        role: Role,
        bounds: Bounds,
        windows: Option<Arc<OpeningWindows>>,
        data_frames: Option<SizeLog>,
    ) -> (Self, Arc<Supervisor>) {
        let supervisor = Arc::new(Supervisor::new(connection.clone(), role, bounds, windows, data_frames));
        let bidirectional = stream_queue!(connection, accept_bi);
        let unidirectional = PeerStreams::new(stream_queue!(connection, accept_uni), supervisor.clone());
        let opener = OpenStreams {
            connection,
            supervisor: supervisor.clone(),
            bidirectional: None,
            unidirectional: None,
        };
        (Self { opener, bidirectional, unidirectional }, supervisor)
    }
}

impl<B: Buf> quic::Connection<B> for Connection {
    type RecvStream = ControlStream;
    type OpenStreams = OpenStreams;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ControlStream, ConnectionErrorIncoming>> {
        self.unidirectional.poll_control(cx)
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        loop {
            let halves = ready!(next(&mut self.bidirectional, cx)).map_err(error::connection)?;
            if !self.opener.supervisor.rejects_requests() {
                return Poll::Ready(Ok(BidiStream::new(halves, &self.opener.supervisor)));
            }
            reject(halves);
        }
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

/// Rejects the stream of a request that arrived after the shutdown began (RFC 9114 section 5.2).
fn reject((mut send, mut recv): Halves) {
    let code = supervisor::varint(Code::H3_REQUEST_REJECTED.value());
    // Both calls fail only for a stream that has ended.
    let _ = (send.reset(code), recv.stop(code));
}

/// The opener of streams on a connection.
pub(crate) struct OpenStreams {
    connection: quinn::Connection,
    supervisor: Arc<Supervisor>,
    bidirectional: Option<StreamQueue<Halves>>,
    unidirectional: Option<StreamQueue<quinn::SendStream>>,
}

impl Clone for OpenStreams {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            supervisor: self.supervisor.clone(),
            bidirectional: None,
            unidirectional: None,
        }
    }
}

impl<B: Buf> quic::OpenStreams<B> for OpenStreams {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let queue = self.bidirectional.get_or_insert_with(|| stream_queue!(self.connection, open_bi));
        let halves = next(queue, cx).map_err(error::stream);
        halves.map_ok(|halves| BidiStream::new(halves, &self.supervisor))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        let queue = self.unidirectional.get_or_insert_with(|| stream_queue!(self.connection, open_uni));
        let stream = next(queue, cx).map_err(error::stream);
        stream.map_ok(|stream| SendStream::new(stream, None))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic_close(&self.connection, supervisor::varint(code.value()), reason);
    }
}

fn next<T>(queue: &mut StreamQueue<T>, cx: &mut Context<'_>) -> Poll<Result<T, ConnectionError>> {
    // A queue ends only after an error, and h3 does not poll it again.
    Poll::Ready(ready!(queue.poll_next_unpin(cx)).unwrap_or(Err(ConnectionError::LocallyClosed)))
}

/// Returns the identifier of one of quinn's streams in h3's type.
#[expect(
    clippy::expect_used,
    reason = "both libraries' identifiers have the 62 bits of RFC 9000 section 2.1"
)]
fn stream_id(id: quinn::StreamId) -> StreamId {
    u64::from(id).try_into().expect("62 bits")
}

/// The stream of a request and its response.
pub(crate) struct BidiStream<B> {
    send: SendStream<B>,
    recv: RecvStream,
}

impl<B: Buf> BidiStream<B> {
    fn new((send, recv): Halves, supervisor: &Arc<Supervisor>) -> Self {
        supervisor.request_began();
        let registration = Registration::new(stream_id(recv.id()), supervisor);
        let send = SendStream::new(send, Some(registration.clone()));
        Self { send, recv: RecvStream::new(recv, registration) }
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
