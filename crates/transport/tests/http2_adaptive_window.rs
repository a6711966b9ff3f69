//! The window of an HTTP/2 connection that follows its path (`--h2-window auto`): it grows only as bodies are read,
//! within its bound, and holds back the sender of a body whose reader stands still.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use longhaul_transport::{
    Bind, Body, BodyError, Connection, FIRST_WINDOW, Guards, Identity, Peer, Session, Trust, WindowBudget,
    body, by_name,
};
use record::{H2_SEND_BUFFER, H2_WINDOW, LimitValue, Limits, Profile};
use tokio::time::{sleep, timeout};

use crate::common::soon;

const LENGTH: u64 = 48 << 20;

/// The bytes that a reader takes before it stands still.
const READ: u64 = 24 << 20;

const CHUNK: u64 = 16 << 10;

const BOUND: u64 = 512 << 10;

/// A body of [`LENGTH`] bytes that counts the bytes that were pulled.
struct Counted {
    pulled: Arc<AtomicU64>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let before = self.pulled.fetch_add(CHUNK, Ordering::Relaxed);
        Poll::Ready((before < LENGTH).then(|| Ok(Frame::data(vec![7; CHUNK as usize].into()))))
    }
}

fn counted() -> (Body, Arc<AtomicU64>) {
    let pulled = Arc::new(AtomicU64::new(0));
    (Counted { pulled: pulled.clone() }.boxed_unsync(), pulled)
}

fn limits() -> Limits {
    let mut limits = Limits::for_any_peer(Profile::default());
    limits.set(&H2_WINDOW, LimitValue::AutoWithin(BOUND)).unwrap();
    limits
}

async fn connect(protocol: &str, guards: Guards) -> (Box<dyn Connection>, Box<dyn Session>) {
    let transport = by_name(protocol).unwrap();
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity).with_guards(guards);
    let limits = limits();
    let listener = transport.listen(&bind, &limits).unwrap();
    let peer = Peer::new(listener.local_addr(), "localhost", trust);
    let accept = async { listener.accept().await.unwrap().handshake.await.unwrap() };
    let (connection, session) = tokio::join!(transport.connect(&peer, &limits), accept);
    (connection.unwrap(), session)
}

fn get(protocol: &str) -> Request<Body> {
    request(protocol, "GET", body::full(""))
}

fn request(protocol: &str, method: &str, body: Body) -> Request<Body> {
    let scheme = by_name(protocol).unwrap().protocol().scheme();
    Request::builder().method(method).uri(format!("{scheme}://localhost/")).body(body).unwrap()
}

/// Reads a body, stands still after [`READ`] bytes, and reads the rest. `window` returns the receiver's window in
/// bytes.
async fn read_with_a_pause(mut body: Body, pulled: &AtomicU64, window: impl Fn() -> u64) {
    assert_eq!(window(), u64::from(FIRST_WINDOW), "nothing was read");
    let mut read = 0;
    while read < READ {
        read += soon(body.frame()).await.unwrap().unwrap().into_data().unwrap().len() as u64;
    }
    let ahead = || pulled.load(Ordering::Relaxed) - read;
    // The sender goes on until the window is full.
    let mut before = None;
    while before != Some(ahead()) {
        before = Some(ahead());
        sleep(Duration::from_millis(300)).await;
    }
    let opened = window();
    assert!(opened > u64::from(FIRST_WINDOW) && opened <= BOUND, "{opened}");
    let most = opened + limits().bytes(&H2_SEND_BUFFER) + 2 * CHUNK;
    assert!(ahead() <= most, "{} bytes ahead of a reader that stands still, window {opened}", ahead());
    sleep(Duration::from_millis(500)).await;
    assert_eq!((window(), Some(ahead())), (opened, before), "a reader that stands still changes nothing");
    while let Some(frame) = soon(body.frame()).await {
        read += frame.unwrap().into_data().unwrap().len() as u64;
    }
    assert_eq!(read, LENGTH);
    assert!(window() <= BOUND);
}

#[tokio::test]
async fn a_server_whose_reader_stands_still_takes_no_more_than_its_window() {
    for (protocol, shared) in [("h2c", None), ("h2", None), ("h2", Some(WindowBudget::new(1 << 20)))] {
        let mut guards = Guards::default();
        guards.receive_budget = shared.clone();
        let (connection, session) = connect(protocol, guards).await;
        let (body, pulled) = counted();
        let send = async { connection.exchange(request(protocol, "PUT", body)).await.unwrap() };
        let receive = async {
            let incoming = session.accept().await.unwrap().unwrap();
            let window = || session.link().receive_window_bytes.unwrap();
            // The head may be followed by as many bytes as the first window admits, but by no more.
            sleep(Duration::from_millis(300)).await;
            read_with_a_pause(incoming.request.into_body(), &pulled, window).await;
            if let Some(budget) = &shared {
                assert_eq!(budget.granted(), window() - u64::from(FIRST_WINDOW));
            }
            incoming.responder.respond(Response::new(body::full("taken"))).await.unwrap();
        };
        // After its first request, nobody calls `accept` on the session. The window must grow nevertheless.
        timeout(Duration::from_secs(60), async { tokio::join!(send, receive) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_whose_reader_stands_still_takes_no_more_than_its_window() {
    for protocol in ["h2c", "h2"] {
        let (connection, session) = connect(protocol, Guards::default()).await;
        let (body, pulled) = counted();
        let serve = async {
            let incoming = session.accept().await.unwrap().unwrap();
            incoming.responder.respond(Response::new(body)).await.unwrap();
        };
        let receive = async {
            let response = connection.exchange(get(protocol)).await.unwrap();
            let window = || connection.link().receive_window_bytes.unwrap();
            sleep(Duration::from_millis(300)).await;
            read_with_a_pause(response.into_body(), &pulled, window).await;
            connection.close().await;
        };
        timeout(Duration::from_secs(60), async { tokio::join!(serve, receive) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_fixed_window_is_stated_as_the_limits_have_it() {
    let transport = by_name("h2c").unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap());
    let limits = Limits::default();
    let listener = transport.listen(&bind, &limits).unwrap();
    let peer = Peer::new(listener.local_addr(), "localhost", Trust::SystemRoots);
    let accept = async { listener.accept().await.unwrap().handshake.await.unwrap() };
    let (connection, session) = tokio::join!(transport.connect(&peer, &limits), accept);
    let stated = Some(limits.bytes(&H2_WINDOW));
    assert_eq!(connection.unwrap().link().receive_window_bytes, stated);
    assert_eq!(session.link().receive_window_bytes, stated);
}
