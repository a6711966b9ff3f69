//! A relay between the ends of TCP connections that delays all bytes, in both directions.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{sleep, spawn},
    time::Duration,
};

use process::Stamp;

/// The bytes that are relayed at once.
const PIECE: usize = 64 << 10;

/// A relay that runs until the test ends. It takes whatever the ends send, so that only their own windows bound the
/// bytes under way.
pub struct Relay {
    pub addr: SocketAddr,
}

/// Bytes and the time at which they were read; no bytes are the end of the stream.
type Piece = (Stamp, Vec<u8>);

impl Relay {
    /// Starts a relay to `upstream` that delays bytes by `delay` in each direction.
    pub fn start(upstream: &str, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, upstream) = (listener.local_addr().unwrap(), upstream.to_owned());
        spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&upstream).unwrap());
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                relay(&client, &server, delay);
                relay(&server, &client, delay);
            }
        });
        Self { addr }
    }
}

/// Relays one direction in two threads, which end with it.
fn relay(from: &TcpStream, to: &TcpStream, delay: Duration) {
    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (pieces, read) = channel();
    spawn(move || take(from, &pieces));
    spawn(move || give(to, &read, delay));
}

fn take(mut from: TcpStream, pieces: &Sender<Piece>) {
    loop {
        let mut piece = vec![0; PIECE];
        let length = match from.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        piece.truncate(length);
        if pieces.send((Stamp::now(), piece)).is_err() || length == 0 {
            return;
        }
    }
}

fn give(mut to: TcpStream, pieces: &Receiver<Piece>, delay: Duration) {
    for (read, piece) in pieces {
        sleep(delay.saturating_sub(read.elapsed()));
        if piece.is_empty() || to.write_all(&piece).is_err() {
            break;
        }
    }
    // The other end may have closed already.
    let _ = to.shutdown(Shutdown::Write);
}
