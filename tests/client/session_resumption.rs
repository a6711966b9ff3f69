//! `--resume-session` of `send` and `fetch`, against `serve`, nginx, Caddy and OpenSSL.
//!
//! `scripts/peers` installs nginx and Caddy. Without them, their test prints a line and passes; with `CI` set, it
//! fails.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::common::{
    assert_success,
    caddy::caddy,
    nginx::nginx,
    peers,
    ports::{free_port, wait_for},
    records, run,
    server::Server,
    text,
    transfer::{Ended, self_signed},
};

/// The handshakes of a transfer, according to its record and to stderr.
#[derive(Debug, PartialEq, Eq)]
enum Handshakes {
    /// The second handshake resumed the session of the first.
    Resumed,
    /// The server gave a session, and did not resume it.
    Refused,
    /// The server gave no session.
    WithoutSession,
}

/// Makes a transfer with `--resume-session`, which must succeed.
fn handshakes(command: &str, url: &str, protocol: &str, certificate: &Path, args: &[&str]) -> Handshakes {
    let certificate = certificate.to_str().unwrap();
    let common = ["--resume-session", "--json", "--quiet", "--cacert", certificate, "--protocol", protocol];
    let size: &[&str] = if command == "send" { &["--size", "64KiB"] } else { &[] };
    let output = run(&[&[command, url], &common[..], size, args].concat());
    assert_success(&output);
    let record = records(&text(&output.stdout)).remove(0);
    let seconds = |value: &serde_json::Value| value.as_f64().is_some_and(|seconds| seconds > 0.0);
    let resumption = &record["resumption"];
    assert!(seconds(&record["handshake_s"]) && seconds(&resumption["full_handshake_s"]), "{record}");
    let (found, told) = match (resumption["session_received"].as_bool(), resumption["resumed"].as_bool()) {
        (Some(true), Some(true)) => (Handshakes::Resumed, ""),
        (Some(true), Some(false)) => (Handshakes::Refused, "did not resume the TLS session"),
        (Some(false), Some(false)) => (Handshakes::WithoutSession, "gave no TLS session"),
        _ => panic!("{protocol}: {resumption}"),
    };
    let stderr = text(&output.stderr);
    assert!(stderr.contains(told) && stderr.lines().count() == usize::from(!told.is_empty()), "{stderr}");
    found
}

#[test]
fn serve_resumes_the_sessions_of_its_clients() {
    let server = Server::start(&[]);
    let (url, certificate) = (server.url(true, "/?size=64KiB"), server.certificate());
    for protocol in ["h1", "h2", "h3"] {
        for (command, args) in
            [("send", &[][..]), ("fetch", &[]), ("fetch", &["--connections", "3"]), ("fetch", &["--tls12"])]
        {
            let found = handshakes(command, &url, protocol, &certificate, args);
            assert_eq!(found, Handshakes::Resumed, "{protocol} {command} {args:?}");
        }
        let pin = ["fetch", &url, "--protocol", protocol, "--resume-session", "--pin", server.fingerprint()];
        let output = run(&pin);
        let told = text(&output.stdout);
        assert!(told.contains(" ms in full, then ") && told.contains(" ms resumed\n"), "{told}");
        // Without the flag, the record has no such field.
        let output = server.client("fetch", protocol, "/?size=64KiB", &["--json"]);
        assert!(records(&text(&output.stdout))[0]["resumption"].is_null());
    }
}

/// Starts OpenSSL's server, which sends files over HTTP/1.1 without a length.
fn openssl(folder: &Path, certificate: &Path, key: &Path, port: u16, args: &[&str]) -> Ended {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-WWW", "-quiet", "-alpn", "http/1.1", "-accept"]).arg(port.to_string());
    openssl.arg("-cert").arg(certificate).arg("-key").arg(key).args(args).current_dir(folder);
    let started = Ended(openssl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    started
}

#[test]
fn openssl_resumes_gives_no_session_or_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path());
    fs::write(folder.path().join("file"), "content").unwrap();
    for (server, client, expected) in [
        (&[][..], &[][..], Handshakes::Resumed),
        (&["-num_tickets", "0"], &[], Handshakes::WithoutSession),
        (&["-no_ticket", "-no_cache"], &[], Handshakes::Refused),
        (&["-tls1_2"], &["--tls12"], Handshakes::Resumed),
        (&["-tls1_2", "-no_ticket", "-no_cache"], &["--tls12"], Handshakes::WithoutSession),
    ] {
        let port = free_port();
        let _server = openssl(folder.path(), &certificate, &key, port, server);
        let url = format!("https://localhost:{port}/file");
        let found = handshakes("fetch", &url, "h1", &certificate, client);
        assert_eq!(found, expected, "{server:?}");
    }
}

#[test]
fn nginx_and_caddy_resume_sessions() {
    let Some(peers) = peers() else { return };
    let (folder, [tls, quic]) = (tempfile::tempdir().unwrap(), [(); 2].map(|()| free_port()));
    let (certificate, key) = self_signed(folder.path());
    let (certificate_text, key_text) = (certificate.display(), key.display());
    fs::create_dir(folder.path().join("files")).unwrap();
    let servers = format!(
        " server {{ listen 127.0.0.1:{tls} ssl http2; ssl_protocols TLSv1.2 TLSv1.3; \
         ssl_certificate {certificate_text}; ssl_certificate_key {key_text}; root {root}/files; dav_methods PUT; }}\n",
        root = folder.path().display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, tls);
    let site =
        format!("https://localhost:{quic} {{\n tls {certificate_text} {key_text}\n respond hello\n}}\n");
    let _caddy = caddy(&peers, folder.path(), &site, quic);
    for protocol in ["h1", "h2"] {
        let url = format!("https://localhost:{tls}/{protocol}");
        for (command, args) in [("send", &[][..]), ("fetch", &[]), ("fetch", &["--connections", "2"])] {
            let found = handshakes(command, &url, protocol, &certificate, args);
            assert_eq!(found, Handshakes::Resumed, "nginx {protocol} {command}");
        }
    }
    for protocol in ["h1", "h2", "h3"] {
        let url = format!("https://localhost:{quic}/");
        let found = handshakes("fetch", &url, protocol, &certificate, &[]);
        assert_eq!(found, Handshakes::Resumed, "Caddy {protocol}");
    }
}

#[test]
fn cleartext_has_no_session_to_resume() {
    for (command, protocol) in [("send", "h1c"), ("fetch", "h2c")] {
        let output = run(&[command, "http://127.0.0.1:1/", "--protocol", protocol, "--resume-session"]);
        let told = text(&output.stderr);
        let is_refused = output.status.code() == Some(2) && told.lines().count() == 1;
        assert!(is_refused && told.contains(protocol) && told.contains("h1, h2 or h3"), "{told}");
    }
}
