//! `send` and `fetch` against `longhaul serve` over every protocol, and against faulty servers.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process::{Output, Stdio},
    thread,
};

use crate::common::{self, http, longhaul, ports::free_port, run, server::Server};

fn reported(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn blob() -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..5_000_003_u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    fs::write(file.path(), content).unwrap();
    let payload = format!("file:{}", file.path().display());
    (file, payload)
}

#[test]
fn a_file_goes_up_and_comes_back_by_every_protocol() {
    let (file, payload) = blob();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    for protocol in http().map(|protocol| protocol.name) {
        let path = format!("/{protocol}.bin");
        let sent = server.client(
            "send",
            protocol,
            &path,
            &["--payload", &payload, "--chunk-size", "65563", "--json"],
        );
        assert_eq!(reported(&sent), (Some(0), String::new()), "{protocol}");
        let records = common::records(&String::from_utf8(sent.stdout).unwrap());
        assert_eq!(records[0]["integrity"]["match"], true, "{protocol}");
        assert_eq!(records[0]["receiver"], serde_json::Value::Null);
        assert!(fs::read(folder.path().join(&path[1..])).unwrap() == fs::read(file.path()).unwrap());

        let back = folder.path().join(format!("{protocol}.back"));
        let fetched = server.client("fetch", protocol, &path, &["-o", back.to_str().unwrap()]);
        assert_eq!(reported(&fetched), (Some(0), String::new()), "{protocol}");
        assert!(fs::read(back).unwrap() == fs::read(file.path()).unwrap(), "{protocol}");
        let piped = server.client("fetch", protocol, &path, &["-o", "-"]);
        assert!(piped.stdout == fs::read(file.path()).unwrap(), "{protocol}");
    }
}

#[test]
fn standard_input_of_unknown_length_is_sent_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    let content: Vec<u8> = (0..3_000_001_u32).map(|i| (i >> 5) as u8).collect();
    for (url, protocol) in [(server.url(false, "/a"), "h1c"), (server.url(false, "/a"), "h2c")] {
        let args = ["send", &url, "--protocol", protocol, "--payload", "-", "--quiet"];
        let mut client = longhaul(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(&content).unwrap();
        let output = client.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("matches"), "{text}");
        assert!(fs::read(folder.path().join("a")).unwrap() == content);
    }
}

#[test]
fn standard_input_that_never_ends_does_not_hold_up_a_failure() {
    let url = scripted(10, b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", true);
    let mut client = longhaul(&["send", &url, "--payload", "-", "--quiet"]);
    let mut client = client.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(client.try_wait().unwrap(), None);
    let open = client.stdin.take();
    assert_eq!(client.wait().unwrap().code(), Some(1));
    drop(open);
}

#[test]
fn a_generated_download_is_proven_by_its_url() {
    let server = Server::start(&[]);
    for protocol in http().map(|protocol| protocol.name) {
        let fetched = server.client("fetch", protocol, "/?size=3MiB&chunk=1KiB&seed=5", &[]);
        let text = String::from_utf8_lossy(&fetched.stdout).into_owned();
        assert!(
            text.contains("peak RSS") && text.contains("matches"),
            "{protocol}: {text} {:?}",
            reported(&fetched)
        );
    }
}

/// At 2 KiB/s, the pause after a chunk of 64 KiB would be longer than the time in which the server expects bytes.
#[test]
fn a_slow_upload_moves_in_small_chunks() {
    let server = Server::start(&["--idle-timeout", "2s"]);
    let args = ["--size", "8KiB", "--limit-rate", "2KiB", "--json"];
    let sent = server.client("send", "h1c", "/", &args);
    assert_eq!(sent.status.code(), Some(0), "{:?}", reported(&sent));
    let record: serde_json::Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(record["case"]["chunk_bytes"], 204);
    let too_slow =
        ["bench", "--protocol", "h1c", "--chunk-size", "16KiB", "--limit-rate", "2KiB", "--timeout", "5s"];
    let one_chunk = run(&[
        "bench",
        "--list",
        "--protocol",
        "h1c",
        "--chunk-size",
        "1MiB",
        "--size",
        "64KiB",
        "--limit-rate",
        "2KiB",
    ]);
    assert_eq!(one_chunk.status.code(), Some(0), "no pause follows the last chunk");
    let refused = run(&too_slow);
    let (code, message) = reported(&refused);
    assert!(code == Some(2) && message.contains("a chunk of 16KiB takes 8.0 s"), "{message}");
}

#[test]
fn a_server_is_trusted_only_as_the_flags_say() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let pem = other.certificate();
    let wrong = format!("sha256:{}", "0".repeat(64));
    for protocol in http().filter(|protocol| protocol.is_encrypted()).map(|protocol| protocol.name) {
        let fetch = |args: &[&str]| reported(&server.client("fetch", protocol, "/", args));
        assert_eq!(fetch(&["--pin", server.fingerprint()]), (Some(0), String::new()), "{protocol}");
        let (code, text) = fetch(&["--insecure"]);
        assert!(code == Some(0) && text.contains("WARNING"), "{protocol}: {text}");
        for args in [["--pin", &wrong], ["--cacert", pem.to_str().unwrap()]] {
            let (code, text) = fetch(&args);
            assert!(
                code == Some(1) && text.contains("certificate") && text.contains("--cacert"),
                "{protocol}: {text}"
            );
        }
    }
    // The system's roots have not signed a self-signed certificate.
    let (code, text) = reported(&run(&["fetch", &server.url(true, "/")]));
    assert!(code == Some(1) && text.contains("certificate") && text.contains("--cacert"), "{text}");
}

