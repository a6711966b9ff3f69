//! Handshakes whose last message an overloaded server loses.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use longhaul_transport::{Guards, Peer, Trust, body, by_name};
use record::Limits;
use tokio::{
    net::UdpSocket,
    sync::Mutex,
    time::{sleep, timeout},
};

use super::server::Server;

/// The delay of the server's first answers, which makes the handshake count as slow.
const LATE: Duration = Duration::from_millis(1200);

/// The connections of a client in the order of their beginning, by the identifiers in its packets.
#[derive(Default)]
struct Connections {
    /// The identifiers that the client chose for its first packets (RFC 9000 section 7.2).
    begun: Vec<Vec<u8>>,
    /// The identifier that the server chose for the first connection.
    of_server: Option<Vec<u8>>,
}

impl Connections {
    /// Returns whether a packet passes. Packets of the first connection that follow the server's answer are dropped,
    /// all others pass.
    fn pass(&mut self, packet: &[u8]) -> bool {
        let is_long = packet[0] & 0x80 != 0;
        let id = if is_long { packet[6..14].to_vec() } else { packet[1..9].to_vec() };
        if self.begun.contains(&id) {
            return true;
        }
        match &self.of_server {
            _ if self.begun.is_empty() => self.begun.push(id),
            None => self.of_server = Some(id),
            Some(lost) if *lost != id => self.begun.push(id),
            Some(_) => {}
        }
        self.begun.len() > 1 || self.of_server.is_none()
    }
}

/// Forwards the packets of one client to a server and back. Drops the packets by which the client completes the
/// handshake of its first connection. Returns the address to dial, and the connections.
async fn relay(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Connections>>) {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(server).await.unwrap();
    let address = near.local_addr().unwrap();
    let connections = Arc::<Mutex<Connections>>::default();
    let (seen, client) = (connections.clone(), Arc::<Mutex<Option<SocketAddr>>>::default());
    let (to_server, from_client, asked) = (far.clone(), near.clone(), client.clone());
    tokio::spawn(async move {
        let mut packet = [0; 65_536];
        while let Ok((length, from)) = from_client.recv_from(&mut packet).await {
            *asked.lock().await = Some(from);
            if seen.lock().await.pass(&packet[..length]) {
                let _ = to_server.send(&packet[..length]).await;
            }
        }
    });
    tokio::spawn(async move {
        sleep(LATE).await;
        let mut packet = [0; 65_536];
        while let Ok(length) = far.recv(&mut packet).await {
            if let Some(client) = *client.lock().await {
                let _ = near.send_to(&packet[..length], client).await;
            }
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_client_begins_anew_when_the_server_does_not_confirm_a_slow_handshake() {
    let server = Server::new(Guards::default());
    let trust = Trust::pem(server.identity.certificate_pem()).unwrap();
    let listener = server.listener.clone();
    tokio::spawn(async move {
        loop {
            let handshake = listener.accept().await.unwrap().handshake;
            tokio::spawn(async move {
                let session = handshake.await?;
                while let Some(incoming) = session.accept().await? {
                    incoming.responder.respond(Response::new(body::full("an answer"))).await?;
                }
                Ok::<_, longhaul_transport::Error>(())
            });
        }
    });
    let (address, connections) = relay(server.addr()).await;
    let exchange = async {
        let peer = Peer::new(address, "localhost", trust);
        let connection = by_name("h3").unwrap().connect(&peer, &Limits::default()).await.unwrap();
        let request = Request::get("https://localhost/").body(body::empty()).unwrap();
        connection.exchange(request).await.unwrap().status()
    };
    // Without a second connection, the idle timeout is the next event.
    let status = timeout(Duration::from_secs(60), exchange).await.expect("an answer");
    assert_eq!(status, 200);
    assert!(connections.lock().await.begun.len() >= 2);
}
