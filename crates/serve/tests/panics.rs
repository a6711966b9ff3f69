//! Panics in a server: each ends one request, or at most one connection. The tests need the feature `panic-injection`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "server/running.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod running;

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use longhaul_serve::Options;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use transport::{Connection, body};

use crate::running::{Answer, PROTOCOLS, Running, read, request};

/// Sends a request that panics at a place of the server. Its exchange must fail.
async fn strike(connection: &dyn Connection, protocol: &str, place: &'static str) {
    let mut request = request(protocol, Method::GET, "/", body::empty());
    request.headers_mut().insert("longhaul-panic", HeaderValue::from_static(place));
    let exchange = async {
        let response = connection.exchange(request).await?;
        let body = response.into_body();
        http_body_util::BodyExt::collect(body).await.map_err(|_| ()).ok();
        Ok::<_, transport::Error>(())
    };
    let exchange = timeout(Duration::from_secs(20), exchange).await;
    assert!(exchange.is_ok_and(|exchange| exchange.is_err()), "{protocol} {place}");
}

#[tokio::test]
async fn a_panic_of_a_request_leaves_the_others_of_its_connection_alone() {
    let server = Running::start(Options::default());
    for protocol in ["h2c", "h2", "h3"] {
        let connection = server.dial(protocol).await;
        let get = request(protocol, Method::GET, "/?size=3MiB", body::empty());
        let running = connection.exchange(get).await.unwrap();
        strike(connection.as_ref(), protocol, "request").await;
        assert_eq!(Answer::of(running).await.body.len(), 3 << 20, "{protocol}");
        let get = request(protocol, Method::GET, "/?size=5", body::empty());
        assert_eq!(Answer::of(connection.exchange(get).await.unwrap()).await.body.len(), 5, "{protocol}");
    }
}

#[tokio::test]
async fn a_panic_of_a_connection_leaves_the_other_connections_alone() {
    let server = Running::start(Options::default());
    let mut upload = server.connect().await;
    upload
        .write_all(b"PUT / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 6\r\n\r\n123")
        .await
        .unwrap();
    for protocol in PROTOCOLS {
        let connection = server.dial(protocol).await;
        strike(connection.as_ref(), protocol, "connection").await;
        assert_eq!(server.get(protocol, "/").await.status, StatusCode::OK, "{protocol}");
    }
    upload.write_all(b"456").await.unwrap();
    assert!(read(&mut upload).await.contains("\"bytes\":6,"));
    timeout(Duration::from_secs(20), server.stop()).await.unwrap().unwrap();
}