#[test]
fn names_addresses_and_ipv6_are_dialled() {
    let server = Server::start(&["--listen", "[::1]:0", "--listen-tls", "[::1]:0"]);
    for protocol in http().map(|protocol| protocol.name) {
        assert_eq!(
            reported(&server.client("fetch", protocol, "/", &[])),
            (Some(0), String::new()),
            "{protocol}"
        );
    }
    for protocol in http() {
        let url = server.url(protocol.is_encrypted(), "/").replace("[::1]", "[::1%25lo]");
        let pin = ["--pin", server.fingerprint()];
        let pinned = if protocol.is_encrypted() { &pin[..] } else { &[] };
        let fetched = run(&[&["fetch", &url, "--protocol", protocol.name, "--quiet"], pinned].concat());
        assert_eq!(reported(&fetched), (Some(0), String::new()), "{}", protocol.name);
    }
    let server = Server::start(&[]);
    let port = server.cleartext().rsplit_once(':').unwrap().1;
    assert_eq!(
        reported(&run(&["fetch", &format!("http://localhost:{port}/"), "--quiet"])),
        (Some(0), String::new())
    );
}

#[test]
fn secrets_are_logged_where_they_are_asked_for() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    for protocol in ["h2", "h3"] {
        let file = folder.path().join(protocol);
        assert!(
            server.client("fetch", protocol, "/", &["--keylog", file.to_str().unwrap()]).status.success()
        );
        let log = fs::read_to_string(file).unwrap();
        assert!(log.contains("CLIENT_TRAFFIC_SECRET_0 "), "{log}");
    }
}

#[test]
fn own_certificates_are_shown() {
    let first = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::start(&["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert_eq!(server.certificate(), cert);
    assert_ne!(server.fingerprint(), first.fingerprint());
    for protocol in ["h1", "h2", "h3"] {
        assert_eq!(
            reported(&server.client("fetch", protocol, "/", &[])),
            (Some(0), String::new()),
            "{protocol}"
        );
    }
    let output = run(&["serve", "--cert", "/no/such", "--key", "/no/such"]);
    assert_eq!(reported(&output).0, Some(2));
}

#[test]
fn wrong_usage_is_exit_2() {
    for (args, expected) in [
        (vec!["send", "ftp://x/"], "http:// or https://"),
        (vec!["send", "nonsense"], "http:// or https://"),
        (vec!["send", "http://x/", "--protocol", "h2"], "h2 needs https://"),
        (vec!["send", "https://x/", "--protocol", "h2c"], "h2c needs http://"),
        (vec!["send", "http://x/", "--protocol", "tcp"], "without HTTP"),
        (vec!["send", "http://x/", "--payload", "-", "--size", "1"], "leave out --size"),
        (vec!["send", "http://x/", "--payload", "file:/no/such"], "/no/such"),
        (vec!["fetch", "https://x/", "--pin", "abc"], "64 hexadecimal"),
        (vec!["fetch", "https://x/", "--cacert", "/no/such"], "--cacert /no/such"),
        (vec!["fetch", "http://x/", "-o", "/"], "it is a folder"),
    ] {
        let (code, text) = reported(&run(&args));
        assert!(code == Some(2) && text.contains(expected), "{args:?}: {text}");
        assert!(text.starts_with("error: ") && text.matches("error: ").count() == 1, "{args:?}: {text}");
    }
}

#[test]
fn an_unreachable_server_is_exit_1_and_named() {
    let port = free_port();
    let (code, text) = reported(&run(&["send", &format!("http://127.0.0.1:{port}/")]));
    assert!(code == Some(1) && text.contains("cannot connect"), "{text}");
    let (code, text) = reported(&run(&["fetch", "http://no-such-name.invalid/"]));
    assert!(code == Some(1) && text.contains("cannot find no-such-name.invalid"), "{text}");
    // A socket without a reader behaves as blocked UDP does.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let (code, text) = reported(&run(&["fetch", &url, "--protocol", "h3", "--insecure", "--timeout", "1s"]));
    assert!(code == Some(1) && text.contains("no handshake"), "{text}");
}

#[test]
fn the_wrong_port_fails_at_once_both_ways() {
    let server = Server::start(&[]);
    let (code, text) = reported(&run(&["fetch", &format!("http://{}/", server.tls()), "--timeout", "5s"]));
    assert!(code == Some(1) && text.contains("error: HTTP/1.1") && text.contains("try https://"), "{text}");
    let args = ["fetch", &format!("https://{}/", server.cleartext()), "--insecure", "--timeout", "5s"];
    let (code, text) = reported(&run(&args));
    assert!(code == Some(1) && text.contains("handshake failed") && text.contains("try http://"), "{text}");
}

/// Starts a server over TCP that reads `read` bytes of each connection and then answers with `answer`.
fn scripted(read: usize, answer: &'static [u8], hold: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = vec![0; read];
            let _ = stream.read_exact(&mut buffer);
            let _ = stream.write_all(answer);
            if hold {
                held.push(stream);
            }
        }
    });
    url
}

