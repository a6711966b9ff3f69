//! A path with a delay between a client and a server over UDP.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use metrics::Stamp;

/// Relays datagrams to a server, each after a delay. Every datagram of the client whose number is a multiple of `lost` gets lost;
/// 0 loses none. Returns the address for clients. The relay serves one client, and ends with the process.
pub fn path_to(server: &str, delay: Duration, lost: usize) -> io::Result<SocketAddr> {
    let server: SocketAddr = server.parse().map_err(io::Error::other)?;
    let [near, far] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    far.connect(server)?;
    let address = near.local_addr()?;
    let client = Arc::<OnceLock<SocketAddr>>::default();
    let [near_out, far_out] = [near.try_clone()?, far.try_clone()?];
    let to_server = delayed(delay, move |datagram| far_out.send(datagram));
    let known = client.clone();
    let to_client = delayed(delay, move |datagram| match known.get() {
        Some(client) => near_out.send_to(datagram, client),
        None => Ok(0),
    });
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        for number in 1.. {
            let Ok((length, from)) = near.recv_from(&mut buffer) else { return };
            client.get_or_init(|| from);
            if lost == 0 || number % lost > 0 {
                let _ = to_server.send((Stamp::now(), buffer[..length].into()));
            }
        }
    });
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        // A refused datagram is reported to the next call.
        loop {
            if let Ok(length) = far.recv(&mut buffer) {
                let _ = to_client.send((Stamp::now(), buffer[..length].into()));
            }
        }
    });
    Ok(address)
}

type Datagrams = mpsc::Sender<(Stamp, Box<[u8]>)>;

/// Returns a queue whose datagrams are passed to `send` after a delay, in their order.
fn delayed(delay: Duration, send: impl Fn(&[u8]) -> io::Result<usize> + Send + 'static) -> Datagrams {
    let (queue, datagrams) = mpsc::channel::<(Stamp, Box<[u8]>)>();
    thread::spawn(move || {
        for (arrived, datagram) in datagrams {
            thread::sleep(delay.saturating_sub(arrived.elapsed()));
            // UDP may lose a datagram.
            let _ = send(&datagram);
        }
    });
    queue
}
