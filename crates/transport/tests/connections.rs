//! The connections of a server: their addresses, descriptors, and ends.

#[cfg(target_os = "linux")]
use std::{collections::HashSet, path::PathBuf};
use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::once};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_transport::{Body, BodyError, Guards, body};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use crate::common::{dial, listen, read_to_end, read_until, request, session, soon};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Returns a body of one chunk that fails a little later.
fn failing() -> Body {
    let chunk = once(async { Ok(Frame::data(Bytes::from_static(&[7; 1000]))) });
    let failure = once(async {
        sleep(Duration::from_millis(100)).await;
        Err(BodyError::from("no more"))
    });
    StreamBody::new(chunk.chain(failure)).boxed_unsync()
}

#[tokio::test]
async fn a_listener_names_the_address_of_each_client() {
    let listener = listen(Guards::default());
    let client = dial(listener.local_addr()).await;
    let accepted = soon(listener.accept()).await.unwrap();
    assert_eq!(accepted.peer, client.local_addr().unwrap());
    drop(accepted);
    let mut client = client;
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0, "a dropped connection is refused");
}

/// Returns the number of descriptors of this process for connections from or to a port of 127.0.0.1. In a line of
/// /proc/net/tcp (proc(5)), addresses are hexadecimal, and the tenth field is the inode.
#[cfg(target_os = "linux")]
fn descriptors(port: u16) -> usize {
    let connections = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let address = format!("0100007F:{port:04X}");
    let of_port = |line: &&str| line.split_whitespace().skip(1).take(2).any(|end| end == address);
    let inodes = connections.lines().filter(of_port).filter_map(|line| line.split_whitespace().nth(9));
    let sockets: HashSet<PathBuf> = inodes.map(|inode| format!("socket:[{inode}]").into()).collect();
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| entry.unwrap().path().read_link().ok())
        .filter(|file| sockets.contains(file))
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_takes_one_file_descriptor() {
    const CONNECTIONS: usize = 50;
    let listener = listen(Guards::default());
    let mut held = Vec::new();
    for start in [GET, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"].repeat(CONNECTIONS / 2) {
        held.push(session(listener.as_ref(), start).await);
    }
    // Each connection has two ends in this process, and the listener has the same port.
    assert_eq!(descriptors(listener.local_addr().port()), 2 * CONNECTIONS + 1);
    assert!(held.iter().all(|(_, session)| session.link().stats.is_some()));
}

#[tokio::test]
async fn a_response_that_fails_ends_the_connection_while_its_session_is_still_held() {
    let listener = listen(Guards::default());
    let (mut client, session) = session(listener.as_ref(), GET).await;
    let incoming = request(session.as_ref()).await;
    incoming.responder.respond(Response::new(failing())).await.unwrap();
    let read = read_to_end(&mut client).await;
    assert!(read.contains("chunked") && !read.ends_with("0\r\n\r\n"), "{read}");
    assert!(soon(session.accept()).await.is_err());
}

#[tokio::test]
async fn a_response_that_only_the_end_of_the_connection_ends_is_reset_when_it_fails() {
    let listener = listen(Guards::default());
    let (mut client, session) = session(listener.as_ref(), b"GET / HTTP/1.0\r\n\r\n").await;
    let incoming = request(session.as_ref()).await;
    incoming.responder.respond(Response::new(failing())).await.unwrap();
    let end = soon(client.read_to_end(&mut Vec::new())).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_session_that_shuts_down_announces_it_in_the_response_under_way() {
    let listener = listen(Guards::default());
    let (mut client, session) = session(listener.as_ref(), GET).await;
    let incoming = request(session.as_ref()).await;
    session.shut_down();
    incoming.responder.respond(Response::new(body::full("the whole"))).await.unwrap();
    let read = read_to_end(&mut client).await;
    assert!(read.contains("connection: close") && read.ends_with("the whole"), "{read}");
    assert!(soon(session.accept()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_idle_connection_that_shuts_down_ends_at_once() {
    let listener = listen(Guards::default());
    let (mut client, session) = session(listener.as_ref(), GET).await;
    let incoming = request(session.as_ref()).await;
    incoming.responder.respond(Response::new(body::empty())).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    session.shut_down();
    assert_eq!(read_to_end(&mut client).await, "");
}

#[tokio::test]
async fn a_closed_session_waits_until_a_slow_client_has_the_last_byte() {
    const LENGTH: usize = 3_000_000;
    let listener = listen(Guards::default());
    let (mut client, session) = session(listener.as_ref(), GET).await;
    let incoming = request(session.as_ref()).await;
    incoming.responder.respond(Response::new(body::full(vec![7; LENGTH]))).await.unwrap();
    let close = async {
        session.close().await;
        drop(session);
    };
    let read = async move {
        let (mut read, mut space) = (0, vec![0; 100_000]);
        loop {
            match client.read(&mut space).await.unwrap() {
                0 => break read,
                length => read += length,
            }
            // A request that nobody reads: the server must not answer it with a reset.
            let _ = client.write_all(GET).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let ((), read) = soon(async { tokio::join!(close, read) }).await;
    assert!(read > LENGTH, "{read} bytes");
}
