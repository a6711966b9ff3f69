//! The ceiling over a byte stream. It carries the same bytes as the baseline, in gathered writes and larger reads that
//! do not depend on the chunk size.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
};

use async_trait::async_trait;
use bytes::Bytes;
use record::{CEILING_READ, CEILING_WRITE, End, Limits, Term};
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _, WriteHalf};

use super::{
    pieces::{MOST_PIECES, Pieces},
    raw::{Calls, RawLink, broken, read_buffers},
    send::{self, BodySink},
};
use crate::{
    Body, Connection, Error, Guards, Session, Shape,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    footprint::{Footprint, kib},
    probe::Cork,
    settings::{FromLimits, bytes},
};

/// The engine of the `tcp-ceiling` and `tls-ceiling` rows, and its system calls. Chunks are gathered for one write,
/// under a cork, so that segments are full.
#[derive(Clone)]
pub(crate) struct Ceiling {
    /// The bytes that one read of a body asks for.
    read: usize,
    /// The bytes that are gathered for one write.
    gathered: usize,
}

impl FromLimits for Ceiling {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self { read: bytes(limits, &CEILING_READ)?, gathered: bytes(limits, &CEILING_WRITE)? })
    }
}

#[async_trait]
impl ClientEngine for Ceiling {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        Ok(Box::new(RawLink::new(stream, info, self.clone())))
    }
}

#[async_trait]
impl ServerEngine for Ceiling {
    /// A private identifier, since the protocol is not registered.
    const ALPN: &'static [&'static str] = &["longhaul-ceiling"];

    fn ahead(&self) -> usize {
        self.gathered
    }

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        _: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(RawLink::new(stream, info, self.clone())))
    }
}

impl Footprint for Ceiling {
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => sender(limits.bytes(&CEILING_WRITE), shape),
            End::Receiver => vec![read_buffers(limits.bytes(&CEILING_READ), shape)],
        }
    }
}

fn sender(gathered: u64, shape: Shape) -> Vec<Term> {
    let size = kib(gathered);
    let pieces = shape.term(
        "gathered pieces",
        (MOST_PIECES * size_of::<Bytes>()) as u64,
        format!("up to {MOST_PIECES} references to chunks per connection"),
    );
    let records = shape.term(
        "records of one write",
        gathered,
        format!("{size} per connection, encrypted for one write where there is TLS"),
    );
    let gathered = shape.payload_in_flight(
        gathered.saturating_add(shape.chunk_bytes()),
        format!("{size} and a chunk per connection, gathered for one write"),
    );
    [pieces, records].into_iter().chain(gathered).collect()
}

impl Calls for Ceiling {
    fn read(&self) -> usize {
        self.read
    }

    async fn send<S: Stream>(&self, write: &mut WriteHalf<S>, cork: Cork, body: Body) -> Result<(), Error> {
        cork.set();
        let mut sink = Gathered { write, pieces: Pieces::default(), at_once: self.gathered };
        let sent = send::send(&mut sink, body).await;
        cork.clear();
        sent
    }
}

/// The chunks of a body, gathered for a write.
struct Gathered<'a, S> {
    write: &'a mut WriteHalf<S>,
    pieces: Pieces,
    /// The number of gathered bytes from which on they are written.
    at_once: usize,
}

impl<S: Stream> Gathered<'_, S> {
    /// Writes all gathered pieces.
    async fn release(&mut self) -> Result<(), Error> {
        while !self.pieces.is_empty() {
            match self.write_some().await.map_err(broken)? {
                0 => return Err(broken(io::ErrorKind::WriteZero.into())),
                written => self.pieces.advance(written),
            }
        }
        Ok(())
    }

    async fn write_some(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MOST_PIECES];
        let slices = self.pieces.first(usize::MAX, &mut slices);
        poll_fn(|cx| Pin::new(&mut *self.write).poll_write_vectored(cx, slices)).await
    }
}

impl<S: Stream> BodySink for Gathered<'_, S> {
    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.pieces.push(chunk);
        if self.pieces.bytes() >= self.at_once || self.pieces.is_full() {
            self.release().await
        } else {
            Ok(())
        }
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.release().await?;
        self.write.flush().await.map_err(broken)
    }

    /// Closes the stream: the head announced a length, so the peer notices an early end.
    async fn abort(&mut self) {
        let _ = self.write.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex, split};

    use super::*;

    const GATHERED: usize = 256 << 10;

    #[test]
    fn the_limits_decide_the_calls_and_their_memory() {
        let limits: Limits =
            serde_json::from_str(r#"{"ceiling-read": 65536, "ceiling-write": 1048576}"#).unwrap();
        let ceiling = Ceiling::from_limits(&limits).unwrap();
        assert_eq!((ceiling.read(), ceiling.ahead()), (64 << 10, 1 << 20));
        let bytes = |end, name: &str| {
            let terms = Ceiling::footprint(&limits, end, Shape::new(1, 1, record::ChunkSize::DEFAULT));
            terms.iter().find(|term| term.name == name).unwrap().bytes
        };
        assert_eq!(bytes(End::Receiver, "read buffers"), 2 * (64 << 10));
        assert_eq!(bytes(End::Sender, "records of one write"), 1 << 20);
        let small: Limits = serde_json::from_str(r#"{"ceiling-write": 1024}"#).unwrap();
        assert!(Ceiling::from_limits(&small).is_err(), "such writes depend on the chunk");
    }

    #[tokio::test]
    async fn pieces_leave_in_order_whatever_the_stream_takes_at_once() {
        let (near, mut far) = duplex(1000);
        let (_read, mut write) = split(near);
        let mut sink = Gathered { write: &mut write, pieces: Pieces::default(), at_once: GATHERED };
        let pieces: Vec<Bytes> = (0..2500_u32).map(|at| Bytes::from(at.to_le_bytes().to_vec())).collect();
        let send = async {
            for piece in pieces.clone() {
                sink.send(piece).await.unwrap();
            }
            sink.finish().await.unwrap();
            assert!(sink.pieces.is_empty());
        };
        let mut read = vec![0; 4 * pieces.len()];
        let (_, length) = tokio::join!(send, far.read_exact(&mut read));
        assert_eq!((length.unwrap(), &read), (4 * pieces.len(), &pieces.concat()));
    }

    #[tokio::test]
    async fn small_chunks_wait_until_a_write_is_worth_it() {
        let (near, mut far) = duplex(1 << 20);
        let (_read, mut write) = split(near);
        let mut sink = Gathered { write: &mut write, pieces: Pieces::default(), at_once: GATHERED };
        let chunk = Bytes::from(vec![7; 64 << 10]);
        for _ in 0..3 {
            sink.send(chunk.clone()).await.unwrap();
        }
        assert_eq!(sink.pieces.bytes(), 3 * chunk.len());
        sink.send(chunk.clone()).await.unwrap();
        assert!(sink.pieces.is_empty());
        let mut read = vec![0; GATHERED];
        far.read_exact(&mut read).await.unwrap();
    }
}
