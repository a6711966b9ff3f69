//! Validators of saved files, and the requests that depend on them.

use std::fs;

use http::Method;
use tokio::io::AsyncWriteExt as _;
use transport::body;

use crate::running::{Answer, PROTOCOLS, Running, open_files, read, saving, soon_status, wait_for};

/// Sends a request for the saved file `a`, with one header.
async fn ask(server: &Running, protocol: &str, method: Method, header: (&str, &str)) -> Answer {
    server.exchange_with(protocol, method, "/a", &[header], body::empty()).await
}

#[tokio::test]
async fn a_saved_file_has_validators_and_a_client_that_knows_them_gets_no_body() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a"), "0123456789").unwrap();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let whole = server.get(protocol, "/a").await;
        let etag = whole.header("etag").unwrap().to_owned();
        let modified = whole.header("last-modified").unwrap().to_owned();
        for (header, status) in [
            (("if-none-match", etag.as_str()), 304),
            (("if-none-match", "\"other\""), 200),
            (("if-modified-since", modified.as_str()), 304),
            (("if-match", etag.as_str()), 200),
            (("if-match", "\"other\""), 412),
            (("if-unmodified-since", "Thu, 01 Jan 2004 00:00:00 GMT"), 412),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let answer = ask(&server, protocol, method.clone(), header).await;
                assert_eq!(answer.status.as_u16(), status, "{protocol} {method} {header:?}");
                let empty = method == Method::HEAD || status == 304;
                assert_eq!(answer.body.is_empty(), empty, "{protocol} {method} {header:?}");
                if status != 412 {
                    assert_eq!(answer.header("etag"), Some(etag.as_str()));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_part_is_given_of_the_version_that_the_client_has() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a"), "0123456789").unwrap();
    let server = Running::start(options);
    let etag = server.get("h1c", "/a").await.header("etag").unwrap().to_owned();
    let part = async |validator: &str| {
        let headers = [("range", "bytes=4-"), ("if-range", validator)];
        let answer = server.exchange_with("h2", Method::GET, "/a", &headers, body::empty()).await;
        (answer.status.as_u16(), answer.text())
    };
    assert_eq!(part(&etag).await, (206, "456789".into()));
    assert_eq!(part("\"old\"").await, (200, "0123456789".into()));
    assert_eq!(part("Thu, 01 Jan 2004 00:00:00 GMT").await, (200, "0123456789".into()));
    fs::remove_file(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a"), "abcdefghij").unwrap();
    assert_eq!(part(&etag).await, (200, "abcdefghij".into()));
    let head = ask(&server, "h1c", Method::HEAD, ("range", "bytes=4-")).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("10")));
    let beyond = ask(&server, "h1c", Method::GET, ("range", "bytes=18446744073709551616-")).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, Some("bytes */10")));
}

#[tokio::test]
async fn an_upload_replaces_only_what_its_conditions_allow() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let put = async |header: (&str, &str), text: &'static str| {
        let answer = server.exchange_with("h2", Method::PUT, "/a", &[header], body::full(text)).await;
        (answer.status.as_u16(), fs::read_to_string(folder.path().join("a")).unwrap_or_default())
    };
    assert_eq!(put(("if-match", "*"), "one").await, (412, String::new()));
    assert_eq!(put(("if-none-match", "*"), "one").await, (201, "one".into()));
    assert_eq!(put(("if-none-match", "*"), "two").await, (412, "one".into()));
    let etag = server.get("h1c", "/a").await.header("etag").unwrap().to_owned();
    assert_eq!(put(("if-match", "\"other\""), "two").await, (412, "one".into()));
    assert_eq!(put(("if-match", &etag), "two").await, (201, "two".into()));
    assert_eq!(put(("if-match", &etag), "three").await, (412, "two".into()));
    assert_eq!(put(("if-unmodified-since", "Thu, 01 Jan 2004 00:00:00 GMT"), "x").await.0, 412);
    assert_eq!(put(("if-none-match", "no quotes"), "x").await, (400, "two".into()));
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_answered_before_the_body() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a"), "old").unwrap();
    let server = Running::start(options);
    for condition in ["if-none-match: *", "if-match: \"other\""] {
        for expect in ["", "expect: 100-continue\r\n"] {
            let mut stream = server.connect().await;
            let head = format!("PUT /a HTTP/1.1\r\nhost: localhost\r\n{expect}{condition}\r\n");
            let head = head + "content-length: 6\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            assert_eq!(soon_status(&mut stream).await, "HTTP/1.1 412", "{condition} '{expect}'");
        }
    }
}

#[tokio::test]
async fn a_condition_is_checked_again_when_the_body_is_complete() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for (condition, before, meanwhile) in
        [("if-none-match: *", None, "first"), ("if-match: ETAG", Some("old"), "first")]
    {
        let _ = fs::remove_file(folder.path().join("a"));
        if let Some(text) = before {
            fs::write(folder.path().join("a"), text).unwrap();
        }
        let etag = server.get("h1c", "/a").await.header("etag").unwrap_or("none").to_owned();
        let mut slow = server.connect().await;
        let head = format!("PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{condition}\r\n");
        let head = head.replace("ETAG", &etag) + "content-length: 6\r\n\r\nsec";
        slow.write_all(head.as_bytes()).await.unwrap();
        wait_for(|| open_files(&folder) == 1).await;
        let fast = server.exchange("h1c", Method::PUT, "/a", body::full(meanwhile)).await;
        assert_eq!(fast.status.as_u16(), 201, "{condition}");
        slow.write_all(b"ond").await.unwrap();
        let answer = read(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 412 "), "{condition}: {answer}");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), meanwhile, "{condition}");
    }
}
