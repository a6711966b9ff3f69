//! QUIC clients whose address is not proven.

use std::{collections::HashSet, net::UdpSocket, time::Duration};

use http::Response;
use longhaul_transport::{Guards, WindowBudget, body};
use quinn::{Endpoint, TransportConfig};
use tokio::time::timeout;

use super::{
    peer::{Peer, client_config, data, get, put, soon},
    server::{Server, read, strict},
};

/// The first datagrams of clients that never receive an answer, each sent from a different address.
struct Strangers {
    sockets: Vec<UdpSocket>,
}

impl Strangers {
    /// Begins `count` handshakes with a server.
    async fn begin(server: &Server, count: usize) -> Self {
        let config = client_config(&server.identity, TransportConfig::default());
        let mut sockets = Vec::new();
        let mut datagram = [0; 2000];
        for _ in 0..count {
            // This socket catches the client's first packet, which is then sent to the server from another address.
            let trap = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
            let to = trap.local_addr().unwrap();
            let _connecting = endpoint.connect_with(config.clone(), to, "localhost").unwrap();
            let length = soon(trap.recv(&mut datagram)).await.unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(&datagram[..length], server.addr()).unwrap();
            sockets.push(socket);
        }
        Self { sockets }
    }

    /// Returns the number of clients whose first answer is a Retry (RFC 9000 section 17.2.5).
    fn retried(&self) -> usize {
        let retried = |socket: &&UdpSocket| {
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut datagram = [0; 2000];
            socket.recv(&mut datagram).unwrap();
            datagram[0] & 0b1011_0000 == 0b1011_0000
        };
        self.sockets.iter().filter(retried).count()
    }
}

/// Sends the first packets of `count` connections to the server, all from one address. The clients never receive an
/// answer.
async fn send_first_packets(server: &Server, count: usize) {
    let trap = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = client_config(&server.identity, TransportConfig::default());
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let (mut datagram, mut begun, mut seen) = ([0; 2000], Vec::new(), HashSet::new());
    while seen.len() < count {
        let to = trap.local_addr().unwrap();
        begun.push(endpoint.connect_with(config.clone(), to, "localhost").unwrap());
        let length = soon(trap.recv(&mut datagram)).await.unwrap();
        // A client without an answer repeats its packet. The destination identifier distinguishes clients (RFC 9000
        // section 17.2).
        if seen.insert(datagram[6..14].to_vec()) {
            stranger.send_to(&datagram[..length], server.addr()).await.unwrap();
        }
    }
}

fn retries_from(half_open: usize) -> Guards {
    let mut guards = strict();
    guards.retry_from = half_open;
    guards
}

#[tokio::test]
async fn a_client_whose_address_is_not_proven_is_no_connection_yet() {
    let server = Server::new(retries_from(4));
    let strangers = Strangers::begin(&server, 10).await;
    let listener = server.listener.clone();
    // No client is accepted, and six of ten have to prove their address first.
    tokio::select! {
        _ = listener.accept() => panic!("a stranger is a connection"),
        retried = tokio::task::spawn_blocking(move || strangers.retried()) => assert_eq!(retried.unwrap(), 6),
    }
    let accept = async {
        let accepted = soon(listener.accept()).await.unwrap();
        (accepted.peer, accepted.handshake.await.unwrap())
    };
    let (honest, (peer, _session)) = tokio::join!(Peer::connect(server.addr(), &server.identity), accept);
    assert_eq!(peer.port(), honest.local_port());
}

#[tokio::test]
async fn a_thousand_first_packets_wait_and_further_ones_are_ignored() {
    let server = Server::new(retries_from(usize::MAX));
    // No client is accepted meanwhile.
    send_first_packets(&server, 1024 + 30).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut accepted = 0;
    while let Ok(next) = timeout(Duration::from_millis(500), server.listener.accept()).await {
        drop(next.unwrap());
        accepted += 1;
    }
    // The last packets may not have been processed before other clients were accepted.
    assert!((1024..1024 + 30).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn the_window_of_a_stranger_opens_only_for_bytes_that_are_taken() {
    let budget = WindowBudget::new(1 << 20);
    let mut guards = strict();
    guards.receive_budget = Some(budget.clone());
    let server = Server::new(guards);
    let (peer, session) = server.connect().await;
    let mut exchange = peer.begin(&put("/a", &[])).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    let body = data(&[0; 500_000]);
    // No body is read, so the client cannot send all of it.
    let sent = timeout(Duration::from_millis(500), exchange.send.write_all(&body)).await;
    sent.unwrap_err();
    assert_eq!(budget.granted(), 0);
    let rest = async {
        exchange.send.reset(0x10c_u32.into()).unwrap();
        peer.request(&[put("/b", &[]), body].concat()).await
    };
    let take = async {
        read(incoming.request.into_body()).await.unwrap_err();
        let incoming = soon(session.accept()).await.unwrap().unwrap();
        read(incoming.request.into_body()).await
    };
    let (_exchange, taken) = soon(async { tokio::join!(rest, take) }).await;
    assert_eq!(taken, Ok(500_000));
    assert!(budget.granted() > 0);
    drop((incoming.responder, session));
    soon(async {
        while budget.granted() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_acknowledges_nothing_holds_little_and_one_that_reads_gets_more() {
    let budget = WindowBudget::new(1 << 20);
    let mut guards = strict();
    guards.send_budget = Some(budget.clone());
    let server = Server::new(guards);
    let (peer, session) = server.connect().await;
    let mut exchange = peer.begin(&get("/a")).await;
    exchange.send.finish().unwrap();
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    assert_eq!(budget.granted(), 0);
    let answer = incoming.responder.respond(Response::new(body::full(vec![7; 3_000_000])));
    let (answered, received) =
        soon(async { tokio::join!(answer, exchange.recv.read_to_end(4_000_000)) }).await;
    answered.unwrap();
    assert!(received.unwrap().len() > 3_000_000);
    assert_eq!(budget.granted(), (1 << 20) - 65_535, "the send window has opened to 1 MiB");
}

#[tokio::test]
async fn dropping_an_accepted_connection_refuses_its_client() {
    for retry_from in [0, 1] {
        let server = Server::new(retries_from(retry_from));
        let accept = async { drop(soon(server.listener.accept()).await.unwrap()) };
        let refused = async {
            let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
            endpoint.set_default_client_config(client_config(&server.identity, TransportConfig::default()));
            // The server closes the connection after its handshake, or refuses it before.
            let expected = match soon(endpoint.connect(server.addr(), "localhost").unwrap()).await {
                Ok(connection) => {
                    (soon(connection.closed()).await, "closed by peer: no place is free (code 263)")
                }
                Err(error) => (error, "aborted by peer: the server refused to accept a new connection"),
            };
            assert_eq!(expected.0.to_string(), expected.1);
        };
        tokio::join!(accept, refused);
    }
}
