//! Slow clients: transfers that are too slow are aborted, and all others complete.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use longhaul_serve::Options;
use record::{H2_WINDOW, LimitValue, Limits, QUIC_CONNECTION_WINDOW, QUIC_WINDOW, SOCKET_BUFFER};
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};
use transport::{Body, Peer, Trust, body};

use crate::running::{Answer, PROTOCOLS, Running, read, request};

/// Returns client limits with small windows and buffers.
fn narrow() -> Limits {
    let mut limits = Limits::default();
    for limit in [&H2_WINDOW, &QUIC_WINDOW, &SOCKET_BUFFER] {
        limits.set(limit, LimitValue::Bytes(1 << 14)).unwrap();
    }
    limits
}

/// Reads a body with a pause of `per_byte` for each byte, and returns its length.
async fn read_slowly(protocol: &str, mut body: Body, per_byte: Duration) -> usize {
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap_or_else(|error| panic!("{protocol}: {error} after {received}")).into_data();
        let length = data.map_or(0, |data| data.len());
        received += length;
        sleep(per_byte * u32::try_from(length).unwrap()).await;
    }
    received
}

#[tokio::test]
async fn a_slow_reader_gets_all_bytes_of_a_large_chunk() {
    const LENGTH: usize = 256 << 10;
    let mut options = Options::default();
    options.idle_timeout = Duration::from_secs(1);
    options.limits.set(&SOCKET_BUFFER, LimitValue::Bytes(1 << 14)).unwrap();
    let server = Running::start(options);
    let slow = PROTOCOLS.map(|protocol| {
        let server = &server;
        async move {
            let connection = server.dial_with(protocol, &narrow()).await;
            let get = request(protocol, Method::GET, "/?size=256KiB&chunk=256KiB", body::empty());
            let body = connection.exchange(get).await.unwrap().into_body();
            // At 64 KiB/s, the one chunk takes four idle timeouts.
            let received = read_slowly(protocol, body, Duration::from_micros(15)).await;
            assert_eq!(received, LENGTH, "{protocol}");
        }
    });
    timeout(Duration::from_secs(60), futures_util::future::join_all(slow)).await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_of_a_unix_socket_gets_all_bytes_of_large_chunks() {
    const LENGTH: usize = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut options = Options::default();
    options.idle_timeout = Duration::from_secs(1);
    options.listen = Some(([127, 0, 0, 1], 0).into());
    options.listen_tls = options.listen;
    options.listen_unix = Some(path.clone());
    let _server = Running::start(options);
    let slow = ["h1c", "h2c"].map(|protocol| {
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), "localhost", Trust::AnyCertificate);
        let peer = peer.with_unix_socket(path.clone());
        async move {
            let transport = transport::by_name(protocol).unwrap();
            let connection = transport.connect(&peer, &narrow()).await.unwrap();
            let get = request(protocol, Method::GET, "/?size=2MiB&chunk=1MiB", body::empty());
            let body = connection.exchange(get).await.unwrap().into_body();
            // At 400 KiB/s, each chunk takes more than two idle timeouts.
            let received = read_slowly(protocol, body, Duration::from_nanos(2400)).await;
            assert_eq!(received, LENGTH, "{protocol}");
        }
    });
    timeout(Duration::from_secs(60), futures_util::future::join_all(slow)).await.unwrap();
}

#[tokio::test]
async fn a_reader_of_a_unix_socket_that_stops_loses_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.listen = Some(([127, 0, 0, 1], 0).into());
    options.listen_tls = options.listen;
    options.listen_unix = Some(path.clone());
    let server = Running::start(options);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /?size=1GiB HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let open = async || {
        let health = server.get("h1c", "/.longhaul/health").await;
        serde_json::from_str::<serde_json::Value>(&health.text()).unwrap()["connections"]["open"].as_u64()
    };
    let alone = async {
        while open().await != Some(1) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), alone).await.unwrap();
}

#[tokio::test]
async fn an_upload_below_the_least_rate_loses_its_place() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.max_connections = 1;
    let server = Running::start(options);
    let mut stream = server.connect().await;
    stream.write_all(b"PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
    let trickle = async {
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), trickle).await.unwrap();
    assert_eq!(server.get("h1c", "/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_that_a_client_has_no_window_for_free_its_place() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.max_connections = 1;
    let server = Running::start(options);
    for path in ["/", "/none", "/?size=5"] {
        let mut without_window =
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0".to_vec();
        let length = u8::try_from(path.len()).unwrap();
        let head = [b"\x82\x86\x04", [length].as_slice(), path.as_bytes(), b"\x01\x09localhost"].concat();
        without_window.extend([0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
        without_window.extend(head);
        let mut stream = server.connect().await;
        stream.write_all(&without_window).await.unwrap();
        let answered = timeout(Duration::from_secs(20), server.get("h1c", "/")).await;
        assert_eq!(answered.unwrap().status, StatusCode::OK, "{path}");
        timeout(Duration::from_secs(20), read(&mut stream)).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_over_http_3_that_takes_nothing_frees_its_place() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.max_connections = 1;
    let server = Running::start(options);
    let mut limits = Limits::default();
    limits.set(&QUIC_WINDOW, LimitValue::Bytes(1)).unwrap();
    let connection = server.dial_with("h3", &limits).await;
    let get = connection.exchange(request("h3", Method::GET, "/?size=1GiB", body::empty()));
    let _ = timeout(Duration::from_millis(300), get).await;
    let answered = timeout(Duration::from_secs(20), server.get("h3", "/")).await;
    assert_eq!(answered.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_short_answer_beside_a_stalled_download_comes_once_that_is_reset() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_secs(1);
    options.min_rate = None;
    let server = Running::start(options);
    let mut limits = narrow();
    limits.set(&QUIC_CONNECTION_WINDOW, LimitValue::Bytes(1 << 14)).unwrap();
    for protocol in ["h2c", "h3"] {
        let connection = server.dial_with(protocol, &limits).await;
        let long = request(protocol, Method::GET, "/?size=1GiB", body::empty());
        let _unread = connection.exchange(long).await.unwrap();
        // It fills the window of the connection.
        sleep(Duration::from_millis(200)).await;
        let short = request(protocol, Method::GET, "/.longhaul/health", body::empty());
        let answered = async { Answer::of(connection.exchange(short).await.expect(protocol)).await };
        let answer = timeout(Duration::from_secs(20), answered).await.expect(protocol);
        assert!(answer.text().contains("uptime_s"), "{protocol}: {}", answer.text());
    }
}
