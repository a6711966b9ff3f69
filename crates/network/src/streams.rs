//! The relay of TCP. Connections end at the relay, and their bytes travel on in pieces.

use std::{cell::RefCell, io, net::SocketAddr, ops::RangeInclusive, rc::Rc, time::Duration};

use bytes::Bytes;
use record::NetworkSpec;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::JoinSet,
};

use crate::{
    alarm::Alarm, datagrams::loopback, descriptors::lacks_descriptors, line::Line, link::SharedLink,
    window::Window,
};

/// The size of a piece in bytes: from a TCP segment over Ethernet to 64 KiB, which one system call moves efficiently.
const PIECE: RangeInclusive<u64> = 1448..=64 << 10;

/// The least number of pieces in a window. A window has no room for a part of a piece, so with fewer pieces more of the
/// window stays unused.
const PIECES: u64 = 32;

/// The longest time, in seconds, for which a piece occupies a link with a rate. The smallest piece may take longer. A piece
/// is delivered when its last byte was sent, so the end of a message may wait for this long.
const PIECE_TIME_S: f64 = 0.0002;

/// The facts that all connections share.
#[derive(Clone)]
struct Shape {
    to_server: SharedLink,
    to_client: SharedLink,
    round_trip: Duration,
    window: u64,
    piece: u64,
}

/// Listens for clients of a server. Returns the address for clients, and a future that relays their connections until
/// the listener fails, or the process has no further file descriptor for a connection.
///
/// # Errors
/// Fails if no socket can be opened.
pub(crate) async fn listen(
    network: &NetworkSpec,
    server: SocketAddr,
    to_server: SharedLink,
    to_client: SharedLink,
) -> io::Result<(SocketAddr, impl Future<Output = io::Error> + use<>)> {
    let listener = TcpListener::bind(loopback(server)).await?;
    let address = listener.local_addr()?;
    let in_time = network.rate.map(|rate| (rate.bytes_per_s() * PIECE_TIME_S) as u64);
    let (window, piece) = (network.window_bytes(), in_time.unwrap_or(u64::MAX));
    let piece = piece.min(window / PIECES).clamp(*PIECE.start(), *PIECE.end());
    let shape = Shape { to_server, to_client, round_trip: network.rtt, window, piece };
    let work = async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => {
                        connections.spawn_local(carry(client, server, shape.clone()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return error,
                },
                Some(ended) = connections.join_next() => match ended {
                    Ok(Err(error)) if lacks_descriptors(&error) => return error,
                    // A failure of a peer ends its own connection only.
                    _ => {}
                },
            }
        }
    };
    Ok((address, work))
}

/// Relays one connection until both directions have ended. A failure in one direction aborts both.
async fn carry(client: TcpStream, server: SocketAddr, shape: Shape) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    // On a real path, the client's first bytes leave once the answer to its SYN has arrived: a round trip later.
    Alarm::new()?.after(shape.round_trip).await;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // If the relay gives up, both peers see a reset instead of an orderly end. An orderly end clears this option.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (forth, back) = (Direction::new(&shape.to_server, &shape), Direction::new(&shape.to_client, &shape));
    tokio::try_join!(forth.pass(from_client, to_server), back.pass(from_server, to_client))?;
    Ok(())
}

/// One direction of a connection.
struct Direction {
    link: SharedLink,
    /// The pieces on their way. An empty piece marks the end of the stream.
    line: Rc<Line<Bytes>>,
    window: RefCell<Window>,
    acknowledged: Notify,
    piece: u64,
}

impl Direction {
    fn new(link: &SharedLink, shape: &Shape) -> Self {
        Self {
            link: link.clone(),
            line: Line::new(link.borrow().began()),
            window: RefCell::new(Window::new(shape.window, most_pieces(shape.window))),
            acknowledged: Notify::new(),
            piece: shape.piece,
        }
    }

    async fn pass(&self, source: OwnedReadHalf, sink: OwnedWriteHalf) -> io::Result<()> {
        tokio::try_join!(self.take(source), self.hand_on(sink))?;
        Ok(())
    }

