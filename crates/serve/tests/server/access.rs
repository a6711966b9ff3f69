//! Access to a server: host names, origins, tokens, and restrictions on saved files.

use std::fs;

use http::{Method, StatusCode, Uri};
use longhaul_serve::{Options, ServeError, Server, Token};
use transport::{Identity, body};

use crate::running::{PROTOCOLS, Running, names, request, saving};

/// Returns the status of the answer to a raw request with these fields.
async fn status(server: &Running, line: &str, fields: &str) -> u16 {
    let request = format!("{line}\r\nconnection: close\r\ncontent-length: 1\r\n{fields}\r\nx");
    let answer = server.raw(request.as_bytes()).await;
    answer.get(9..12).unwrap_or_else(|| panic!("'{answer}'")).parse().unwrap()
}

#[tokio::test]
async fn a_request_for_another_name_or_from_another_origin_reaches_nothing() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let own = server.cleartext;
    for (fields, expected) in [
        ("host: evil.example\r\n", 421),
        ("host: localhost.evil.example\r\n", 421),
        ("", 400),
        ("host: localhost\r\nhost: localhost\r\n", 400),
        ("host: user@localhost\r\n", 400),
        ("host: localhost\r\norigin: https://evil.example\r\n", 403),
        ("host: localhost\r\norigin: null\r\n", 403),
        ("host: localhost\r\nsec-fetch-site: cross-site\r\n", 403),
    ] {
        for line in ["PUT /a HTTP/1.1", "POST /?file=a HTTP/1.1", "GET /a HTTP/1.1"] {
            assert_eq!(status(&server, line, fields).await, expected, "{line} {fields}");
        }
    }
    assert_eq!(names(&folder), Vec::<String>::new());
    let same = format!("host: {own}\r\norigin: http://{own}\r\nsec-fetch-site: same-origin\r\n");
    assert_eq!(status(&server, "PUT /a HTTP/1.1", &same).await, 201);
    let absolute = format!("PUT http://{own}/b HTTP/1.1");
    assert_eq!(status(&server, &absolute, "").await, 400);
    assert_eq!(status(&server, &absolute, "host: localhost\r\n").await, 201);
    assert_eq!(status(&server, "PUT http://evil.example/b HTTP/1.1", "host: localhost\r\n").await, 421);
    assert_eq!(status(&server, "PUT /c HTTP/1.0", "").await, 201);
}

#[tokio::test]
async fn a_target_without_a_path_and_a_malformed_authority_are_400_over_every_protocol() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let target = |scheme: &str, authority: &str, path: &str| {
        Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().unwrap()
    };
    for protocol in PROTOCOLS {
        for (authority, path, expected) in [
            ("localhost", "*", 400),
            ("localhost:99999999", "/a", 400),
            ("localhost:65536", "/a", 400),
            ("localhost:http", "/a", 400),
            ("localhost:", "/a", 201),
            ("localhost:80", "/a", 201),
        ] {
            for method in [Method::PUT, Method::GET] {
                let mut request = request(protocol, method.clone(), "/", body::empty());
                *request.uri_mut() = target(request.uri().scheme_str().unwrap(), authority, path);
                let response = server.dial(protocol).await.exchange(request).await.unwrap();
                let expected = if (expected, &method) == (201, &Method::GET) { 200 } else { expected };
                assert_eq!(response.status(), expected, "{protocol} {method} {authority} {path}");
            }
        }
    }
    assert_eq!(names(&folder), ["a"]);
    for authority in ["localhost:+80", "localhost:80:80", ":80", "user@localhost:80", "[::1", "[::1]x"] {
        let fields = format!("host: {authority}\r\n");
        assert_eq!(status(&server, "PUT /b HTTP/1.1", &fields).await, 400, "{authority}");
    }
    for target in ["*", "localhost", "localhost:80", "http://localhost:65536/b"] {
        let line = format!("PUT {target} HTTP/1.1");
        assert_eq!(status(&server, &line, "host: localhost\r\n").await, 400, "{target}");
    }
    assert_eq!(names(&folder), ["a"]);
}

