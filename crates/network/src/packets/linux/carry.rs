//! The carrying of IP packets from each interface to the other.

use std::{io, os::fd::OwnedFd, rc::Rc, time::Duration};

use rustix::io::{Errno, read, write};
use tokio::{io::unix::AsyncFd, task::yield_now};

use super::ends::{CLIENT, End, MTU, SERVER};
use crate::{alarm::Alarm, line::Line, link::SharedLink};

/// The most packets that one turn takes, so that packets on their way are handed on in time.
const TURN: usize = 64;

/// The divisor of the delay that gives the time by which packets may be late. One wait then serves several packets. A
/// wait costs more processor time than a packet.
const SLACK_PARTS: u32 = 64;

/// The longest time by which packets may be late.
const MAX_SLACK: Duration = Duration::from_micros(200);

/// Carries packets of both directions until an interface fails. The first link leads to the server.
pub(super) async fn carry(
    client: &AsyncFd<OwnedFd>,
    server: &AsyncFd<OwnedFd>,
    links: &[SharedLink; 2],
) -> io::Error {
    let [to_server, to_client] = links;
    tokio::select! {
        error = carry_one(client, server, &SERVER, to_server) => error,
        error = carry_one(server, client, &CLIENT, to_client) => error,
    }
}

/// Carries the packets of one direction.
async fn carry_one(
    from: &AsyncFd<OwnedFd>,
    to: &AsyncFd<OwnedFd>,
    end: &End,
    link: &SharedLink,
) -> io::Error {
    let slack = (link.borrow().delay() / SLACK_PARTS).min(MAX_SLACK);
    let line = Line::in_batches(link.borrow().began(), slack);
    let outcome = tokio::select! {
        outcome = take(from, end, link, &line) => outcome,
        outcome = hand_on(to, link, &line) => outcome,
    };
    outcome.err().unwrap_or_else(|| io::Error::other("the relay of packets has ended"))
}

/// Takes packets from an interface as fast as they arrive, and adds them to the line.
async fn take(
    from: &AsyncFd<OwnedFd>,
    end: &End,
    link: &SharedLink,
    line: &Rc<Line<Box<[u8]>>>,
) -> io::Result<()> {
    let mut buffer = [0; MTU as usize];
    loop {
        let mut ready = from.readable().await?;
        for _ in 0..TURN {
            match ready.try_io(|from| read(from.get_ref(), &mut buffer).map_err(io::Error::from)) {
                Ok(length) => {
                    let packet = buffer.get(..length?).unwrap_or_default();
                    if end.is_addressed(packet) {
                        let passes = link.borrow_mut().take_packet(packet.len());
                        passes.into_iter().for_each(|due| line.add(due, packet.into()));
                    }
                }
                Err(_would_block) => break,
            }
        }
        yield_now().await;
    }
}

/// Hands packets to an interface when they are due.
async fn hand_on(to: &AsyncFd<OwnedFd>, link: &SharedLink, line: &Rc<Line<Box<[u8]>>>) -> io::Result<()> {
    let mut alarm = Alarm::new()?;
    loop {
        let packet = line.take(&mut alarm).await;
        let written = loop {
            match write(to.get_ref(), &packet) {
                Err(Errno::AGAIN) => {
                    to.writable().await?.clear_ready();
                }
                written => break written,
            }
        };
        // Writing fails if the interface is down because its namespace is ending.
        written?;
        link.borrow_mut().delivered(packet.len());
    }
}