    /// Takes pieces from a sender as its window allows.
    async fn take(&self, mut source: OwnedReadHalf) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        loop {
            let room = self.room(&mut alarm).await;
            let mut bytes = Vec::with_capacity(usize::try_from(room.min(self.piece)).unwrap_or(usize::MAX));
            let length = source.read_buf(&mut bytes).await?;
            let now = self.link.borrow().now();
            let held = self.window.borrow_mut().take(length as u64);
            self.link.borrow_mut().holds(held);
            let due = self.link.borrow_mut().pass_piece(now, length);
            self.line.add(due, piece_of(bytes));
            if length == 0 {
                return Ok(());
            }
        }
    }

    /// Waits until the window has room for a piece, or for half of the window if that is less. Otherwise pieces would
    /// become ever smaller (silly window syndrome, RFC 9293 section 3.8.6.2).
    async fn room(&self, alarm: &mut Alarm) -> u64 {
        loop {
            let now = self.link.borrow().now();
            let (room, next, least) = {
                let mut window = self.window.borrow_mut();
                (window.room(now), window.next_acknowledgement(), self.piece.min(window.half()))
            };
            if room >= least {
                return room;
            }
            match next {
                Some(due) => tokio::select! {
                    () = alarm.after(due.saturating_sub(now)) => {}
                    () = self.acknowledged.notified() => {}
                },
                None => self.acknowledged.notified().await,
            }
        }
    }

    /// Hands pieces to the receiver when they are due. Each is acknowledged once the receiver's kernel has taken it.
    async fn hand_on(&self, mut sink: OwnedWriteHalf) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        loop {
            let piece = self.line.take(&mut alarm).await;
            if piece.is_empty() {
                // With a linger time of zero, closing the socket would discard the bytes that the receiver has not
                // read yet. After an orderly end, TCP delivers them (RFC 9293 section 3.10.4).
                SockRef::from(sink.as_ref()).set_linger(None)?;
                return sink.shutdown().await;
            }
            sink.write_all(&piece).await?;
            let back = {
                let mut link = self.link.borrow_mut();
                link.delivered(piece.len());
                link.now().saturating_add(link.delay())
            };
            self.window.borrow_mut().acknowledge(back, piece.len() as u64);
            self.acknowledged.notify_one();
        }
    }
}

/// Returns the largest number of pieces on their way in a window. As in a congestion window of Linux, which counts
/// packets, further bytes then wait at the sender and leave in larger pieces. The bookkeeping of pieces of a few bytes
/// would otherwise take many times the memory of the window.
fn most_pieces(window: u64) -> u64 {
    (window / PIECE.start()).max(PIECES)
}

/// Returns a piece with the bytes that were read. A short piece leaves the rest of its buffer unused, and is copied.
fn piece_of(bytes: Vec<u8>) -> Bytes {
    let is_short = bytes.len() < bytes.capacity() / 2;
    if is_short { Bytes::copy_from_slice(&bytes) } else { bytes.into() }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{net::TcpSocket, runtime::LocalOptions};

    use super::*;
    use crate::link::Link;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build_local(LocalOptions::default()).unwrap().block_on(work)
    }

    /// Connects a client with a small receive buffer to a server through a relay.
    async fn relayed(network: &str, server: &TcpListener) -> TcpStream {
        let network: NetworkSpec = network.parse().unwrap();
        let link = || Rc::new(RefCell::new(Link::new(&network, 1)));
        let server = server.local_addr().unwrap();
        let (address, work) = listen(&network, server, link(), link()).await.unwrap();
        tokio::task::spawn_local(work);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address).await.unwrap()
    }

    #[test]
    fn a_client_that_has_ended_its_direction_gets_the_whole_answer() {
        const BYTES: usize = 1 << 20;
        run(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let mut client = relayed("rtt=2ms", &listener).await;
            client.shutdown().await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            let answer = async {
                server.write_all(&vec![1; BYTES]).await.unwrap();
                server.shutdown().await.unwrap();
            };
            let mut read = Vec::new();
            let ((), length) = tokio::join!(answer, async {
                // Bytes gather in front of the client, which is slower than the relay.
                tokio::time::sleep(Duration::from_millis(50)).await;
                client.read_to_end(&mut read).await
            });
            assert_eq!(length.map_err(|error| error.kind()), Ok(BYTES));
        });
    }

    #[test]
    fn a_peer_that_aborts_is_seen_as_a_reset() {
        run(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let mut client = relayed("rtt=2ms", &listener).await;
            client.write_all(b"request").await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            server.set_zero_linger().unwrap();
            drop(server);
            let read = client.read(&mut [0]).await;
            assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
        });
    }

    #[test]
    fn a_short_piece_takes_no_more_memory_than_its_bytes() {
        for (length, most) in [(1, 1), (1000, 1000), (40_000, 1 << 16)] {
            let mut bytes = Vec::with_capacity(1 << 16);
            bytes.resize(length, 7);
            let piece = piece_of(bytes).try_into_mut().unwrap();
            assert_eq!((piece.len(), piece.capacity() <= most), (length, true), "{}", piece.capacity());
        }
    }
}