#[tokio::test]
async fn a_given_name_and_an_allowed_origin_are_served() {
    let (_folder, mut options) = saving();
    options.access.hosts.push("files.example".parse().unwrap());
    options.identity = Some(Identity::self_signed(&["certified.example", "localhost"]).unwrap());
    options.access.origins.allow("https://app.example").unwrap();
    let server = Running::start(options);
    assert_eq!(status(&server, "PUT /a HTTP/1.1", "host: Files.example:80\r\n").await, 201);
    assert_eq!(status(&server, "PUT /a HTTP/1.1", "host: certified.example\r\n").await, 201);
    let page = "host: files.example\r\norigin: https://app.example\r\nsec-fetch-site: cross-site\r\n";
    assert_eq!(status(&server, "PUT /a HTTP/1.1", page).await, 201);
    let other = "host: files.example\r\norigin: https://evil.example\r\n";
    assert_eq!(status(&server, "PUT /a HTTP/1.1", other).await, 403);
}

#[tokio::test]
async fn only_requests_with_the_token_are_served() {
    let (folder, mut options) = saving();
    options.access.token = Some(Token::new("s3cret").unwrap());
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        for (value, expected) in
            [("Bearer s3cret", 201), ("Basic dXNlcjpzM2NyZXQ=", 201), ("Bearer other", 401), ("", 401)]
        {
            let fields = [("authorization", value)];
            let answer = server.exchange_with(protocol, Method::PUT, "/a", &fields, body::full("x")).await;
            assert_eq!(answer.status.as_u16(), expected, "{protocol} '{value}'");
            assert_eq!(answer.header("www-authenticate").is_some(), expected == 401);
            assert!(!answer.text().contains("s3cret"));
        }
        for target in ["/", "/a", "/none", "/?size=5"] {
            assert_eq!(server.get(protocol, target).await.status, StatusCode::UNAUTHORIZED, "{target}");
            let head = server.exchange(protocol, Method::HEAD, target, body::empty()).await;
            assert_eq!((head.status, head.text()), (StatusCode::UNAUTHORIZED, String::new()), "{target}");
        }
    }
    assert_eq!(names(&folder), ["a"]);
}

#[tokio::test]
async fn a_server_that_others_can_reach_needs_a_token_or_to_be_open() {
    let bind = |change: fn(&mut Options)| {
        let mut options = Options::default();
        options.listen = Some(([0, 0, 0, 0], 0).into());
        change(&mut options);
        Server::bind(options)
    };
    let refused = bind(|_| {}).unwrap_err();
    assert!(matches!(refused, ServeError::Unprotected { .. }), "{refused}");
    assert!(refused.to_string().contains("--token-file") && refused.to_string().contains("--open"));
    bind(|options| options.access.open = true).unwrap();
    bind(|options| options.access.token = Some(Token::new("x").unwrap())).unwrap();
}

#[tokio::test]
async fn files_that_may_only_be_uploaded_are_not_given() {
    let (folder, mut options) = saving();
    options.access.upload_only = true;
    let server = Running::start(options);
    fs::write(folder.path().join("a"), "x").unwrap();
    for target in ["/a", "/none"] {
        assert_eq!(server.get("h2", target).await.status, StatusCode::FORBIDDEN, "{target}");
    }
    let uploaded = server.exchange("h2", Method::PUT, "/b", body::full("x")).await;
    assert_eq!(uploaded.status, StatusCode::CREATED);
    assert_eq!(server.get("h2", "/?size=5").await.body.len(), 5);
}

#[tokio::test]
async fn a_file_that_may_not_be_replaced_stays() {
    let (folder, mut options) = saving();
    options.access.no_overwrite = true;
    let server = Running::start(options);
    for (text, expected) in [("one", 201), ("two", 412)] {
        let answer = server.exchange("h2", Method::PUT, "/a", body::full(text)).await;
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "one");
    }
}
