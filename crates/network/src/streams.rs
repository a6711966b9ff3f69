//! The relay of TCP. Connections end at the relay, and their bytes travel on in pieces.

use std::{cell::RefCell, io, net::SocketAddr, ops::RangeInclusive, rc::Rc, time::Duration};

use bytes::Bytes;
use record::NetworkSpec;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::JoinSet,
};

use crate::{alarm::Alarm, datagrams::loopback, line::Line, link::SharedLink, window::Window};

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
/// the listener fails.
///
/// # Errors
/// Fails if no socket can be opened.
pub(crate) async fn listen(
    network: &NetworkSpec,
    server: SocketAddr,
    to_server: SharedLink,
    to_client: SharedLink,
) -> io::Result<(SocketAddr, impl Future<Output = io::Error>)> {
    let listener = TcpListener::bind(loopback(server)).await?;
    let address = listener.local_addr()?;
    let in_time = network.rate.map(|rate| (rate.bytes_per_s() * PIECE_TIME_S) as u64);
    let (window, piece) = (network.window_bytes(), in_time.unwrap_or(u64::MAX));
    let piece = piece.min(window / PIECES).clamp(*PIECE.start(), *PIECE.end());
    let shape = Shape { to_server, to_client, round_trip: network.rtt, window, piece };
    let work = async move {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    connections.spawn_local(relay(client, server, shape.clone()));
                }
                Err(error) => return error,
            }
            while connections.try_join_next().is_some() {}
        }
    };
    Ok((address, work))
}

/// Relays one connection until both directions have ended. A failure in one direction aborts both.
async fn relay(client: TcpStream, server: SocketAddr, shape: Shape) {
    let _ = carry(client, server, &shape).await;
}

async fn carry(client: TcpStream, server: SocketAddr, shape: &Shape) -> io::Result<()> {
    let mut alarm = Alarm::new()?;
    let server = TcpStream::connect(server).await?;
    // On a real path, the client's first bytes leave once the answer to its SYN has arrived: a round trip later.
    alarm.after(shape.round_trip).await;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // If the relay gives up, both peers see a reset instead of an orderly end.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (forth, back) = (Direction::new(&shape.to_server, shape), Direction::new(&shape.to_client, shape));
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
            window: RefCell::new(Window::new(shape.window)),
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
            let mut piece = Vec::with_capacity(usize::try_from(room.min(self.piece)).unwrap_or(usize::MAX));
            let length = source.read_buf(&mut piece).await?;
            let now = self.link.borrow().now();
            let held = self.window.borrow_mut().take(length as u64);
            self.link.borrow_mut().holds(held);
            let due = self.link.borrow_mut().pass_piece(now, length);
            self.line.add(due, piece.into());
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
