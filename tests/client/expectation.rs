//! `send --expect100-timeout`: the permission to send a body, against nginx, `serve` and a server that says nothing.
//! `tests/client/forms.rs` has aiohttp and Go.
//!
//! `scripts/peers` installs nginx. Without it, its test prints a line and passes; with `CI` set, it fails.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::TcpListener,
    process::Output,
    thread,
    time::Duration,
};

use crate::common::{
    assert_success, nginx::nginx, peers, ports::free_port, records, run, server::Server, text,
    transfer::self_signed,
};

/// The flags of an upload that fails unless the permission comes before the timeout.
const PATIENT: [&str; 6] = ["--expect100-timeout", "60", "-m", "50", "--json", "--quiet"];

fn bytes(output: &Output) -> u64 {
    records(&text(&output.stdout))[0]["sender"]["bytes"].as_u64().unwrap()
}

#[test]
fn nginx_permits_refuses_and_does_not_know_the_expectation() {
    let Some(peers) = peers() else { return };
    let (folder, [plain, tls]) = (tempfile::tempdir().unwrap(), [(); 2].map(|()| free_port()));
    let (certificate, key) = self_signed(folder.path());
    fs::create_dir(folder.path().join("files")).unwrap();
    let servers = format!(
        " server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; ssl_protocols TLSv1.3; \
         ssl_certificate {certificate}; ssl_certificate_key {key}; root {folder}/files; dav_methods PUT; \
         location = /refused {{ return 403; }} \
         location = /unknown {{ if ($http_expect) {{ return 417; }} }} \
         location = /plain {{ if ($http_expect) {{ return 409; }} }} }}\n",
        folder = folder.path().display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, tls);
    let url = |path: &str| format!("http://localhost:{plain}{path}");
    let send = |url: &str, flags: &[&str]| {
        let trust = ["--size", "8MiB", "--cacert", certificate.to_str().unwrap()];
        run(&[&["send", url], &trust[..], flags].concat())
    };
    // nginx permits by 100, or refuses without having the body.
    assert_success(&send(&url("/a"), &PATIENT));
    let by_field = ["-H", "Expect: 100-Continue", "--json", "--quiet"];
    for flags in [&PATIENT[..], &by_field] {
        let refused = send(&url("/refused"), flags);
        assert!(refused.status.code() == Some(1) && text(&refused.stderr).contains("403 Forbidden"));
        assert_eq!(bytes(&refused), 0, "{flags:?}");
    }
    assert!(bytes(&send(&url("/refused"), &["--json", "--quiet"])) > 0);
    // As curl does, a body is sent again without the expectation after a 417.
    let unknown = send(&url("/unknown"), &PATIENT);
    assert_success(&unknown);
    assert_eq!(
        (bytes(&unknown), fs::metadata(folder.path().join("files/unknown")).unwrap().len()),
        (8 << 20, 8 << 20)
    );
    let told = text(&send(&url("/unknown"), &by_field).stderr);
    assert!(told.contains("417 Expectation Failed"), "{told}");
    // Over HTTP/2, the flag adds no field.
    let secured = format!("https://localhost:{tls}/plain");
    for (protocol, is_asked) in [("h1", true), ("h2", false)] {
        let output = send(&secured, &[&PATIENT[..], &["--protocol", protocol]].concat());
        assert_eq!(output.status.success(), !is_asked, "{protocol}: {}", text(&output.stderr));
    }
}

#[test]
fn serve_permits_and_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "abcdefghijklmnopqrstuvwxyz012345").unwrap();
    let token = token.to_str().unwrap();
    let server = Server::start(&["--token-file", token]);
    for protocol in ["h1c", "h1"] {
        let flags = [&PATIENT[..5], &["--size", "2MiB"]].concat();
        let permitted =
            server.client("send", protocol, "/", &[&flags[..], &["--token-file", token]].concat());
        assert_success(&permitted);
        let refused = server.client("send", protocol, "/", &flags);
        assert!(text(&refused.stderr).contains("401 Unauthorized"), "{}", text(&refused.stderr));
        assert_eq!((bytes(&permitted), bytes(&refused)), (2 << 20, 0));
    }
}

#[test]
fn a_server_that_says_nothing_gets_the_body_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut connection = BufReader::new(listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            connection.read_line(&mut head).unwrap();
        }
        connection.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let early = connection.read(&mut [0; 100]).map_err(|error| error.kind());
        connection.get_ref().set_read_timeout(None).unwrap();
        let mut body = vec![0; 1000];
        connection.read_exact(&mut body).unwrap();
        connection.get_mut().write_all(b"HTTP/1.1 201 x\r\nContent-Length: 0\r\n\r\n").unwrap();
        (head.to_lowercase(), early)
    });
    let flags = ["--size", "1000", "--content-length", "--expect100-timeout", "1.5", "--json", "--quiet"];
    let output = run(&[&["send", &url], &flags[..]].concat());
    let (head, early) = server.join().unwrap();
    assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
    assert_eq!(early, Err(ErrorKind::WouldBlock));
    assert_success(&output);
    let record = &records(&text(&output.stdout))[0];
    assert!(record["elapsed_s"].as_f64().unwrap() >= 1.5, "{record}");
}
