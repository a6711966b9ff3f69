//! The ceiling of QUIC: bodies in bare datagrams, and heads on a separate TCP stream.
//!
//! Datagrams carry no header, so the kernel can cut chunks into datagrams and join received ones. One body is in flight
//! at a time. Its receiver reports the number of received bytes to the sender, in datagrams of eight bytes.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use record::{End, Limits, Term};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, Interest, ReadBuf, ReadHalf, WriteHalf},
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use super::{
    frame::{self, RequestHead, ResponseHead},
    pieces::{MOST_PIECES, Pieces},
    send::{self, BodySink},
};
use crate::{
    Body, BodyError, BodySent, Connection, Error, Incoming, Link, Responder, Session, Shape,
    carriers::udp::{Channel, Socket},
    footprint::{Footprint, kib},
    tcp_stream::SharedStream,
};

/// The bytes that one receive asks for: the most that GRO joins.
const READ: usize = 64 << 10;

/// The read buffers of a connection, which alternate.
const BUFFERS: u64 = 2;

/// The longest wait for the confirmation of a body after the response has arrived. A peer that responds early sends no
/// confirmation.
const CONFIRMATION: Duration = Duration::from_millis(100);

/// The protocol's name in errors.
const PROTOCOL: &str = "datagrams";

/// The engine of the `quic-ceiling` row.
pub(crate) struct Datagrams;

impl Footprint for Datagrams {
    fn footprint(_: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => sender(shape),
            End::Receiver => {
                let size = kib(READ as u64);
                let reason = format!("{BUFFERS} × {size} per connection: one at the sink, one being read");
                vec![shape.term("read buffers", BUFFERS * READ as u64, reason)]
            }
        }
    }
}

fn sender(shape: Shape) -> Vec<Term> {
    let pieces = shape.term(
        "gathered pieces",
        (MOST_PIECES * size_of::<Bytes>()) as u64,
        format!("up to {MOST_PIECES} references to chunks per connection"),
    );
    let gathered = shape.payload_in_flight(
        (READ as u64).saturating_add(shape.chunk_bytes()),
        format!("{} and a chunk per connection, gathered for one send", kib(READ as u64)),
    );
    [pieces].into_iter().chain(gathered).collect()
}

/// Returns a connection of either end over an open channel.
pub(crate) fn link(channel: Channel) -> impl Connection + Session {
    let (read, write) = tokio::io::split(channel.control);
    DatagramLink {
        read: Arc::new(Mutex::new(Reader { stream: read, unread: 0 })),
        write: Arc::new(Mutex::new(write)),
        socket: channel.socket,
    }
}

/// A connection of either end, which carries one exchange after the other.
struct DatagramLink {
    read: Arc<Mutex<Reader>>,
    write: Arc<Mutex<WriteHalf<SharedStream>>>,
    socket: Arc<Socket>,
}

#[async_trait]
impl Connection for DatagramLink {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let mut write = self.write.lock().await;
        let mut read = self.read.clone().lock_owned().await;
        let head = frame::encode(PROTOCOL, &RequestHead::of(&request))?;
        let (response, sent) = {
            let mut send = pin!(send(&mut write, &self.socket, head, request.into_body()));
            let mut response = pin!(read.head::<ResponseHead>());
            tokio::select! {
                biased;
                sent = &mut send => {
                    sent?;
                    (response.await?, BodySent::completed())
                }
                response = &mut response => {
                    // The peer confirms the whole body before it responds. The confirmation is a datagram, which must
                    // not be read as a part of the response's body.
                    let is_sent = matches!(timeout(CONFIRMATION, &mut send).await, Ok(Ok(())));
                    (response?, if is_sent { BodySent::completed() } else { BodySent::default() })
                }
            }
        };
        let head = response.ok_or_else(|| Error::truncated("the peer closed without a response"))?;
        read.unread = head.length;
        let body = DatagramBody::new(read, self.socket.clone());
        let mut response = head.response(PROTOCOL, body.boxed_unsync())?;
        response.extensions_mut().insert(sent);
        Ok(response)
    }

    fn link(&self) -> Link {
        self.socket.link()
    }
}

#[async_trait]
impl Session for DatagramLink {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        let mut read = self.read.clone().lock_owned().await;
        let Some(head) = read.head::<RequestHead>().await? else { return Ok(None) };
        read.unread = head.length;
        let body = DatagramBody::new(read, self.socket.clone());
        let request = head.request(PROTOCOL, body.boxed_unsync())?;
        let responder = DatagramResponder { write: self.write.clone(), socket: self.socket.clone() };
        Ok(Some(Incoming::new(request, Box::new(responder))))
    }

    fn link(&self) -> Link {
        self.socket.link()
    }
}

struct DatagramResponder {
    write: Arc<Mutex<WriteHalf<SharedStream>>>,
    socket: Arc<Socket>,
}

#[async_trait]
impl Responder for DatagramResponder {
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
        let head = frame::encode(PROTOCOL, &ResponseHead::of(&response))?;
        send(&mut *self.write.lock().await, &self.socket, head, response.into_body()).await
    }
}

async fn send(
    write: &mut WriteHalf<SharedStream>,
    socket: &Socket,
    head: Vec<u8>,
    body: Body,
) -> Result<(), Error> {
    write.write_all(&head).await.map_err(broken)?;
    let mut sink = Sending { write, socket, pieces: Pieces::default(), sent: 0, received: 0 };
    send::send(&mut sink, body).await
}

fn broken(error: io::Error) -> Error {
    Error::protocol(PROTOCOL, error)
}

