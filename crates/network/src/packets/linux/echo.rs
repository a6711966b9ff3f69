//! Pings through a network of packets: UDP datagrams between two sockets, one in the namespace of each end.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket as StdSocket},
    time::Duration,
};

use process::Stamp;
use record::NetworkSpec;
use tokio::{net::UdpSocket, time::timeout};

use super::ends::{CLIENT, SERVER};
use crate::ping::PINGS;

/// The time, in addition to the delays of the network, within which a ping over a working network is back.
const SPARE: Duration = Duration::from_secs(1);

/// The time between two datagrams that test whether the network is open.
const KNOCK: Duration = Duration::from_millis(5);

/// Two sockets, one in the namespace of each end.
pub(super) struct Echo {
    client: StdSocket,
    server: StdSocket,
}

/// Returns a socket in the namespace that this process is in. The socket stays there when the process moves on.
///
/// # Errors
/// Fails if the address is not that of an interface of the namespace.
pub(super) fn socket(address: Ipv4Addr) -> io::Result<StdSocket> {
    let socket = StdSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Echo {
    /// Pairs the sockets of the ends.
    pub(super) fn new(client: StdSocket, server: StdSocket) -> Self {
        Self { client, server }
    }

    /// Sends pings one after the other. Returns the round-trip time of each in microseconds; `None` for one that was
    /// lost.
    ///
    /// # Errors
    /// Fails if a socket does.
    pub(super) async fn ping(&self, network: &NetworkSpec) -> io::Result<Vec<Option<f64>>> {
        let (client, server) = self.connect().await?;
        tokio::select! {
            error = echo(&server) => Err(error),
            times = measure(&client, patience(network)) => times,
        }
    }

    /// Waits until a datagram passes the network, whose links may not be up yet. Gives up after the time in which a
    /// ping counts as lost.
    ///
    /// # Errors
    /// Fails if a socket does.
    pub(super) async fn until_open(&self, network: &NetworkSpec) -> io::Result<()> {
        let (client, server) = self.connect().await?;
        tokio::select! {
            error = echo(&server) => Err(error),
            outcome = timeout(patience(network), knock(&client)) => outcome.unwrap_or(Ok(())),
        }
    }

    async fn connect(&self) -> io::Result<(UdpSocket, UdpSocket)> {
        let client = UdpSocket::from_std(self.client.try_clone()?)?;
        let server = UdpSocket::from_std(self.server.try_clone()?)?;
        client.connect((SERVER.v4, server.local_addr()?.port())).await?;
        server.connect((CLIENT.v4, client.local_addr()?.port())).await?;
        Ok((client, server))
    }
}

/// Returns the time after which a ping counts as lost.
fn patience(network: &NetworkSpec) -> Duration {
    (network.rtt + network.jitter).saturating_mul(2) + SPARE
}

/// Sends empty datagrams, which are no pings, until an answer arrives.
async fn knock(client: &UdpSocket) -> io::Result<()> {
    loop {
        client.send(&[]).await?;
        if timeout(KNOCK, client.readable()).await.is_ok() {
            return Ok(());
        }
    }
}

/// Sends back each datagram that arrives.
async fn echo(server: &UdpSocket) -> io::Error {
    let mut ping = [0; size_of::<u64>()];
    loop {
        match server.recv(&mut ping).await {
            // A full buffer loses the answer, as a network may.
            Ok(length) => drop(server.try_send(ping.get(..length).unwrap_or_default())),
            Err(error) => return error,
        }
    }
}

async fn measure(client: &UdpSocket, patience: Duration) -> io::Result<Vec<Option<f64>>> {
    let mut times = Vec::new();
    for ordinal in 0..PINGS as u64 {
        let began = Stamp::now();
        client.send(&ordinal.to_be_bytes()).await?;
        let time = timeout(patience, answer(client, ordinal)).await;
        times.push(time.is_ok().then(|| began.elapsed().as_secs_f64() * 1e6));
    }
    Ok(times)
}

/// Waits for the answer to a ping. A late answer to an earlier ping is ignored.
async fn answer(client: &UdpSocket, ordinal: u64) {
    let mut ping = [0; size_of::<u64>()];
    // A failed receive is no answer.
    while client.recv(&mut ping).await.is_err() || ping != ordinal.to_be_bytes() {}
}
