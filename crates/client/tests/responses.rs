//! Tests of responses that are early, late, long, or follow a broken connection. The record states the outcome of each.

use std::{thread, time::Duration};

use crate::common::raw::{fault, heads, impatient, response, serve, transfer};
use longhaul_client::{Download, HeaderEdit, Output, RequestOptions, Statuses, Upload};
use record::{ByteSize, ChunkSize, FaultKind, PayloadKind};

fn upload(size: u64) -> Upload {
    Upload::new(PayloadKind::Random).unwrap().with_size(ByteSize(size)).unwrap()
}

#[tokio::test]
async fn a_complete_response_before_the_whole_body_is_no_success() {
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("200 OK", &[], ""));
        client.hold();
    });
    // The second body is one chunk, so that the protocol has taken the whole body.
    for chunk in [64 << 10, 64 << 20] {
        let body = upload(64 << 20).with_chunk(ChunkSize::try_from(chunk).unwrap());
        let fault = fault(&url, body).await;
        assert_eq!(fault.kind, FaultKind::Truncated, "{fault:?}");
        assert!(fault.message.contains("confirmed the upload (200 OK) after"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_response_whose_head_is_early_and_whose_end_follows_the_body_is_a_success() {
    let url = serve(|mut client, _| {
        client.head();
        client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\nstarted\r\n");
        let length = client.chunked();
        client.send(if length == 64 << 20 { "0\r\n\r\n" } else { "wrong" });
    });
    let record = transfer(impatient(), &url, upload(64 << 20)).await.record;
    assert_eq!(record.error, None);
    assert_eq!(record.sender.unwrap().bytes, 64 << 20);
}

#[tokio::test]
async fn a_success_may_have_a_long_body_that_is_read_while_the_upload_goes_on() {
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("200 OK", &[], vec![b'x'; 8 << 20]));
        client.chunked();
    });
    let record = transfer(impatient(), &url, upload(64 << 20)).await.record;
    assert_eq!(record.error.unwrap().kind, FaultKind::Truncated, "the response was complete before the body");
    let url = serve(|mut client, _| {
        client.head();
        client.chunked();
        client.send(response("200 OK", &[], vec![b'x'; 8 << 20]));
    });
    assert_eq!(transfer(impatient(), &url, upload(1 << 20)).await.record.error, None);
}

#[tokio::test]
async fn the_response_of_a_server_that_closes_early_is_read_and_reported() {
    // Because of unread bytes, the close is a reset, which ends the client's writes with an error.
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("413 Payload Too Large", &["connection: close"], "at most 1 MiB\nsorry"));
    });
    for _ in 0..10 {
        let fault = fault(&url, upload(64 << 20)).await;
        assert_eq!(fault.kind, FaultKind::Http, "{fault:?}");
        assert_eq!(fault.message, "the server answered 413 Payload Too Large: at most 1 MiB");
    }
}

#[tokio::test]
async fn an_interim_response_is_skipped() {
    let url = serve(|mut client, _| {
        client.head();
        client.send("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        client.chunked();
        client.send(response("200 OK", &[], ""));
    });
    assert_eq!(transfer(impatient(), &url, upload(1 << 20)).await.record.error, None);
}

#[tokio::test]
async fn a_server_that_requires_a_length_gets_one() {
    for status in ["411 Length Required", "501 Not Implemented"] {
        let (sender, requests) = heads();
        let url = serve(move |mut client, _| {
            let head = client.head();
            let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            sender.send(head).unwrap();
            match length {
                None => client.send(response(status, &["connection: close"], "")),
                Some(length) => {
                    client.sized(length);
                    client.send(response("201 Created", &[], ""));
                }
            }
        });
        let record = transfer(impatient(), &url, upload(3 << 20)).await.record;
        assert_eq!((record.error, record.sender.unwrap().bytes), (None, 3 << 20), "{status}");
        let requests: Vec<_> = requests.try_iter().collect();
        assert_eq!(requests.len(), 2);
        assert!(requests[0].contains(&"transfer-encoding: chunked".to_owned()), "{requests:?}");
        assert!(requests[1].contains(&"content-length: 3145728".to_owned()), "{requests:?}");
        assert!(!requests[1].iter().any(|line| line.starts_with("transfer-encoding")), "{requests:?}");

        let announced = upload(5).announcing_length().unwrap();
        assert_eq!(transfer(impatient(), &url, announced).await.record.error, None);
    }
}

#[tokio::test]
async fn a_server_that_refuses_a_length_too_is_reported_once() {
    let (sender, requests) = heads();
    let url = serve(move |mut client, _| {
        sender.send(client.head()).unwrap();
        client.send(response("501 Not Implemented", &["connection: close"], "no uploads"));
    });
    let fault = fault(&url, upload(5)).await;
    assert!(fault.message.contains("501 Not Implemented: no uploads"), "{fault:?}");
    assert_eq!(requests.try_iter().count(), 2);
}

#[tokio::test]
async fn the_expected_status_decides() {
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("409 Conflict", &["connection: close"], "it exists"));
    });
    let expecting = |statuses: &str| {
        let request = RequestOptions::default().expecting(statuses.parse::<Statuses>().unwrap());
        impatient().with_request(request)
    };
    let record = transfer(expecting("201,409"), &url, upload(64 << 20)).await.record;
    assert_eq!((record.error, record.goodput_bytes_per_s), (None, None), "a part has no goodput");
    let record = transfer(expecting("4xx"), &url, Download::new(Output::verify())).await.record;
    assert_eq!(record.error, None);
    let record = transfer(expecting("2xx"), &url, Download::new(Output::verify())).await.record;
    assert!(record.error.unwrap().message.contains("409 Conflict: it exists"));
}

