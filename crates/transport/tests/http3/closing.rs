//! The end of a server's connection: no response is lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Response;
use longhaul_transport::body;
use quinn::{TransportConfig, VarInt};
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::{
    peer::{Answer, GOAWAY, NO_ERROR, Peer, REQUEST_REJECTED, data, frames, get, put, read_integer, soon},
    server::{Server, read, strict},
};

/// Returns the identifier in the next GOAWAY of the server.
async fn goaway(peer: &Peer) -> u64 {
    loop {
        let mut stream = soon(peer.connection.accept_uni()).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = soon(stream.read_chunk(usize::MAX, true)).await.unwrap() {
            bytes.extend_from_slice(&chunk.bytes);
            if bytes[0] != 0 {
                break;
            }
            let goaway = frames(&bytes[1..]).into_iter().find(|(kind, _)| *kind == GOAWAY);
            if let Some((_, payload)) = goaway {
                return read_integer(payload).0;
            }
        }
    }
}

#[tokio::test]
async fn goaway_is_sent_at_once_and_running_exchanges_go_on() {
    let server = Server::new(strict());
    let (peer, session) = server.connect().await;
    let mut running = peer.begin(&[put("/running", &[]), data(&[0; 10])].concat()).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    session.shut_down();
    let first_rejected = goaway(&peer).await;
    assert_eq!(first_rejected, 4, "the running request has number 0");
    let late = peer.request(&get("/late")).await;
    assert_eq!(late.answer().await, Err(REQUEST_REJECTED));

    sleep(Duration::from_millis(200)).await;
    assert!(peer.connection.close_reason().is_none());
    running.send.write_all(&data(&[0; 5])).await.unwrap();
    running.send.finish().unwrap();
    assert_eq!(read(incoming.request.into_body()).await, Ok(15));
    incoming.responder.respond(Response::new(body::full("done"))).await.unwrap();
    assert_eq!(running.answer().await, Ok(Answer { status: 200, body: b"done".to_vec() }));
    assert!(soon(session.accept()).await.unwrap().is_none());
    assert_eq!(peer.close_code().await, NO_ERROR);
}

#[tokio::test]
async fn a_session_without_requests_closes_at_once() {
    let server = Server::new(strict());
    let (peer, session) = server.connect().await;
    soon(session.close()).await;
    assert_eq!(peer.close_code().await, NO_ERROR);
}

#[tokio::test]
async fn a_slow_reader_gets_the_last_bytes_of_its_response() {
    const LENGTH: usize = 300_000;
    let server = Server::new(strict());
    let mut config = TransportConfig::default();
    config.stream_receive_window(VarInt::from_u32(20_000));
    let accept = async { soon(server.listener.accept()).await.unwrap().handshake.await.unwrap() };
    let (peer, session) = tokio::join!(Peer::connect_with(server.addr(), &server.identity, config), accept);
    let mut exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    let close = async {
        incoming.responder.respond(Response::new(body::full(vec![7; LENGTH]))).await.unwrap();
        session.close().await;
        drop(session);
    };
    let read = async {
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 10_000]);
        while let Some(length) = soon(exchange.recv.read(&mut piece)).await.unwrap() {
            bytes.extend_from_slice(&piece[..length]);
            sleep(Duration::from_millis(20)).await;
        }
        let body: usize =
            frames(&bytes).iter().filter(|(kind, _)| *kind == 0).map(|(_, data)| data.len()).sum();
        assert_eq!(body, LENGTH);
    };
    soon(async { tokio::join!(close, read) }).await;
}

#[tokio::test]
async fn a_session_closes_only_once_its_responses_are_acknowledged() {
    let server = Server::new(strict());
    let path = Path::to(server.addr()).await;
    let accept = async { soon(server.listener.accept()).await.unwrap().handshake.await.unwrap() };
    let (peer, session) = tokio::join!(Peer::connect(path.addr, &server.identity), accept);
    let exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    path.is_open.store(false, Ordering::Relaxed);
    soon(incoming.responder.respond(Response::new(body::full(vec![7; 100_000])))).await.unwrap();
    timeout(Duration::from_millis(500), session.close()).await.unwrap_err();
    path.is_open.store(true, Ordering::Relaxed);
    let (answer, ()) = tokio::join!(exchange.answer(), soon(session.close()));
    assert_eq!(answer.unwrap().body.len(), 100_000);
}

/// A path to a server whose datagrams can be lost.
struct Path {
    addr: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Path {
    async fn to(server: SocketAddr) -> Self {
        let (near, far) = (bind().await, bind().await);
        let addr = near.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let open = is_open.clone();
        tokio::spawn(async move {
            let (mut there, mut back) = (vec![0; 65_536], vec![0; 65_536]);
            let mut client = None;
            loop {
                tokio::select! {
                    received = near.recv_from(&mut there) => {
                        let (length, from) = received.unwrap();
                        client = Some(from);
                        far.send_to(&there[..length], server).await.unwrap();
                    }
                    received = far.recv(&mut back) => {
                        if let (Some(client), true) = (client, open.load(Ordering::Relaxed)) {
                            near.send_to(&back[..received.unwrap()], client).await.unwrap();
                        }
                    }
                }
            }
        });
        Self { addr, is_open }
    }
}

async fn bind() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}
