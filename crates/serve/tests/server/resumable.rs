//! Resumable uploads whose requests fail, and requests to complete uploads.

use std::fs;

use http::Method;
use record::ByteSize;
use transport::{Body, body};

use crate::{
    neighbours::piecewise,
    running::{Answer, PROTOCOLS, Running, saving},
};

const MIB: u64 = 1 << 20;

/// Creates an upload without content. Returns the path of its resource.
async fn create(server: &Running, name: &str) -> String {
    let fields = [("upload-complete", "?0")];
    let created = server.exchange_with("h1c", Method::POST, name, &fields, body::empty()).await;
    assert_eq!(created.status.as_u16(), 201, "{}", created.text());
    created.header("location").unwrap().to_owned()
}

async fn append(
    server: &Running,
    protocol: &str,
    path: &str,
    offset: u64,
    complete: &str,
    body: Body,
) -> Answer {
    let offset = offset.to_string();
    let fields = [
        ("content-type", "application/partial-upload"),
        ("upload-offset", offset.as_str()),
        ("upload-complete", complete),
    ];
    server.exchange_with(protocol, Method::PATCH, path, &fields, body).await
}

/// Returns a body of unknown length, with the content `7` if it has some.
async fn unannounced(length: usize) -> Body {
    let (chunks, body) = piecewise();
    if length > 0 {
        chunks.send(length).await.unwrap();
    }
    body
}

async fn offset(server: &Running, path: &str) -> u64 {
    let state = server.exchange("h1c", Method::HEAD, path, body::empty()).await;
    assert_eq!((state.status.as_u16(), state.header("upload-complete")), (204, Some("?0")));
    state.header("upload-offset").unwrap().parse().unwrap()
}

#[tokio::test]
async fn bytes_stay_when_the_quota_refuses_further_ones() {
    let (folder, mut options) = saving();
    options.quota.max_stored = Some(ByteSize(MIB));
    let server = Running::start(options);
    let content: Vec<u8> = (0..MIB as u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    let part = |from: u64, to: u64| {
        let part = content.iter().cycle().skip(from as usize).take((to - from) as usize);
        body::full(part.copied().collect::<Vec<u8>>())
    };
    let path = create(&server, "/a").await;
    assert_eq!(append(&server, "h1c", &path, 0, "?0", part(0, 600_000)).await.status.as_u16(), 204);
    let mut held = 600_000;
    for complete in ["?0", "?0"] {
        let refused = append(&server, "h1c", &path, held, complete, part(held, held + MIB)).await;
        assert_eq!((refused.status.as_u16(), refused.header("upload-complete")), (507, Some("?0")));
        let now = offset(&server, &path).await;
        assert!((held..=MIB).contains(&now), "{now}");
        held = now;
    }
    let done = append(&server, "h1c", &path, held, "?1", part(held, MIB)).await;
    assert_eq!((done.status.as_u16(), done.header("upload-complete")), (201, Some("?1")), "{}", done.text());
    assert!(fs::read(folder.path().join("a")).unwrap() == content);
}

#[tokio::test]
async fn content_behind_a_complete_upload_is_an_inconsistent_length_whether_announced_or_not() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let path = create(&server, "/a").await;
        let done = append(&server, protocol, &path, 0, "?1", body::full("abc")).await;
        assert_eq!(done.status.as_u16(), 201, "{protocol}: {}", done.text());
        for content in [body::full("def"), unannounced(3).await] {
            let refused = append(&server, protocol, &path, 3, "?1", content).await;
            assert_eq!((refused.status.as_u16(), refused.header("upload-complete")), (400, Some("?0")));
            assert!(refused.text().contains("#inconsistent-upload-length"), "{protocol}: {}", refused.text());
        }
        for nothing in [body::empty(), unannounced(0).await] {
            let replayed = append(&server, protocol, &path, 3, "?1", nothing).await;
            assert_eq!((replayed.status.as_u16(), &replayed.body), (201, &done.body), "{protocol}");
        }
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"abc");
    }
}

#[tokio::test]
async fn options_state_the_media_type_of_parts_and_the_limits_and_so_does_413() {
    let (_folder, mut options) = saving();
    options.max_body = Some(ByteSize(5));
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let offer = server.exchange(protocol, Method::OPTIONS, "/a", body::empty()).await;
        let fields = (offer.header("accept-patch"), offer.header("upload-limit"));
        assert_eq!(fields, (Some("application/partial-upload"), Some("max-size=5, max-age=3600")));
    }
    let path = create(&server, "/a").await;
    let refused = append(&server, "h1c", &path, 0, "?0", unannounced(6).await).await;
    let fields = (refused.status.as_u16(), refused.header("upload-complete"), refused.header("upload-limit"));
    assert_eq!(fields, (413, Some("?0"), Some("max-size=5, max-age=3600")));
}