#[tokio::test]
async fn a_server_that_quotes_a_secret_does_not_bring_it_into_the_record() {
    let url = serve(|mut client, _| {
        let head = client.head().join(" ");
        client.send(response("403 Forbidden", &["connection: close"], head));
    });
    let field = HeaderEdit::parse("x-api-key: hunter2").unwrap();
    let options = impatient().with_request(RequestOptions::default().with_field(field));
    let url = url.replace("http://", "http://me:hunter3@") + "?token=hunter4";
    let record = transfer(options, &url, Download::new(Output::verify())).await.record;
    let line = record.to_line().unwrap();
    for secret in ["hunter", "bWU6aHVudGVyMw"] {
        assert!(!line.contains(secret), "{secret}: {line}");
    }
    assert!(record.peer.unwrap().ends_with("/?token=***"));
}

#[tokio::test]
async fn a_slow_source_and_a_slow_response_are_no_stall() {
    let url = serve(|mut client, _| {
        client.head();
        client.chunked();
        thread::sleep(Duration::from_millis(1500));
        client.send(response("200 OK", &[], ""));
    });
    let options = || impatient().with_timeout(Duration::from_millis(500));
    assert_eq!(transfer(options(), &url, upload(8 << 20)).await.record.error, None);
    // The upload sends one chunk per second.
    let slow = upload(2 << 20).with_chunk(ChunkSize::try_from(1 << 20).unwrap());
    let slow = slow.with_limit_rate(record::Rate::try_from(1 << 20).unwrap());
    assert_eq!(transfer(options(), &url, slow).await.record.error, None);

    let url = serve(|mut client, _| {
        client.head();
        thread::sleep(Duration::from_millis(1500));
        client.send(response("200 OK", &[], vec![b'x'; 2 << 20]));
        client.hold();
    });
    assert_eq!(transfer(options(), &url, Download::new(Output::verify())).await.record.error, None);
    let slow = Download::new(Output::verify()).with_reader_rate(record::Rate::try_from(1 << 20).unwrap());
    assert_eq!(transfer(options(), &url, slow).await.record.error, None);
}

#[tokio::test]
async fn bytes_that_the_server_does_not_take_are_a_stall_although_all_were_handed_over() {
    let url = serve(|mut client, _| {
        client.head();
        client.hold();
    });
    let body = upload(64 << 20).with_chunk(ChunkSize::try_from(64 << 20).unwrap());
    let fault = fault(&url, body).await;
    assert!(fault.kind == FaultKind::Timeout && fault.message.contains("no byte moved"), "{fault:?}");
}

#[tokio::test]
async fn a_part_that_was_not_requested_never_becomes_the_file() {
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("206 Partial Content", &["content-range: bytes 0-2/9"], "abc"));
    });
    let fault = fault(&url, Download::new(Output::verify())).await;
    assert!(fault.kind == FaultKind::Protocol && fault.message.contains("206"), "{fault:?}");
    let range = RequestOptions::default().with_field(HeaderEdit::parse("Range: bytes=0-2").unwrap());
    let record =
        transfer(impatient().with_request(range), &url, Download::new(Output::verify())).await.record;
    assert_eq!(record.error, None);
}

#[tokio::test]
async fn a_digest_that_the_server_states_is_verified_before_the_file_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    // The SHA-256 digest of "abc" (FIPS 180-4).
    let digest = "repr-digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    let url = serve(move |mut client, number| {
        client.head();
        client.send(response("200 OK", &[digest], if number == 0 { "abd" } else { "abc" }));
    });
    let download = || Download::new(Output::file(&path).unwrap());
    let wrong = fault(&url, download()).await;
    assert!(wrong.kind == FaultKind::Integrity && wrong.message.contains("sha-256"), "{wrong:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let record = transfer(impatient(), &url, download()).await.record;
    let integrity = record.integrity.unwrap();
    assert!(integrity.matches && integrity.algorithm == "sha-256" && path.exists(), "{integrity:?}");
}
