//! The relay of UDP datagrams. Each datagram passes a link as one packet of the network.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{net::UdpSocket, task::JoinSet};

use crate::{alarm::Alarm, line::Line, link::SharedLink};

/// The largest datagram of UDP.
const LARGEST: usize = 65_535;

/// The requested buffers of the relay's sockets, in bytes. A burst of a sender must not be lost in front of the relay,
/// where no counter shows the loss. The kernel grants as much as its limits allow.
const BUFFER: usize = 4 << 20;

/// The largest number of clients at a time, each of which takes a socket.
const CLIENTS: usize = 1024;

/// A relay between clients and a server.
struct Relay {
    /// The socket that clients reach.
    front: UdpSocket,
    server: SocketAddr,
    to_server: SharedLink,
    to_client: SharedLink,
    on_the_way_to_server: Rc<Line<(Rc<UdpSocket>, Bytes)>>,
    on_the_way_to_client: Rc<Line<(SocketAddr, Bytes)>>,
}

/// Listens for clients of a server. Returns the address for clients, and a future that relays their datagrams until a
/// socket fails.
///
/// # Errors
/// Fails if no socket can be opened.
pub(crate) async fn listen(
    server: SocketAddr,
    to_server: SharedLink,
    to_client: SharedLink,
) -> io::Result<(SocketAddr, impl Future<Output = io::Error>)> {
    let front = socket(loopback(server)).await?;
    let address = front.local_addr()?;
    let (from_client, from_server) = (to_server.borrow().began(), to_client.borrow().began());
    let relay = Rc::new(Relay {
        front,
        server,
        on_the_way_to_server: Line::new(from_client),
        on_the_way_to_client: Line::new(from_server),
        to_server,
        to_client,
    });
    Ok((address, relay.run()))
}

/// Returns a loopback address with the family of `server`, and any port.
pub(crate) fn loopback(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
    }
}

async fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).await?;
    let options = SockRef::from(&socket);
    // The relay also works with smaller buffers.
    let _ = options.set_recv_buffer_size(BUFFER).and_then(|()| options.set_send_buffer_size(BUFFER));
    Ok(socket)
}

impl Relay {
    /// Carries datagrams until a socket fails.
    async fn run(self: Rc<Self>) -> io::Error {
        let outcome = tokio::select! {
            outcome = self.take_from_clients() => outcome,
            outcome = self.hand_to_server() => outcome,
            outcome = self.hand_to_clients() => outcome,
        };
        outcome.err().unwrap_or_else(|| io::Error::other("the relay of datagrams has ended"))
    }

    /// Takes the datagrams of all clients. The relay has a separate socket to the server for each client, so that it
    /// can tell whose replies arrive.
    async fn take_from_clients(self: &Rc<Self>) -> io::Result<()> {
        let mut replies = JoinSet::new();
        let mut sockets = HashMap::<SocketAddr, Rc<UdpSocket>>::new();
        let mut buffer = vec![0; LARGEST];
        loop {
            let (length, client) = match self.front.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) if is_of_the_peer(&error) => continue,
                Err(error) => return Err(error),
            };
            let back = match sockets.get(&client) {
                Some(back) => back.clone(),
                None if sockets.len() >= CLIENTS => continue,
                None => {
                    let back = Rc::new(socket(loopback(self.server)).await?);
                    back.connect(self.server).await?;
                    sockets.insert(client, back.clone());
                    replies.spawn_local(self.clone().take_from_server(back.clone(), client));
                    back
                }
            };
            let passes = self.to_server.borrow_mut().take_packet(length);
            if let (Some(due), Some(datagram)) = (passes, buffer.get(..length)) {
                self.on_the_way_to_server.add(due, (back, Bytes::copy_from_slice(datagram)));
            }
        }
    }

    /// Takes the server's datagrams for one client.
    async fn take_from_server(self: Rc<Self>, back: Rc<UdpSocket>, client: SocketAddr) {
        let mut buffer = vec![0; LARGEST];
        loop {
            let length = match back.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) if is_of_the_peer(&error) => continue,
                Err(_) => return,
            };
            let passes = self.to_client.borrow_mut().take_packet(length);
            if let (Some(due), Some(datagram)) = (passes, buffer.get(..length)) {
                self.on_the_way_to_client.add(due, (client, Bytes::copy_from_slice(datagram)));
            }
        }
    }

    async fn hand_to_server(&self) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        loop {
            let (back, datagram) = self.on_the_way_to_server.take(&mut alarm).await;
            let sent = back.send(&datagram).await;
            handed_on(sent, &self.to_server, datagram.len())?;
        }
    }

    async fn hand_to_clients(&self) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        loop {
            let (client, datagram) = self.on_the_way_to_client.take(&mut alarm).await;
            let sent = self.front.send_to(&datagram, client).await;
            handed_on(sent, &self.to_client, datagram.len())?;
        }
    }
}

/// Counts a datagram that was handed on.
fn handed_on(sent: io::Result<usize>, link: &SharedLink, bytes: usize) -> io::Result<()> {
    match sent {
        Ok(_) => link.borrow_mut().delivered(bytes),
        Err(error) if is_of_the_peer(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns whether the peer or the datagram causes a socket's error: the peer is gone, or the datagram is too large.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
        || error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32)
}
