//! Uploads that are not the whole file: refused over every protocol, and never saved.

use std::{fs, time::Duration};

use http::Method;
use record::ByteSize;
use tokio::time::timeout;
use transport::body;

use crate::running::{PROTOCOLS, Running, names, saving};

#[tokio::test]
async fn an_upload_that_is_no_whole_file_changes_nothing() {
    let (folder, options) = saving();
    let server = Running::start(options);
    fs::write(folder.path().join("a"), "precious").unwrap();
    for (target, header, status) in [
        ("/a", ("content-range", "bytes 5-9/10"), 400),
        ("/a", ("content-encoding", "gzip"), 415),
        ("/a", ("content-encoding", "aws-chunked"), 415),
        ("/a", ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), 415),
        ("/a", ("content-type", "multipart/form-data; boundary=x"), 415),
        ("/a", ("tus-resumable", "1.0.0"), 501),
        ("/a", ("upload-complete", "no"), 501),
        ("/a", ("upload-incomplete", "?1"), 501),
        ("/a", ("x-chunk-index", "1"), 501),
        ("/a", ("x-http-method-override", "DELETE"), 405),
        ("/a?uploads", ("x", "y"), 501),
        ("/a?partNumber=1&uploadId=x", ("x", "y"), 501),
    ] {
        for protocol in PROTOCOLS {
            for method in [Method::PUT, Method::POST] {
                let body = body::full("tail");
                let answer = server.exchange_with(protocol, method, target, &[header], body).await;
                assert_eq!(answer.status.as_u16(), status, "{protocol} {header:?}: {}", answer.text());
                assert!(answer.text().len() > 20, "{protocol} {header:?}: {}", answer.text());
            }
        }
    }
    assert_eq!(names(&folder), ["a"]);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"precious");
    let whole = [("upload-complete", "?1"), ("content-encoding", "identity")];
    let answer = server.exchange_with("h2", Method::PUT, "/a", &whole, body::full("new")).await;
    assert_eq!(answer.status.as_u16(), 201);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"new");
}

#[tokio::test]
async fn a_transfer_coding_that_is_not_decoded_is_501() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for (framing, status) in [
        ("transfer-encoding: chunked", "201"),
        ("transfer-encoding: gzip, chunked", "501"),
        ("transfer-encoding: chunked, chunked", "501"),
        ("transfer-encoding: identity, chunked", "501"),
    ] {
        let head = "PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
        let request = format!("{head}{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{framing}: {answer}");
        assert_eq!(names(&folder).len(), 1, "{framing}");
    }
}

#[tokio::test]
async fn a_client_that_waits_is_refused_without_being_asked_for_its_body() {
    let (folder, mut options) = saving();
    options.max_body = Some(ByteSize(1024));
    let server = Running::start(options);
    for (fields, status) in [
        ("content-length: 5\r\ncontent-range: bytes 5-9/10", 400),
        ("content-length: 5\r\ncontent-type: multipart/form-data", 415),
        ("content-length: 5\r\nupload-complete: ?0\r\nupload-draft-interop-version: 6", 501),
        ("content-length: 5\r\nif-match: *", 412),
        ("content-length: 5\r\norigin: null", 403),
        ("content-length: 5\r\ncontent-digest: sha-256=x", 400),
        ("content-length: 1025", 413),
        ("transfer-encoding: gzip, chunked", 501),
    ] {
        let head = "PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n";
        let request = format!("{head}{fields}\r\n\r\n");
        let answer = timeout(Duration::from_secs(10), server.raw(request.as_bytes())).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
    }
    assert!(names(&folder).is_empty());
}
