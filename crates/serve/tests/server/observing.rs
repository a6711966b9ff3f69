//! The access log and the health of a server, and the headers for browsers.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use http_body_util::BodyExt as _;
use longhaul_serve::{AccessLog, Options, Token};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use transport::body;

use crate::running::{PROTOCOLS, Running, request, saving, wait_for};

/// The lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn log(&self, options: &mut Options) {
        options.access_log = Some(AccessLog::to(self.clone()).unwrap());
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn entries(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn each_request_is_one_line_without_secrets() {
    let (_folder, mut options) = saving();
    let lines = Lines::default();
    lines.log(&mut options);
    options.access.token = Some(Token::new("s3cret").unwrap());
    let server = Running::start(options);
    let token = [("authorization", "Bearer s3cret")];
    for protocol in PROTOCOLS {
        let upload = "/?file=a%20b&sig=hidden";
        server.exchange_with(protocol, Method::PUT, upload, &token, body::full("hello")).await;
        server.exchange_with(protocol, Method::GET, "/a%20b", &token, body::empty()).await;
        server.exchange_with(protocol, Method::PUT, "/.x", &token, body::full("hello")).await;
        server.exchange_with(protocol, Method::HEAD, "/?size=1GiB", &token, body::empty()).await;
        server.get(protocol, "/a%20b").await;
    }
    timeout(Duration::from_secs(10), server.stop()).await.unwrap().unwrap();
    let entries = lines.entries();
    assert_eq!(entries.len(), 5 * PROTOCOLS.len(), "{}", lines.text());
    assert!(!lines.text().contains("s3cret") && !lines.text().contains("hidden"), "{}", lines.text());
    for (method, target, status, received, sent, reason) in [
        ("PUT", "/?file=a%20b&sig=REDACTED", 201, 5, None, Value::Null),
        ("GET", "/a%20b", 200, 0, Some(5), Value::Null),
        ("PUT", "/.x", 400, 5, None, Value::from("the name starts with a dot")),
        ("HEAD", "/?size=1GiB", 200, 0, Some(0), Value::Null),
        ("GET", "/a%20b", 401, 0, None, Value::from("this server needs a token")),
    ] {
        let of_kind = |entry: &&Value| {
            (&entry["method"], &entry["target"], &entry["status"])
                == (&method.into(), &target.into(), &status.into())
        };
        let matching: Vec<_> = entries.iter().filter(of_kind).collect();
        assert_eq!(matching.len(), PROTOCOLS.len(), "{method} {target} {status}: {}", lines.text());
        for entry in matching {
            assert_eq!((&entry["received"], &entry["reason"]), (&received.into(), &reason), "{entry}");
            assert!(sent.is_none_or(|sent: u64| entry["sent"] == sent), "{entry}");
            let user = if status == 401 { Value::Null } else { "token".into() };
            assert_eq!(entry["user"], user, "{entry}");
            assert!(entry["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{entry}");
            assert!(entry["duration_s"].is_f64() && entry["time"].is_string(), "{entry}");
        }
    }
}

#[tokio::test]
async fn a_head_that_is_refused_below_is_one_line_with_the_status_that_was_sent() {
    let mut options = Options::default();
    options.guards.header_bytes = 128 << 10;
    let lines = Lines::default();
    lines.log(&mut options);
    let server = Running::start(options);
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let target = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "y".repeat(65_536));
    let mut expected = Vec::new();
    for head in [
        &long,
        &target,
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "PUT / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let answer = server.raw(head.as_bytes()).await;
        expected.push(answer.get(9..12).unwrap().parse::<u16>().ok());
    }
    assert_eq!(expected, [Some(431), Some(414), Some(400), Some(400)]);
    // Over HTTP/2, SETTINGS and a head with two paths follow; over HTTP/3, a field of HTTP/1.1.
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream.write_all(b"\0\0\x04\x01\x05\0\0\0\x01\x82\x86\x84\x84").await.unwrap();
    let connection = server.dial("h3").await;
    let mut head = request("h3", Method::GET, "/", body::empty());
    head.headers_mut().insert("connection", "close".parse().unwrap());
    connection.exchange(head).await.unwrap_err();
    expected.extend([None, None]);
    wait_for(|| lines.text().lines().count() >= expected.len()).await;
    let mut seen: Vec<_> = lines.entries().iter().map(|line| line["status"].as_u64()).collect();
    let mut expected: Vec<_> = expected.into_iter().map(|status| status.map(u64::from)).collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected, "{}", lines.text());
    for line in lines.entries() {
        assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        assert!(line["reason"].as_str().unwrap().starts_with("HTTP/"), "{line}");
    }
    let health: Value = serde_json::from_str(&server.get("h1c", "/.longhaul/health").await.text()).unwrap();
    assert_eq!(health["requests"]["by_status"]["431"], 1, "{health}");
}

#[tokio::test]
async fn a_download_that_the_server_fails_to_read_is_logged_with_the_reason() {
    let (folder, mut options) = saving();
    let lines = Lines::default();
    lines.log(&mut options);
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let file = File::create(folder.path().join(protocol)).unwrap();
        file.set_len(64 << 20).unwrap();
        let connection = server.dial(protocol).await;
        let get = request(protocol, Method::GET, &format!("/{protocol}"), body::empty());
        let mut body = connection.exchange(get).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        file.set_len(1 << 20).unwrap();
        while let Some(Ok(_)) = body.frame().await {}
    }
    timeout(Duration::from_secs(10), server.stop()).await.unwrap().unwrap();
    let entries = lines.entries();
    assert_eq!(entries.len(), PROTOCOLS.len(), "{}", lines.text());
    for entry in entries {
        assert_eq!(entry["status"], 200, "{entry}");
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.starts_with("the response was cut off: ") && reason.contains("shrank"), "{entry}");
    }
}

