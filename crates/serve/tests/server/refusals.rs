//! Refusals of requests, and clients that stall.

use std::{error::Error as _, fs, io, time::Duration};

use http::{Method, StatusCode};
use longhaul_serve::{Options, ServeError, Server};
use record::{ByteSize, ChunkSize, SinkKind};
use tokio::{io::AsyncWriteExt as _, time::timeout};
use transport::body;

use crate::running::{PROTOCOLS, Running, names, read, saving, soon_status};

/// Returns the status line and the last line of an answer.
fn summary(answer: &str) -> (&str, &str) {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    (status.unwrap_or_else(|| panic!("no status in '{answer}'")), answer.lines().last().unwrap())
}

#[tokio::test]
async fn a_body_over_the_bound_is_413_announced_or_not() {
    let (folder, mut options) = saving();
    options.max_body = Some(ByteSize(1024));
    let server = Running::start(options);
    let reason = "a body may have at most 1KiB (1024 bytes)";
    for protocol in PROTOCOLS {
        let answer = server.exchange(protocol, Method::PUT, "/a", body::full(vec![0; 1025])).await;
        assert_eq!((answer.status.as_u16(), answer.text().trim_end()), (413, reason), "{protocol}");
    }
    let head = "PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let announced = format!("{head}content-length: 1025\r\n\r\n{}", "x".repeat(1025));
    assert_eq!(summary(&server.raw(announced.as_bytes()).await), ("413", reason));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n", "x".repeat(1025));
    assert_eq!(summary(&server.raw(chunked.as_bytes()).await), ("413", reason));
    assert_eq!(names(&folder), Vec::<String>::new());
    let largest = server.exchange("h1c", Method::PUT, "/a", body::full(vec![0; 1024])).await;
    assert_eq!(largest.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let mut options = Options::default();
    options.max_body = Some(ByteSize(1024));
    let server = Running::start(options);
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut stream = server.connect().await;
        let head = format!("PUT /a HTTP/1.1\r\nhost: localhost\r\n{expect}content-length: 1025\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // No part of the body is sent or asked for.
        let answer = soon_status(&mut stream).await;
        assert_eq!(answer, "HTTP/1.1 413", "'{expect}'");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_400_and_nothing_behind_it_is_a_request() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let behind = "5\r\nhello\r\n0\r\n\r\nPUT /b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    for fields in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nContent-Length: 5\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        let request = format!("PUT /a HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n{behind}");
        let answer = timeout(Duration::from_secs(10), server.raw(request.as_bytes())).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields}{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields}{answer}");
    }
    assert_eq!(names(&folder), Vec::<String>::new());
    let other = "PUT /a HTTP/1.1\r\nhost: localhost\r\nx-content-length: 5\r\nconnection: close\r\n";
    let other = format!("{other}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert!(server.raw(other.as_bytes()).await.starts_with("HTTP/1.1 201 "));
}

/// A proxy marks a request that reached it in early data.
#[tokio::test]
async fn an_upload_from_early_data_is_425_and_a_download_is_served() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let early = [("early-data", "1")];
    for protocol in PROTOCOLS {
        for method in [Method::PUT, Method::POST] {
            let body = body::full("hello");
            let answer = server.exchange_with(protocol, method, "/a", &early, body).await;
            assert_eq!(answer.status, StatusCode::TOO_EARLY, "{protocol}");
        }
        for method in [Method::GET, Method::HEAD] {
            let answer = server.exchange_with(protocol, method, "/?size=5", &early, body::empty()).await;
            assert_eq!(answer.status, StatusCode::OK, "{protocol}");
        }
    }
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_stalls_is_408_and_leaves_nothing() {
    let (folder, mut options) = saving();
    options.idle_timeout = Duration::from_millis(500);
    let server = Running::start(options);
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n01234").await.unwrap();
    let answer = timeout(Duration::from_secs(10), read(&mut stream)).await.unwrap();
    assert_eq!(summary(&answer), ("408", "less than 1KiB a second came for 0.5 s"));
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_stops_reading_loses_its_place_to_the_next() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.max_connections = 1;
    let server = Running::start(options);
    let mut stalled = server.connect().await;
    stalled.write_all(b"GET /?size=1000GiB HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let page = timeout(Duration::from_secs(10), server.get("h1c", "/")).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn an_idle_connection_and_a_slow_handshake_are_closed() {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(300);
    options.handshake_timeout = Duration::from_millis(300);
    let server = Running::start(options);
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    for stream in [&mut silent, &mut idle] {
        // This is well before the 10 s of the head timeout over HTTP/1.1.
        timeout(Duration::from_secs(5), read(stream)).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_served_is_refused_with_the_reason() {
    let (folder, mut options) = saving();
    options.max_chunk = ChunkSize::try_from(1024).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let server = Running::start(options);
    for (method, target, status, reason) in [
        ("GET", "/?size=x", 400, "size: 'x' is not a size"),
        ("GET", "/?size=1&chunk=2KiB", 400, "chunk: at most 1KiB (1024 bytes)"),
        ("GET", "/?size=1&chunk=0", 400, "a chunk of 0 bytes"),
        ("GET", "/?size=1&seed=-1", 400, "seed: '-1' is not a whole number"),
        ("GET", "/none", 404, "no file has that name"),
        ("GET", "/sub", 400, "not a regular file"),
        ("GET", "/..%2fx", 400, "starts with a dot"),
        ("PUT", "/?file=..%2fx", 400, "starts with a dot"),
        ("PUT", "/?file=a%2Fb", 400, "separator"),
        ("PUT", "/?file=%ff", 400, "not UTF-8"),
        ("PUT", "/", 400, "the name is empty"),
        ("DELETE", "/a", 405, "DELETE is not offered here"),
    ] {
        for protocol in PROTOCOLS {
            let method = method.parse().unwrap();
            let answer = server.exchange(protocol, method, target, body::empty()).await;
            assert_eq!(answer.status.as_u16(), status, "{protocol} {target}: {}", answer.text());
            assert!(answer.text().contains(reason), "{protocol} {target}: {}", answer.text());
        }
    }
    let methods = async |server: &Running| {
        let answer = server.exchange("h2", Method::DELETE, "/a", body::empty()).await;
        answer.header("allow").unwrap().to_owned()
    };
    assert_eq!(methods(&server).await, "GET, HEAD, PUT, POST, OPTIONS");
    drop(folder);
    let answer = server.exchange("h1c", Method::PUT, "/a", body::full("x")).await;
    assert_eq!(answer.status.as_u16(), 500, "the folder is gone: {}", answer.text());
    let verifying = Running::start(Options::default());
    assert_eq!(methods(&verifying).await, "GET, HEAD, PUT, POST");
    let answer = verifying.get("h1c", "/a").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, "no files are saved here\n"));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_and_keeps_the_source() {
    let mut options = Options::default();
    options.uploads = SinkKind::Save("/no/such/folder".into());
    let error = Server::bind(options).unwrap_err();
    assert!(error.to_string().starts_with("cannot save into /no/such/folder: "), "{error}");
    assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
    let mut options = Options::default();
    (options.min_chunk, options.max_chunk) = (options.max_chunk, options.min_chunk);
    let error = Server::bind(options).unwrap_err();
    assert_eq!(error.to_string(), "--min-chunk 1MiB is more than --max-chunk 1KiB");
    let server = Running::start(Options::default());
    for secured in [false, true] {
        let mut options = Options::default();
        if secured {
            options.listen_tls = Some(server.tls)
        } else {
            options.listen = Some(server.cleartext)
        }
        let error = Server::bind(options).unwrap_err();
        assert!(matches!(error, ServeError::Listen(_)), "{error}");
        assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"), "{error}");
    }
}

#[tokio::test]
async fn a_server_listens_only_on_its_named_addresses() {
    let any = || Some(([127, 0, 0, 1], 0).into());
    let mut options = Options::default();
    options.listen = any();
    let server = Server::bind(options).unwrap();
    assert!(server.cleartext_addr().is_some() && server.tls_addr().is_none());
    assert!(server.fingerprint().is_none() && server.certificate_pem().is_none());
    let mut options = Options::default();
    options.listen_tls = any();
    let server = Server::bind(options).unwrap();
    assert!(server.cleartext_addr().is_none() && server.tls_addr().is_some());
    assert!(
        server.fingerprint().is_some() && server.certificate_pem().unwrap().contains("BEGIN CERTIFICATE")
    );
}
