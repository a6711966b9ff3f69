//! Uploads and downloads over every protocol.

use std::fs;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use longhaul_serve::Options;
use metrics::Meter;
use payload::{Hasher, Payload};
use receiver::Receipt;
use record::{ChunkSize, PayloadKind};
use sender::MeteredBody;
use transport::{Body, body};

use crate::running::{PROTOCOLS, Running, names, saving};

/// The length of a body, in bytes: several windows of every protocol, and no whole number of chunks.
const LENGTH: u64 = 5_000_003;

fn payload(seed: u64) -> Payload {
    Payload::prepare(&PayloadKind::Random, seed, ChunkSize::DEFAULT)
}

fn random_body() -> Body {
    let meter = Meter::new(1 << 20);
    MeteredBody::new(payload(1).open(LENGTH).unwrap(), meter).boxed_unsync()
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.digest().to_string()
}

#[tokio::test]
async fn an_upload_is_confirmed_with_its_length_and_digest() {
    let server = Running::start(Options::default());
    for protocol in PROTOCOLS {
        for method in [Method::PUT, Method::POST] {
            let answer = server.exchange(protocol, method, "/", random_body()).await;
            assert_eq!(answer.status, StatusCode::OK, "{protocol}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let receipt: Receipt = serde_json::from_slice(&answer.body).unwrap();
            let expected = payload(1).digest(LENGTH).unwrap().to_string();
            assert_eq!((receipt.bytes, receipt.digest, receipt.saved), (LENGTH, Some(expected), None));
        }
    }
}

#[tokio::test]
async fn a_saved_upload_is_created_and_comes_back_as_it_was() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let target = format!("/?file=body%20of%20{protocol}.txt");
        let answer = server.exchange(protocol, Method::PUT, &target, random_body()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{protocol}: {}", answer.text());
        let name = format!("body of {protocol}.txt");
        let receipt: Receipt = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(receipt.saved, Some(name.clone()));
        let saved = fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(Some(digest(&saved)), receipt.digest);
        let back = server.get(protocol, &format!("/{}", name.replace(' ', "%20"))).await;
        assert!(back.status == StatusCode::OK && back.body == saved, "{protocol}");
        let length = LENGTH.to_string();
        for (header, value) in [
            ("content-type", "text/plain"),
            ("content-length", length.as_str()),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
        ] {
            assert_eq!(back.header(header), Some(value), "{protocol}");
        }
    }
    assert_eq!(names(&folder).len(), PROTOCOLS.len());
}

#[tokio::test]
async fn a_generated_download_has_the_digest_of_its_payload() {
    let server = Running::start(Options::default());
    for protocol in PROTOCOLS {
        for seed in [1, 5] {
            let target = format!("/?size={LENGTH}&chunk=1100&seed={seed}");
            let answer = server.get(protocol, &target).await;
            assert_eq!((answer.status, answer.body.len() as u64), (StatusCode::OK, LENGTH), "{protocol}");
            let expected = payload(seed).digest(LENGTH).unwrap();
            assert_eq!(digest(&answer.body), expected.to_string(), "{protocol}");
        }
        let head = server.exchange(protocol, Method::HEAD, "/?size=1GiB", body::empty()).await;
        assert!(head.status == StatusCode::OK && head.body.is_empty(), "{protocol}");
    }
}

#[tokio::test]
async fn no_response_to_head_has_a_body() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a"), "0123456789").unwrap();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        for (target, status) in [
            ("/", 200),
            ("/a", 200),
            ("/none", 404),
            ("/?size=5", 200),
            ("/?size=x", 400),
            ("/.longhaul/health", 200),
            ("/.longhaul/uploads/0", 404),
            ("/.longhaul/none", 404),
        ] {
            let head = server.exchange(protocol, Method::HEAD, target, body::empty()).await;
            assert_eq!((head.status.as_u16(), head.body.len()), (status, 0), "{protocol} {target}");
        }
        for target in ["/", "/a", "/none"] {
            let head = server.exchange(protocol, Method::HEAD, target, body::empty()).await;
            let length = server.get(protocol, target).await.body.len().to_string();
            assert_eq!(head.header("content-length"), Some(length.as_str()), "{protocol} {target}");
        }
    }
}

#[tokio::test]
async fn a_range_of_a_saved_file_is_that_part_of_it() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let server = Running::start(options);
    let get = async |target: &str, range: &str| {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nrange: {range}\r\n\r\n"
        );
        server.raw(request.as_bytes()).await
    };
    for (range, status, content_range, body) in [
        ("bytes=2-4", "206 Partial Content", "bytes 2-4/10", "234"),
        ("bytes=7-", "206 Partial Content", "bytes 7-9/10", "789"),
        ("bytes=-1", "206 Partial Content", "bytes 9-9/10", "9"),
        (
            "bytes=10-",
            "416 Range Not Satisfiable",
            "bytes */10",
            "the range is outside the file, which has 10 bytes\n",
        ),
    ] {
        let answer = get("/a.txt", range).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{range}: {answer}");
        assert!(answer.contains(&format!("content-range: {content_range}\r\n")), "{range}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{range}: {answer}");
    }
    let whole = get("/a.txt", "bytes=0-1,3-4").await;
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\n0123456789"), "{whole}");
    assert!(get("/empty", "bytes=0-0").await.starts_with("HTTP/1.1 416"));
    assert!(get("/empty", "x").await.starts_with("HTTP/1.1 200"));
    assert!(get("/none", "x").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn http_3_is_announced_to_clients_of_tls_on_tcp_only() {
    let server = Running::start(Options::default());
    let expected = format!("h3=\":{}\"; ma=3600", server.tls.port());
    for (protocol, announced) in [("h1c", false), ("h2c", false), ("h1", true), ("h2", true), ("h3", false)] {
        let page = server.get(protocol, "/").await;
        assert!(page.status == StatusCode::OK && page.text().contains("longhaul send"), "{protocol}");
        assert_eq!(page.header("alt-svc"), announced.then_some(expected.as_str()), "{protocol}");
        assert_eq!(page.header("server"), Some("longhaul"), "{protocol}");
        assert!(page.header("date").unwrap().ends_with(" GMT"), "{protocol}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{protocol}");
    }
}