#[tokio::test]
async fn an_exchange_that_its_client_cuts_off_is_one_request() {
    let mut options = Options::default();
    let lines = Lines::default();
    lines.log(&mut options);
    let server = Running::start(options);
    for round in 1..=10 {
        let mut download = server.connect().await;
        download.write_all(b"GET /?size=1GiB HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        download.read_exact(&mut [0; 1000]).await.unwrap();
        // Dropped with unread bytes, the connection is reset.
        drop(download);
        let mut upload = server.connect().await;
        upload
            .write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc")
            .await
            .unwrap();
        drop(upload);
        let mut short = server.connect().await;
        short.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        short.read_exact(&mut [0; 1]).await.unwrap();
        drop(short);
        wait_for(|| lines.text().matches("GET").count() >= 2 * round).await;
        wait_for(|| lines.text().matches("PUT").count() >= round).await;
    }
    let mut broken = server.connect().await;
    broken.write_all(b"GET / HTTP/1.1\r\nhost: local").await.unwrap();
    broken.shutdown().await.unwrap();
    broken.read_to_end(&mut Vec::new()).await.unwrap();
    timeout(Duration::from_secs(10), server.stop()).await.unwrap().unwrap();
    let of = |method: Value| lines.entries().iter().filter(|entry| entry["method"] == method).count();
    assert_eq!([of("GET".into()), of("PUT".into()), of(Value::Null)], [20, 10, 1], "{}", lines.text());
    let cut = |entry: &&Value| entry["reason"] == "the response was cut off";
    assert_eq!(lines.entries().iter().filter(cut).count(), 10, "{}", lines.text());
}

#[tokio::test]
async fn a_log_that_is_not_read_delays_nobody() {
    /// A writer that blocks for ever.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut options = Options::default();
    options.access_log = Some(AccessLog::to(Stuck).unwrap());
    let server = Running::start(options);
    let one = "GET /?size=1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let requests = one.repeat(2000) + last;
    let answers = timeout(Duration::from_secs(60), server.raw(requests.as_bytes())).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2001);
}

#[tokio::test]
async fn the_health_of_a_server_is_its_counters() {
    let mut options = Options::default();
    options.access.token = Some(Token::new("s3cret").unwrap());
    let server = Running::start(options);
    let token = [("authorization", "Bearer s3cret")];
    server.exchange_with("h2", Method::PUT, "/a", &token, body::full("hello")).await;
    server.get("h2", "/a").await;
    for protocol in PROTOCOLS {
        let answer = server.get(protocol, "/.longhaul/health").await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{protocol}");
        let health: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(health["status"], "ok");
        assert_eq!(health["requests"]["by_status"]["401"], 1, "{health}");
        assert!(health["requests"]["by_status"]["200"].as_u64() >= Some(1), "{health}");
        assert!(health["requests"]["running"].as_u64() >= Some(1), "{health}");
        assert!(health["connections"]["open"].as_u64() >= Some(1), "{health}");
        assert_eq!(health["bytes"]["received"], 5, "{health}");
    }
    let other = server.exchange("h2", Method::PUT, "/.longhaul/health", body::full("x")).await;
    assert_eq!(other.status.as_u16(), 404);
}

#[tokio::test]
async fn the_paths_of_the_server_itself_are_no_files() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for (method, target, status) in [
        (Method::PUT, "/.longhaul/health", 404),
        (Method::PUT, "/.longhaul/x", 404),
        (Method::GET, "/.longhaul/x", 404),
    ] {
        let answer = server.exchange("h1c", method, target, body::empty()).await;
        assert_eq!(answer.status.as_u16(), status, "{target}");
    }
    assert!(crate::running::names(&folder).is_empty());
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_upload_and_read_the_answer() {
    let (_folder, mut options) = saving();
    options.access.token = Some(Token::new("s3cret").unwrap());
    options.access.origins.allow("https://app.example").unwrap();
    let server = Running::start(options);
    let origin = ("origin", "https://app.example");
    for protocol in PROTOCOLS {
        let asked = [
            origin,
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "authorization"),
        ];
        let preflight = server.exchange_with(protocol, Method::OPTIONS, "/a", &asked, body::empty()).await;
        assert_eq!(preflight.status.as_u16(), 204, "{protocol}: {}", preflight.text());
        assert_eq!(preflight.header("access-control-allow-origin"), Some(origin.1));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT"));
        for (token, status) in [("Bearer s3cret", 201), ("Bearer other", 401)] {
            let fields = [origin, ("authorization", token), ("sec-fetch-site", "cross-site")];
            let answer = server.exchange_with(protocol, Method::PUT, "/a", &fields, body::full("x")).await;
            assert_eq!(answer.status.as_u16(), status, "{protocol}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{protocol}");
        }
        let other = [("origin", "https://evil.example"), asked[1]];
        let refused = server.exchange_with(protocol, Method::OPTIONS, "/a", &other, body::empty()).await;
        assert_eq!(refused.status.as_u16(), 403, "{protocol}");
        assert_eq!(refused.header("access-control-allow-origin"), None, "{protocol}");
    }
}

#[tokio::test]
async fn the_front_page_is_fenced_in() {
    let server = Running::start(Options::default());
    let page = server.get("h2", "/").await;
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
}
