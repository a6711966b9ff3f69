//! Clients and servers that write bytes themselves, and servers for unknown clients.

pub(crate) mod http2;

use std::{net::SocketAddr, time::Duration};

use http::Response;
use http_body_util::BodyExt as _;
use longhaul_transport::{Bind, Guards, Incoming, Listener, Session, body, listen_cleartext};
use record::{Limits, Profile};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The longest wait for any event on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `work`. Panics after [`PATIENCE`].
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("in time")
}

/// Returns a cleartext server for any client: HTTP/1.1 and HTTP/2.
pub(crate) fn listen(guards: Guards) -> Box<dyn Listener> {
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_guards(guards);
    listen_cleartext(&bind, &Limits::for_any_peer(Profile::default())).unwrap()
}

/// Returns a connection that has sent `bytes`, and the session of the server.
pub(crate) async fn session(listener: &dyn Listener, bytes: &[u8]) -> (TcpStream, Box<dyn Session>) {
    let mut client = dial(listener.local_addr()).await;
    client.write_all(bytes).await.unwrap();
    let session = soon(listener.accept()).await.unwrap().handshake;
    (client, soon(session).await.unwrap())
}

pub(crate) async fn dial(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Returns the next request. Panics if none comes.
pub(crate) async fn request(session: &dyn Session) -> Incoming {
    soon(session.accept()).await.unwrap().unwrap()
}

/// Answers with the number of body bytes received.
pub(crate) async fn count(incoming: Incoming) {
    let body = soon(incoming.request.into_body().collect()).await.unwrap();
    let response = Response::new(body::full(body.to_bytes().len().to_string()));
    soon(incoming.responder.respond(response)).await.unwrap();
}

/// Reads until `wanted` has arrived. Returns all that was read.
pub(crate) async fn read_until(client: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(wanted) {
        let length = soon(client.read_buf(&mut read)).await.unwrap();
        assert!(length > 0, "ended after {:?} without {wanted:?}", String::from_utf8_lossy(&read));
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads to the end of the connection, which may be a reset.
pub(crate) async fn read_to_end(client: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = soon(client.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}
