//! The bounds on requests over all connections, and on the sizes that they ask for.

use std::time::Duration;

use http::{Method, StatusCode};
use longhaul_serve::Options;
use record::ByteSize;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use transport::body;

use crate::running::{PROTOCOLS, Running, read, request};

#[tokio::test]
async fn a_request_beyond_the_bound_is_503_until_another_ends() {
    let mut options = Options::default();
    options.max_requests = 2;
    let server = Running::start(options);
    let mut uploads = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(
                b"PUT / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n1",
            )
            .await
            .unwrap();
        uploads.push(stream);
    }
    for protocol in PROTOCOLS {
        let target = "/?size=1";
        let mut answer = server.get(protocol, target).await;
        // The uploads may not have arrived yet.
        for _ in 0..100 {
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = server.get(protocol, target).await;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{protocol}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{protocol}");
        let head = server.exchange(protocol, Method::HEAD, target, body::empty()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::SERVICE_UNAVAILABLE, 0), "{protocol}");
        assert_eq!(server.get(protocol, "/").await.status, StatusCode::OK, "{protocol}");
    }
    for mut upload in uploads {
        upload.write_all(b"2").await.unwrap();
        assert!(read(&mut upload).await.starts_with("HTTP/1.1 200"));
    }
    for protocol in PROTOCOLS {
        assert_eq!(server.get(protocol, "/?size=1").await.status, StatusCode::OK, "{protocol}");
    }
}

#[tokio::test]
async fn eight_seeds_are_sent_at_once_and_a_ninth_is_503() {
    let server = Running::start(Options::default());
    let connection = server.dial("h2c").await;
    let mut sending = Vec::new();
    for seed in 0..8 {
        let get = request("h2c", Method::GET, &format!("/?size=1GiB&seed={seed}"), body::empty());
        sending.push(connection.exchange(get).await.unwrap());
    }
    let ninth = server.get("h1c", "/?size=5&seed=8").await;
    assert_eq!((ninth.status.as_u16(), ninth.header("retry-after")), (503, Some("1")), "{}", ninth.text());
    assert_eq!(server.get("h1c", "/?size=5&seed=7").await.body.len(), 5);
    drop((sending, connection));
    for _ in 0..500 {
        if server.get("h1c", "/?size=5&seed=8").await.status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the seeds of a closed connection stay in use");
}

#[tokio::test]
async fn a_size_or_a_chunk_out_of_bounds_is_400() {
    let mut options = Options::default();
    options.max_size = Some(ByteSize(1 << 20));
    let server = Running::start(options);
    for (target, reason) in [
        ("/?size=1&chunk=1023", "chunk: at least 1KiB (1024 bytes)"),
        ("/?size=1&chunk=2MiB", "chunk: at most 1MiB (1048576 bytes)"),
        ("/?size=1048577", "size: at most 1MiB (1048576 bytes)"),
    ] {
        let answer = server.get("h1c", target).await;
        assert_eq!((answer.status.as_u16(), answer.text().trim_end()), (400, reason));
    }
}

#[tokio::test]
async fn a_client_that_announces_its_body_and_is_refused_is_not_asked_for_it() {
    let mut options = Options::default();
    options.max_body = Some(ByteSize(1024));
    let server = Running::start(options);
    let mut stream = server.connect().await;
    let head = "PUT /a HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 1025\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = timeout(Duration::from_secs(10), read(&mut stream)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_refused_upload_is_drained_for_a_client_that_reads_nothing_before_it_has_sent_all() {
    let mut options = Options::default();
    options.max_body = Some(ByteSize(1024));
    let server = Running::start(options);
    for protocol in ["h1c", "h2c"] {
        let (chunks, body) = crate::neighbours::piecewise();
        let connection = server.dial(protocol).await;
        let upload = connection.exchange(request(protocol, Method::PUT, "/", body));
        let feed = async move {
            // The pause exceeds the two seconds after which earlier versions dropped the connection.
            for _ in 0..30 {
                if chunks.send(1 << 14).await.is_err() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            true
        };
        let (response, all_taken) = tokio::join!(upload, feed);
        assert_eq!(response.unwrap().status().as_u16(), 413, "{protocol}");
        assert!(all_taken, "{protocol}");
    }
}
