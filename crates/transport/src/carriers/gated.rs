//! h3-quinn's streams, each with a gate before its receiving half.
//!
//! h3 0.0.8 asks the stream for a piece whenever it is asked for one, also when it still holds some, and
//! what it takes from the stream gives the peer credit to send more: a slow reader of a fast peer ends up
//! with most of the body in memory (hyperium/h3 issue 308). Here a body's stream is shut as soon as a piece
//! has passed, and opened for one more when h3 has run dry. So h3 never holds more than a piece: what one
//! QUIC packet carried.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, RecvStream as _, StreamErrorIncoming, StreamId, WriteBuf},
};

/// What pieces of one stream pass through. Only the task that reads the body turns it.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<AtomicU8>);

/// Every piece passes: until the head has been read, and ever after for a reader that shuts nothing.
const OPEN: u8 = 0;
/// One piece passes, which shuts the gate.
const AJAR: u8 = 1;
/// Nothing passes, and nobody is woken.
const SHUT: u8 = 2;

impl Gate {
    /// From now on pieces pass one by one.
    pub(crate) fn shut(&self) {
        self.0.store(SHUT, Relaxed);
    }

    /// Lets one piece pass, if the gate is shut: then whoever was told to wait should ask again, and
    /// otherwise will be woken by the stream.
    pub(crate) fn admit(&self) -> bool {
        self.0.compare_exchange(SHUT, AJAR, Relaxed, Relaxed).is_ok()
    }

    fn open() -> Self {
        Self(Arc::new(AtomicU8::new(OPEN)))
    }

    fn is_shut(&self) -> bool {
        self.0.load(Relaxed) == SHUT
    }

    fn passed(&self) {
        let _ = self.0.compare_exchange(AJAR, SHUT, Relaxed, Relaxed);
    }
}

/// The gates of a connection's streams, for those who will read their bodies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(Arc<Mutex<HashMap<StreamId, Gate>>>);

impl Gates {
    /// The gate of a stream that is still open.
    pub(crate) fn of(&self, stream: StreamId) -> Gate {
        self.lock().get(&stream).cloned().unwrap_or_else(Gate::open)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before<B: Buf>(&self, stream: h3_quinn::BidiStream<B>) -> BidiStream<B> {
        let (send, recv) = quic::BidiStream::split(stream);
        let (id, gate) = (recv.recv_id(), Gate::open());
        self.lock().insert(id, gate.clone());
        let entry = Entry { id, gate, gates: self.clone() };
        BidiStream { send, recv: RecvStream { stream: recv, entry: Some(entry) } }
    }
}

/// What opens or takes streams, with a gate before each that carries a request or a response.
#[derive(Clone)]
pub(crate) struct Gated<T> {
    inner: T,
    gates: Gates,
}

/// [`h3_quinn::Connection`] with gates.
pub(crate) type Connection = Gated<h3_quinn::Connection>;

/// [`h3_quinn::OpenStreams`] with gates.
pub(crate) type OpenStreams = Gated<h3_quinn::OpenStreams>;

impl Connection {
    pub(crate) fn new(connection: quinn::Connection) -> (Self, Gates) {
        let gates = Gates::default();
        (Self { inner: h3_quinn::Connection::new(connection), gates: gates.clone() }, gates)
    }
}

impl<B: Buf> quic::Connection<B> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = OpenStreams;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<B>::poll_accept_recv(&mut self.inner, cx))?;
        Poll::Ready(Ok(RecvStream { stream, entry: None }))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        let stream = ready!(self.inner.poll_accept_bidi(cx))?;
        Poll::Ready(Ok(self.gates.before(stream)))
    }

    fn opener(&self) -> OpenStreams {
        let inner = quic::Connection::<B>::opener(&self.inner);
        Gated { inner, gates: self.gates.clone() }
    }
}

impl<B, T> quic::OpenStreams<B> for Gated<T>
where
    B: Buf,
    T: quic::OpenStreams<B, BidiStream = h3_quinn::BidiStream<B>, SendStream = h3_quinn::SendStream<B>>,
{
    type BidiStream = BidiStream<B>;
    type SendStream = h3_quinn::SendStream<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let stream = ready!(self.inner.poll_open_bidi(cx))?;
        Poll::Ready(Ok(self.gates.before(stream)))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        self.inner.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.inner.close(code, reason);
    }
}

/// [`h3_quinn::BidiStream`] whose receiving half has a gate.
pub(crate) struct BidiStream<B: Buf> {
    send: h3_quinn::SendStream<B>,
    recv: RecvStream,
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = h3_quinn::SendStream<B>;
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

/// [`h3_quinn::RecvStream`], behind a gate if it carries a request or a response.
pub(crate) struct RecvStream {
    stream: h3_quinn::RecvStream,
    entry: Option<Entry>,
}

/// A stream's gate, listed as long as the stream is there.
struct Entry {
    id: StreamId,
    gate: Gate,
    gates: Gates,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.gates.lock().remove(&self.id);
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let Some(Entry { gate, .. }) = &self.entry else { return self.stream.poll_data(cx) };
        if gate.is_shut() {
            return Poll::Pending;
        }
        let piece = ready!(self.stream.poll_data(cx));
        gate.passed();
        Poll::Ready(piece)
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        // While a read is under way, h3-quinn's own answer would be a panic.
        self.entry.as_ref().map_or_else(|| self.stream.recv_id(), |entry| entry.id)
    }
}
