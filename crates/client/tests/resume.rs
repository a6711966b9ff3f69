//! Tests of downloads that break off and are completed later.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::common::raw::{heads, impatient, response, serve, transfer};
use http::Method;
use longhaul_client::{Download, Output, RequestOptions};
use record::{Fault, FaultKind, SinkKind};

/// Returns a body of 1,000,000 bytes.
fn body() -> Vec<u8> {
    (0..1_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect()
}

/// Returns the first half of a response to a whole body.
fn half(fields: &[&str]) -> Vec<u8> {
    let mut whole = response("200 OK", fields, body());
    whole.truncate(whole.len() - 500_000);
    whole
}

/// Returns the response to a request for the bytes from `first` on.
fn rest(fields: &[&str], first: usize) -> Vec<u8> {
    let range = format!("content-range: bytes {first}-999999/1000000");
    response("206 Partial Content", &[fields, &[range.as_str()]].concat(), &body()[first..])
}

async fn fetch(url: &str, path: &Path) -> Option<Fault> {
    fetch_with(RequestOptions::default(), url, path).await
}

async fn fetch_with(request: RequestOptions, url: &str, path: &Path) -> Option<Fault> {
    let download = Download::new(Output::file(path).unwrap()).resuming();
    let record = transfer(impatient().with_request(request), url, download).await.record;
    assert_eq!(record.case.sink, SinkKind::Save(path.parent().unwrap().to_owned()));
    record.error
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Downloads twice from a server that sends `first`, breaks off, and then sends `second`. Returns the second fault, the
/// files that are left, and the head of the second request.
async fn twice(first: Vec<u8>, second: Vec<u8>) -> (Option<Fault>, Vec<String>, Vec<String>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let (sender, requests) = heads();
    let url = serve(move |mut client, number| {
        sender.send(client.head()).unwrap();
        client.send(if number == 0 { &first } else { &second });
    });
    let url = url + "b?signature=1";
    assert_eq!(fetch(&url, &path).await.unwrap().kind, FaultKind::Truncated);
    assert!(!path.exists());
    let fault = fetch(&url, &path).await;
    let head = requests.try_iter().nth(1).unwrap();
    (fault, entries(folder.path()), head, fs::read(&path).unwrap_or_default())
}

#[tokio::test]
async fn a_download_is_completed_if_the_server_has_the_same_representation() {
    let dates = ["date: Thu, 26 Nov 2026 17:00:01 GMT", "last-modified: Thu, 26 Nov 2026 17:00:00 GMT"];
    for (fields, validator) in
        [(&["etag: \"1\""][..], "if-range: \"1\""), (&dates, "if-range: Thu, 26 Nov 2026 17:00:00 GMT")]
    {
        let (fault, files, head, content) = twice(half(fields), rest(fields, 500_000)).await;
        assert_eq!((fault, files), (None, vec!["a".to_owned()]));
        assert!(head.contains(&"range: bytes=500000-".to_owned()), "{head:?}");
        assert!(head.contains(&validator.to_owned()), "{head:?}");
        assert!(content == body());
    }
}

#[tokio::test]
async fn another_representation_is_downloaded_anew() {
    let new = response("200 OK", &["etag: \"2\""], "new");
    let (fault, files, _, content) = twice(half(&["etag: \"1\""]), new).await;
    assert_eq!((fault, files, content), (None, vec!["a".to_owned()], b"new".to_vec()));
}

#[tokio::test]
async fn without_a_strong_validator_nothing_is_left_and_nothing_is_resumed() {
    for fields in [&[][..], &["etag: W/\"1\""], &["last-modified: Thu, 26 Nov 2026 17:00:00 GMT"]] {
        let (fault, files, head, content) = twice(half(fields), response("200 OK", &[], "new")).await;
        assert_eq!((fault, files, content), (None, vec!["a".to_owned()], b"new".to_vec()), "{fields:?}");
        assert!(!head.iter().any(|line| line.starts_with("range")), "{head:?}");
    }
}

#[tokio::test]
async fn another_part_is_an_error_and_the_part_stays() {
    let fields = ["etag: \"1\""];
    let other = response("206 Partial Content", &["content-range: bytes 500000-999998/999999"], "x");
    for wrong in [rest(&fields, 400_000), rest(&["etag: \"2\""], 500_000), other] {
        let (fault, files, _, _) = twice(half(&fields), wrong).await;
        let fault = fault.unwrap();
        assert!(fault.kind == FaultKind::Protocol && fault.message.contains("another part"), "{fault:?}");
        assert_eq!(files, ["a.part", "a.part.json"]);
    }
}

#[tokio::test]
async fn a_part_that_is_whole_is_done() {
    let complete = response("416 Range Not Satisfiable", &["content-range: bytes */3"], "");
    let endless = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let (fault, files, _, content) = twice(endless.into(), complete).await;
    assert_eq!((fault, files, content), (None, vec!["a".to_owned()], b"abc".to_vec()));
    let beyond = response("416 Range Not Satisfiable", &["content-range: bytes */1000000"], "");
    let (fault, files, _, _) = twice(half(&["etag: \"1\""]), beyond).await;
    assert!(fault.unwrap().message.contains("500000"));
    assert_eq!(files, ["a.part", "a.part.json"]);
}

/// Starts a server that sends one of the answers to each request, in turn.
fn in_turn(answers: Vec<Vec<u8>>) -> String {
    serve(move |mut client, number| {
        client.head();
        client.send(&answers[number]);
    })
}

/// The beginning of a body of unknown length.
const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"1\"\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";

#[tokio::test]
async fn a_range_of_an_unknown_length_completes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let range = |range: &str, body: &str| response("206 Partial Content", &[range], body);
    let complete = response("416 Range Not Satisfiable", &["content-range: bytes */7"], "");
    let url = in_turn(vec![
        ENDLESS.to_vec(),
        range("content-range: bytes 3-5/*", "def"),
        range("content-range: bytes 6-6/*", "g"),
        complete,
    ]);
    fetch(&url, &path).await.unwrap();
    for (held, range) in [("abcdef", "bytes 3-5/*"), ("abcdefg", "bytes 6-6/*")] {
        let fault = fetch(&url, &path).await.unwrap();
        let text = format!("{fault:?}");
        assert!(
            fault.kind == FaultKind::Protocol && text.contains(range) && text.contains("length"),
            "{text}"
        );
        assert_eq!(entries(folder.path()), ["a.part", "a.part.json"]);
        assert_eq!(fs::read_to_string(folder.path().join("a.part")).unwrap(), held);
    }
    assert_eq!(fetch(&url, &path).await, None);
    assert_eq!((fs::read_to_string(&path).unwrap(), entries(folder.path()).len()), ("abcdefg".into(), 1));
}

#[tokio::test]
async fn a_range_of_an_unknown_length_is_the_end_if_the_digest_says_so() {
    // The SHA-256 digest of "abc" (FIPS 180-4).
    let digest = "repr-digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    let first = String::from_utf8(ENDLESS.to_vec()).unwrap().replace("3\r\nabc", "1\r\na");
    for (answer, is_whole) in [("bc", true), ("b", false)] {
        let range = format!("content-range: bytes 1-{}/*", answer.len());
        let second = response("206 Partial Content", &[&range, digest], answer);
        let (fault, files, _, _) = twice(first.clone().into(), second).await;
        assert_eq!(fault.map(|fault| fault.kind), (!is_whole).then_some(FaultKind::Protocol));
        assert_eq!(files, if is_whole { vec!["a"] } else { vec!["a.part", "a.part.json"] });
    }
}

#[tokio::test]
async fn a_response_has_all_bytes_of_its_range() {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 500000-999999/1000000\r\n";
    let short = format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let (fault, files, _, _) = twice(half(&["etag: \"1\""]), short.into()).await;
    assert_eq!(fault.unwrap().kind, FaultKind::Truncated);
    assert_eq!(files, ["a.part", "a.part.json"]);
}

#[tokio::test]
async fn the_digest_of_an_error_page_is_not_that_of_the_file() {
    let digest = "repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let complete = response("416 Range Not Satisfiable", &["content-range: bytes */3", digest], "");
    let (fault, files, _, content) = twice(ENDLESS.to_vec(), complete).await;
    assert_eq!((fault, files, content), (None, vec!["a".to_owned()], b"abc".to_vec()));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_completed_file_keeps_the_permissions_of_the_file_that_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (folder.path().join("a"), folder.path().join("a.part"));
    fs::write(folder.path().join("new"), "").unwrap();
    let new = mode(&folder.path().join("new"));
    for (before, of_part, after) in [
        (Some(0o600), 0o600, Some(0o600)),
        (Some(0o640), 0o600, Some(0o640)),
        (None, new, None),
        // The file appears or disappears between the two downloads.
        (None, new, Some(0o600)),
        (Some(0o600), 0o600, None),
    ] {
        let set = |mode: Option<u32>| {
            let _ = fs::remove_file(&path);
            if let Some(mode) = mode {
                fs::write(&path, "before").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        set(before);
        let url = in_turn(vec![half(&["etag: \"1\""]), rest(&["etag: \"1\""], 500_000)]);
        fetch(&url, &path).await.unwrap();
        assert_eq!(mode(&part), of_part, "{before:?}");
        set(after);
        assert_eq!(fetch(&url, &path).await, None);
        assert_eq!(
            (mode(&path), fs::read(&path).unwrap() == body()),
            (after.unwrap_or(new), true),
            "{before:?}"
        );
    }
}

#[tokio::test]
async fn a_response_that_carries_no_bytes_of_the_file_leaves_the_part() {
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (folder.path().join("a"), folder.path().join("a.part"));
    let of_head = b"HTTP/1.1 200 OK\r\netag: \"2\"\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    let url = in_turn(vec![half(&["etag: \"1\""]), of_head, response("404 Not Found", &[], "gone")]);
    fetch(&url, &path).await.unwrap();
    let head = RequestOptions::default().with_method(Method::HEAD);
    assert_eq!(fetch_with(head, &url, &path).await, None);
    assert_eq!(entries(folder.path()), ["a.part", "a.part.json"]);
    // The content of an expected status goes into the file, and the part stays for the next run.
    let expecting = RequestOptions::default().expecting("2xx,404".parse().unwrap());
    assert_eq!(fetch_with(expecting, &url, &path).await, None);
    assert_eq!(fs::read_to_string(&path).unwrap(), "gone");
    assert_eq!(fs::metadata(&part).unwrap().len(), 500_000);
}