/// A body that is being sent.
struct Sending<'a> {
    write: &'a mut WriteHalf<SharedStream>,
    socket: &'a Socket,
    pieces: Pieces,
    /// The bytes that have been sent.
    sent: u64,
    /// The bytes that the peer has received by its last report.
    received: u64,
}

impl Sending<'_> {
    /// Sends at most one batch, once the window admits a whole batch or nothing is in flight.
    async fn send_batch(&mut self) -> Result<(), Error> {
        while self.sent - self.received + self.socket.batch as u64 > self.socket.window
            && self.sent > self.received
        {
            self.await_receipt().await?;
        }
        let udp = &self.socket.udp;
        let sent = loop {
            udp.writable().await.map_err(broken)?;
            let mut slices = [IoSlice::new(&[]); MOST_PIECES];
            let slices = self.pieces.first(self.socket.batch, &mut slices);
            match udp.try_io(Interest::WRITABLE, || SockRef::from(udp).send_vectored(slices)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => break sent.map_err(broken)?,
            }
        };
        self.pieces.advance(sent);
        self.sent += sent as u64;
        Ok(())
    }

    /// Waits for the peer's next report on the bytes received.
    async fn await_receipt(&mut self) -> Result<(), Error> {
        let mut count = [0; 8];
        let length = self.socket.udp.recv(&mut count).await.map_err(broken)?;
        let received = u64::from_be_bytes(count);
        if length != count.len() || received > self.sent {
            return Err(Error::protocol(PROTOCOL, "the peer confirms bytes that were not sent"));
        }
        self.received = self.received.max(received);
        Ok(())
    }
}

impl BodySink for Sending<'_> {
    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.pieces.push(chunk);
        while self.pieces.bytes() >= self.socket.batch || self.pieces.is_full() {
            self.send_batch().await?;
        }
        Ok(())
    }

    /// Sends the rest, and waits until the peer has reported everything as received. The counts of the next body start
    /// at zero.
    async fn finish(&mut self) -> Result<(), Error> {
        while !self.pieces.is_empty() {
            self.send_batch().await?;
        }
        while self.received < self.sent {
            self.await_receipt().await?;
        }
        Ok(())
    }

    /// Closes the TCP stream, so that the peer waits for no further datagrams.
    async fn abort(&mut self) {
        let _ = self.write.shutdown().await;
    }
}

/// The receiving half of the TCP stream, with the state of the body that is being received.
struct Reader {
    stream: ReadHalf<SharedStream>,
    /// The bytes of the current body that are still to be received.
    unread: u64,
}

impl Reader {
    async fn head<H: for<'a> serde::Deserialize<'a>>(&mut self) -> Result<Option<H>, Error> {
        if self.unread > 0 {
            let reason = format!("{} bytes of the previous body were never read", self.unread);
            return Err(Error::protocol(PROTOCOL, reason));
        }
        frame::read(PROTOCOL, &mut self.stream).await
    }

    /// Waits for the end of the TCP stream, on which nothing else may arrive during a body.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let mut space = [0; 1];
        let mut space = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space));
        Poll::Ready(match read {
            Ok(()) if space.filled().is_empty() => {
                Error::truncated(format!("{} bytes were still to come", self.unread))
            }
            Ok(()) => Error::protocol(PROTOCOL, "a head came before the end of the body"),
            Err(error) => Error::truncated(error),
        })
    }
}

/// A body that is being received. It holds the reader until it is dropped.
struct DatagramBody {
    reader: OwnedMutexGuard<Reader>,
    socket: Arc<Socket>,
    buffer: BytesMut,
    received: u64,
    /// The number of received bytes that was last reported to the peer.
    reported: u64,
}

impl DatagramBody {
    fn new(reader: OwnedMutexGuard<Reader>, socket: Arc<Socket>) -> Self {
        Self { reader, socket, buffer: BytesMut::new(), received: 0, reported: 0 }
    }

    /// Receives one datagram, or several that the kernel has joined.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        ready!(self.poll_tell(cx))?;
        // The sink has dropped the previous piece by now, so `reserve` reuses its memory instead of allocating.
        self.buffer.reserve(READ);
        let length = loop {
            match self.socket.udp.try_recv_buf(&mut self.buffer) {
                Ok(length) => break length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.udp.poll_recv_ready(cx).map_err(Error::truncated)?.is_pending() {
                        return self.reader.poll_end(cx).map(Err);
                    }
                }
                Err(error) => return Poll::Ready(Err(Error::truncated(error))),
            }
        };
        let Some(unread) = self.reader.unread.checked_sub(length) else {
            return Poll::Ready(Err(Error::protocol(PROTOCOL, "the body is longer than its head says")));
        };
        (self.reader.unread, self.received) = (unread, self.received + length);
        let piece = self.buffer.split().freeze();
        // If the socket does not take the report now, the next poll repeats it. The peer waits for no other message.
        let _ = self.poll_tell(cx)?;
        Poll::Ready(Ok(piece))
    }

    /// Reports the number of received bytes to the peer, if the report is due.
    fn poll_tell(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (unreported, unread) = (self.received - self.reported, self.reader.unread);
        if unreported >= self.socket.report_after || (unreported > 0 && unread == 0) {
            let count = self.received.to_be_bytes();
            ready!(self.socket.udp.poll_send(cx, &count)).map_err(Error::truncated)?;
            self.reported = self.received;
        }
        Poll::Ready(Ok(()))
    }
}

impl http_body::Body for DatagramBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.reader.unread == 0 {
            ready!(self.poll_tell(cx)).map_err(BodyError::from)?;
            return Poll::Ready(None);
        }
        Poll::Ready(Some(ready!(self.poll_piece(cx)).map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.reader.unread == 0 && self.reported == self.received
    }
}