#[test]
fn servers_that_behave_badly_end_in_an_error_and_no_hang() {
    let cases: [(&str, String, i32, &str); 9] = [
        ("fetch", scripted(10, b"", true), 1, "maximum time of 3 s"),
        ("fetch", scripted(10, b"", false), 1, "HTTP/1.1"),
        (
            "fetch",
            scripted(10, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", false),
            1,
            "after 3 bytes",
        ),
        (
            "fetch",
            scripted(10, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", true),
            1,
            "no byte moved",
        ),
        (
            "fetch",
            scripted(10, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", true),
            1,
            "broke off",
        ),
        (
            "fetch",
            scripted(10, b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nwhy?", true),
            1,
            "500 Internal Server Error: why?",
        ),
        (
            "fetch",
            scripted(10, b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n", true),
            1,
            "to /b, which is not followed",
        ),
        (
            "send",
            scripted(10, b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nbad\n", true),
            1,
            "403 Forbidden: bad",
        ),
        ("send", scripted(200, b"", true), 1, "no byte moved for 1 s"),
    ];
    for (command, url, expected, part) in cases {
        let mut args = vec![command, &url, "--timeout", "1s", "-m", "3", "--quiet"];
        if command == "send" {
            args.extend(["--size", "1GiB"]);
        }
        let (code, text) = reported(&run(&args));
        assert!(code == Some(expected) && text.contains(part), "{command} {part}: {code:?} {text}");
    }
    let receipt = r#"{"bytes":1,"algorithm":"xxh3-128","digest":"00","saved":null,"elapsed_s":0.1}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{receipt}", receipt.len());
    let url = scripted(100, answer.leak().as_bytes(), true);
    let (code, text) = reported(&run(&["send", &url, "--size", "2", "--timeout", "5s", "--quiet"]));
    assert!(code == Some(5) && text.contains("2 bytes were sent, 1 were received"), "{text}");
}

#[test]
fn a_killed_server_ends_the_client_and_a_killed_client_does_not_end_the_server() {
    for (protocol, tls) in http().map(|row| (row.name, row.is_encrypted())) {
        let server = Server::start(&["--idle-timeout", "2s"]);
        let url = server.url(tls, "/");
        let args =
            ["send", &url, "--protocol", protocol, "--insecure", "--size", "4096GiB", "--timeout", "2s"];
        let mut killed = longhaul(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let other = longhaul(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::sleep(std::time::Duration::from_millis(400));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(server.client("fetch", protocol, "/?size=1MiB", &[]).status.success(), "{protocol}");
        server.stop(nix::sys::signal::Signal::SIGKILL);
        let (code, text) = reported(&other.wait_with_output().unwrap());
        assert!(code == Some(1) && text.contains("error: "), "{protocol}: {text}");
    }
}

/// Listens, while the test runs, with a certificate for localhost and a protocol that HTTP clients do not offer.
/// Returns the port, and the file of the certificate.
fn listen_with_other_protocol(protocol: &'static str) -> (u16, tempfile::NamedTempFile) {
    let (sender, port) = std::sync::mpsc::channel();
    let certificate = tempfile::NamedTempFile::new().unwrap();
    let path = certificate.path().to_owned();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let identity = transport::Identity::self_signed(&["localhost"]).unwrap();
            fs::write(path, identity.certificate_pem()).unwrap();
            let bind = transport::Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity);
            let transport = transport::by_name(protocol).unwrap();
            let listener = transport.listen(&bind, &record::Limits::default()).unwrap();
            sender.send(listener.local_addr().port()).unwrap();
            while let Ok(accepted) = listener.accept().await {
                // A handshake without a common protocol fails at both ends.
                assert!(accepted.handshake.await.is_err());
            }
        });
    });
    (port.recv().unwrap(), certificate)
}

#[test]
fn a_server_without_a_common_protocol_is_not_reported_as_unreachable() {
    for (theirs, ours) in [("tls", "h1"), ("tls", "h2"), ("quic", "h3")] {
        let (port, certificate) = listen_with_other_protocol(theirs);
        let url = format!("https://localhost:{port}/");
        let trust = certificate.path().to_str().unwrap();
        for command in [&["send", "--size", "1MiB"][..], &["fetch"]] {
            let flags = [&url, "--protocol", ours, "--cacert", trust, "--quiet", "--timeout", "10s"];
            let (code, stderr) = reported(&run(&[command, &flags].concat()));
            assert_eq!(code, Some(1), "{stderr}");
            let named = ["NoApplicationProtocol", "no_application_protocol", "known protocol"];
            let lowered = stderr.to_lowercase();
            assert!(named.iter().any(|name| lowered.contains(&name.to_lowercase())), "{ours}: {stderr}");
        }
    }
}
