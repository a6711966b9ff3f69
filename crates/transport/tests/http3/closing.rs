//! The end of a connection: no response is lost, and the peer is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use longhaul_transport::{Connection, Peer as Address, Session, Trust, body, by_name};
use quinn::{ConnectionError, TransportConfig, VarInt};
use record::Limits;
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::{
    peer::{
        Answer, Exchange, GOAWAY, NO_ERROR, Peer, REQUEST_REJECTED, SETTINGS, data, frame, frames, get,
        listen, put, read_integer, soon,
    },
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

/// The length of a response that exceeds the window of a slow reader.
const LENGTH: usize = 300_000;

/// Returns a client with a small window, and the session of the server.
async fn slow_reader(server: &Server) -> (Peer, Box<dyn Session>) {
    let mut config = TransportConfig::default();
    config.stream_receive_window(VarInt::from_u32(20_000));
    let accept = async { soon(server.listener.accept()).await.unwrap().handshake.await.unwrap() };
    tokio::join!(Peer::connect_with(server.addr(), &server.identity, config), accept)
}

/// Reads a response slowly. Returns the length of its body.
async fn read_slowly(exchange: &mut Exchange) -> usize {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 10_000]);
    while let Some(length) = soon(exchange.recv.read(&mut piece)).await.unwrap() {
        bytes.extend_from_slice(&piece[..length]);
        sleep(Duration::from_millis(20)).await;
    }
    frames(&bytes).iter().filter(|(kind, _)| *kind == 0).map(|(_, data)| data.len()).sum()
}

#[tokio::test]
async fn a_slow_reader_gets_the_last_bytes_of_its_response() {
    let server = Server::new(strict());
    let (peer, session) = slow_reader(&server).await;
    let mut exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    let close = async {
        incoming.responder.respond(Response::new(body::full(vec![7; LENGTH]))).await.unwrap();
        session.close().await;
        drop(session);
    };
    let ((), length) = soon(async { tokio::join!(close, read_slowly(&mut exchange)) }).await;
    assert_eq!(length, LENGTH);
}

#[tokio::test]
async fn a_goaway_of_a_client_cuts_off_neither_a_response_nor_a_later_request() {
    let server = Server::new(strict());
    let (mut peer, session) = slow_reader(&server).await;
    let mut exchange = peer.request(&get("/a")).await;
    peer.control.write_all(&frame(GOAWAY, &[0])).await.unwrap();
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    drop(incoming.request);
    let respond = incoming.responder.respond(Response::new(body::full(vec![7; LENGTH])));
    let (responded, length) = soon(async { tokio::join!(respond, read_slowly(&mut exchange)) }).await;
    responded.unwrap();
    assert_eq!(length, LENGTH);

    let later = peer.request(&[put("/b", &[]), data(&[0; 10])].concat()).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    assert_eq!(read(incoming.request.into_body()).await, Ok(10));
    incoming.responder.respond(Response::new(body::full("done"))).await.unwrap();
    assert_eq!(later.answer().await, Ok(Answer { status: 200, body: b"done".to_vec() }));
}

/// The time within which a peer must be told of the end of a connection; its idle timeout is 30 s.
const TOLD: Duration = Duration::from_secs(10);

/// A body that exceeds any congestion window.
fn large() -> longhaul_transport::Body {
    body::full(vec![7; 10_000_000])
}

#[tokio::test]
async fn a_server_is_told_of_a_client_that_leaves_in_the_middle_of_an_upload() {
    for closes in [true, false] {
        let (endpoint, certificate) = listen();
        let path = Path::to(endpoint.local_addr().unwrap()).await;
        let address = Address::new(path.addr, "localhost", Trust::pem(&certificate).unwrap());
        let (transport, limits, settings) = (by_name("h3").unwrap(), Limits::default(), frame(SETTINGS, b""));
        let (connection, peer) =
            tokio::join!(transport.connect(&address, &limits), Peer::accept(&endpoint, &settings));
        let connection: Arc<dyn Connection> = Arc::from(connection.unwrap());
        // From the confirmation of the handshake on, the client sends no packets with handshake keys.
        sleep(Duration::from_millis(300)).await;
        // Without acknowledgements, the congestion window is soon full.
        path.to_client.store(false, Ordering::Relaxed);
        let request = Request::put("https://localhost/").body(large()).unwrap();
        let uploading = connection.clone();
        let upload = tokio::spawn(async move { drop(uploading.exchange(request).await) });
        sleep(Duration::from_millis(300)).await;
        if closes {
            soon(connection.close()).await;
        }
        upload.abort();
        drop(connection);
        let closed = timeout(TOLD, peer.connection.closed()).await.unwrap();
        assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed}");
    }
}

#[tokio::test]
async fn a_client_is_told_of_a_session_that_is_dropped_in_the_middle_of_a_response() {
    let server = Server::new(strict());
    let path = Path::to(server.addr()).await;
    let accept = async { soon(server.listener.accept()).await.unwrap().handshake.await.unwrap() };
    let (peer, session) = tokio::join!(Peer::connect(path.addr, &server.identity), accept);
    let _exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    path.to_server.store(false, Ordering::Relaxed);
    let respond = tokio::spawn(async move { incoming.responder.respond(Response::new(large())).await });
    sleep(Duration::from_millis(300)).await;
    respond.abort();
    drop(session);
    assert_eq!(timeout(TOLD, peer.close_code()).await.unwrap(), NO_ERROR);
}

#[tokio::test]
async fn a_session_closes_only_once_its_responses_are_acknowledged() {
    let server = Server::new(strict());
    let path = Path::to(server.addr()).await;
    let accept = async { soon(server.listener.accept()).await.unwrap().handshake.await.unwrap() };
    let (peer, session) = tokio::join!(Peer::connect(path.addr, &server.identity), accept);
    let exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    path.to_client.store(false, Ordering::Relaxed);
    soon(incoming.responder.respond(Response::new(body::full(vec![7; 100_000])))).await.unwrap();
    timeout(Duration::from_millis(500), session.close()).await.unwrap_err();
    path.to_client.store(true, Ordering::Relaxed);
    let (answer, ()) = tokio::join!(exchange.answer(), soon(session.close()));
    assert_eq!(answer.unwrap().body.len(), 100_000);
}

/// A path to a server whose datagrams can be lost.
struct Path {
    addr: SocketAddr,
    /// True while datagrams to the client arrive.
    to_client: Arc<AtomicBool>,
    /// True while datagrams to the server arrive.
    to_server: Arc<AtomicBool>,
}

impl Path {
    async fn to(server: SocketAddr) -> Self {
        let (near, far) = (bind().await, bind().await);
        let addr = near.local_addr().unwrap();
        let [to_client, to_server] = [(), ()].map(|()| Arc::new(AtomicBool::new(true)));
        let (back_open, there_open) = (to_client.clone(), to_server.clone());
        tokio::spawn(async move {
            let (mut there, mut back) = (vec![0; 65_536], vec![0; 65_536]);
            let mut client = None;
            loop {
                tokio::select! {
                    received = near.recv_from(&mut there) => {
                        let (length, from) = received.unwrap();
                        client = Some(from);
                        if there_open.load(Ordering::Relaxed) {
                            far.send_to(&there[..length], server).await.unwrap();
                        }
                    }
                    received = far.recv(&mut back) => {
                        if let (Some(client), true) = (client, back_open.load(Ordering::Relaxed)) {
                            near.send_to(&back[..received.unwrap()], client).await.unwrap();
                        }
                    }
                }
            }
        });
        Self { addr, to_client, to_server }
    }
}

async fn bind() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}
