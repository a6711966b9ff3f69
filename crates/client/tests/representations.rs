//! Tests of responses whose content is not the whole representation of the target: no content, a part, or an error page.

use std::fs;

use crate::common::raw::{impatient, response, serve, transfer};
use http::Method;
use longhaul_client::{Download, HeaderEdit, Output, RequestOptions};
use record::{FaultKind, Record};

/// The field with the SHA-256 digest of "abc" (FIPS 180-4).
const OF_ABC: &str = "repr-digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

/// The field by which a server claims to be longhaul.
const LONGHAUL: &str = "server: longhaul/0.0.0";

fn by(method: Method) -> RequestOptions {
    RequestOptions::default().with_method(method)
}

fn expecting(statuses: &str) -> RequestOptions {
    RequestOptions::default().expecting(statuses.parse().unwrap())
}

fn range(value: &str) -> RequestOptions {
    RequestOptions::default().with_field(HeaderEdit::parse(&format!("Range: bytes={value}")).unwrap())
}

/// Downloads the generated body of 1 MiB from a server that sends `answer`, into a file with the content `before`.
/// Returns the record, and the content of the file.
async fn fetched(request: RequestOptions, answer: Vec<u8>) -> (Record, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "before").unwrap();
    let url = serve(move |mut client, _| {
        client.head();
        client.send(&answer);
    });
    let download = Download::new(Output::file(&path).unwrap());
    let report = transfer(impatient().with_request(request), &(url + "?size=1MiB"), download).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    (report.record, fs::read_to_string(&path).unwrap())
}

#[tokio::test]
async fn a_response_without_content_is_not_verified_and_leaves_the_file() {
    let head =
        |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\ncontent-length: 1048576\r\n\r\n").into();
    let unmodified = b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 1048576\r\n\r\n".to_vec();
    for (request, answer) in [
        (by(Method::HEAD), head(LONGHAUL)),
        (by(Method::HEAD), head(OF_ABC)),
        (expecting("2xx,304"), unmodified),
    ] {
        let (record, content) = fetched(request, answer).await;
        assert_eq!((record.error, record.integrity), (None, None));
        assert_eq!((record.receiver.unwrap().bytes, content.as_str()), (0, "before"));
    }
}

#[tokio::test]
async fn only_a_get_with_status_200_has_the_generated_body() {
    for (request, status) in [
        (expecting("401"), "401 Unauthorized"),
        (by(Method::POST), "200 OK"),
        (RequestOptions::default(), "203 Non-Authoritative Information"),
    ] {
        let (record, content) = fetched(request, response(status, &[LONGHAUL], "page")).await;
        assert_eq!((record.error, record.integrity, content.as_str()), (None, None, "page"), "{status}");
    }
    let (record, content) = fetched(RequestOptions::default(), response("200 OK", &[LONGHAUL], "page")).await;
    assert_eq!((record.error.unwrap().kind, content.as_str()), (FaultKind::Integrity, "before"));
}

#[tokio::test]
async fn a_part_has_the_digest_of_its_content_and_not_that_of_the_representation() {
    let part = |field: &str| response("206 Partial Content", &[field, "content-range: bytes 0-1/3"], "ab");
    let (record, content) = fetched(range("0-1"), part(OF_ABC)).await;
    assert_eq!((record.error, record.integrity, content.as_str()), (None, None, "ab"));
    let (record, content) = fetched(range("0-1"), part(&OF_ABC.replace("repr", "content"))).await;
    assert_eq!((record.error.unwrap().kind, content.as_str()), (FaultKind::Integrity, "before"));
}

#[tokio::test]
async fn the_content_of_every_expected_status_goes_into_the_file() {
    for (status, digest) in [("404 Not Found", "x: y"), ("302 Found", "location: /b"), ("500 Oops", OF_ABC)] {
        let (record, content) =
            fetched(expecting("2xx,302,404,500"), response(status, &[digest], "abc")).await;
        assert_eq!((record.error, content.as_str()), (None, "abc"), "{status}");
    }
    let (record, content) = fetched(expecting("404"), response("404 Not Found", &[OF_ABC], "abd")).await;
    assert_eq!((record.error.unwrap().kind, content.as_str()), (FaultKind::Integrity, "before"));
    // As with curl, an empty content makes an empty file.
    let nothing = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let (record, content) = fetched(RequestOptions::default(), nothing).await;
    assert_eq!((record.error, content.as_str()), (None, ""));
}