#[tokio::test]
async fn another_resource_is_never_joined_to_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let (sender, requests) = heads();
    let url = serve(move |mut client, number| {
        sender.send(client.head()).unwrap();
        client.send(if number == 0 { half(&["etag: \"1\""]) } else { response("200 OK", &[], "new") });
    });
    fetch(&(url.clone() + "b?id=1"), &path).await.unwrap();
    let facts = fs::read_to_string(folder.path().join("a.part.json")).unwrap();
    assert!(facts.contains("/b?id=***"), "{facts}");
    assert_eq!(fetch(&(url + "b?id=2"), &path).await, None);
    let second = requests.try_iter().nth(1).unwrap();
    assert!(!second.iter().any(|line| line.starts_with("range")), "{second:?}");
    assert_eq!((fs::read(&path).unwrap(), entries(folder.path())), (b"new".to_vec(), vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_refusal_leaves_the_part() {
    let refusal = response("503 Service Unavailable", &[], "later");
    let (fault, files, _, _) = twice(half(&["etag: \"1\""]), refusal).await;
    assert_eq!(fault.unwrap().kind, FaultKind::Http);
    assert_eq!(files, ["a.part", "a.part.json"]);
    let folder = tempfile::tempdir().unwrap();
    let url = serve(|mut client, _| {
        client.head();
        client.send(response("404 Not Found", &[], ""));
    });
    fetch(&url, &folder.path().join("a")).await.unwrap();
    assert_eq!(entries(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_completed_file_must_have_the_digest_of_the_representation() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let digest = |bytes: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, bytes);
        format!("repr-digest: sha-512=:{}:", BASE64_STANDARD.encode(digest))
    };
    let right = rest(&["etag: \"1\"", &digest(&body())], 500_000);
    let (fault, files, _, content) = twice(half(&["etag: \"1\""]), right).await;
    assert_eq!((fault, files, content == body()), (None, vec!["a".to_owned()], true));
    let wrong = rest(&["etag: \"1\"", &digest(b"other")], 500_000);
    let (fault, files, _, _) = twice(half(&["etag: \"1\""]), wrong).await;
    assert_eq!((fault.unwrap().kind, files), (FaultKind::Integrity, Vec::new()));
    // Only the first response states the digest.
    let first = half(&["etag: \"1\"", &digest(b"other")]);
    let (fault, files, _, _) = twice(first, rest(&["etag: \"1\""], 500_000)).await;
    assert_eq!((fault.unwrap().kind, files), (FaultKind::Integrity, Vec::new()));
}
