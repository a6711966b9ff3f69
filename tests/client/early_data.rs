//! `--early-data` of `fetch`, against nginx, Caddy, OpenSSL and `serve`, and `--accept-early-data` of `serve`.
//!
//! `scripts/peers` installs nginx and Caddy. Without them, their tests print a line and pass; with `CI` set, they fail.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

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

/// Downloads with early data. Returns the facts in the record, and stderr.
fn fetched(protocol: &str, url: &str, certificate: &Path, args: &[&str]) -> (Value, String) {
    let common = ["fetch", url, "--early-data", "--protocol", protocol, "--json", "--quiet"];
    let trust = ["--cacert", certificate.to_str().unwrap()];
    let output = run(&[&common[..], &trust, args].concat());
    assert_success(&output);
    let record = records(&text(&output.stdout)).remove(0);
    (record["resumption"].clone(), text(&output.stderr))
}

const NOT_ACCEPTED: &str =
    "note: the server did not accept early data; the request went out after the handshake\n";

#[test]
fn nginx_answers_early_data_and_a_425_repeats_the_request_after_the_handshake() {
    let Some(peers) = peers() else { return };
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    let servers = format!(
        " server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.3; ssl_early_data on; \
         ssl_certificate {certificate}; ssl_certificate_key {key}; \
         location /any {{ return 200 early=$ssl_early_data; }} \
         location /late {{ if ($ssl_early_data) {{ return 425; }} return 200 early=$ssl_early_data; }} }}\n",
        certificate = certificate.display(),
        key = key.display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, port);
    let body = folder.path().join("body");
    let output = ["-o", body.to_str().unwrap()];
    let url = |path: &str| format!("https://localhost:{port}{path}");
    for args in [&output[..], &["-X", "HEAD"]] {
        let (facts, told) = fetched("h1", &url("/any"), &certificate, args);
        assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&true.into(), &true.into()));
        assert_eq!(told, "", "{args:?}");
    }
    // If nginx is slow, the handshake is complete before it reads the early data, which it then serves as any other.
    let is_repeated = || {
        let (facts, told) = fetched("h1", &url("/late"), &certificate, &output);
        assert_eq!(facts["resumed"], true);
        assert_eq!(fs::read_to_string(&body).unwrap(), "early=");
        assert_eq!(facts["early_data_accepted"].is_null(), told == NOT_ACCEPTED, "{facts} {told}");
        facts["early_data_accepted"].is_null()
    };
    assert!((0..50).any(|_| is_repeated()));
    // Without the flag, nothing goes out in early data.
    let resumed = ["fetch", &url("/any"), "--protocol", "h1", "--resume-session", "--cacert"];
    assert_success(&run(&[&resumed[..], &[certificate.to_str().unwrap()], &output].concat()));
    assert_eq!(fs::read_to_string(&body).unwrap(), "early=");
}

#[test]
fn caddy_answers_early_data_of_quic() {
    let Some(peers) = peers() else { return };
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    let (shown, key) = (certificate.display(), key.display());
    let site = format!("https://localhost:{port} {{\n tls {shown} {key}\n respond hello\n}}\n");
    let _caddy = caddy(&peers, folder.path(), &site, port);
    let body = folder.path().join("body");
    let output = ["-o", body.to_str().unwrap()];
    let (facts, told) = fetched("h3", &format!("https://localhost:{port}/"), &certificate, &output);
    assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&true.into(), &true.into()), "{told}");
    assert_eq!(told, "");
    assert_eq!(fs::read_to_string(&body).unwrap(), "hello");
}

/// OpenSSL's server gives sessions for early data, and forgets them: it rejects both.
#[test]
fn rejected_early_data_is_sent_again_after_the_handshake() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    fs::write(folder.path().join("file"), "content").unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-WWW", "-quiet", "-alpn", "http/1.1", "-max_early_data", "16384"]);
    openssl.args(["-no_ticket", "-no_cache", "-accept", &port.to_string()]).current_dir(folder.path());
    openssl.arg("-cert").arg(&certificate).arg("-key").arg(&key);
    let _openssl = Ended(openssl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    let (facts, told) = fetched("h1", &format!("https://localhost:{port}/file"), &certificate, &[]);
    assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&false.into(), &false.into()));
    assert!(told.contains("did not resume the TLS session") && told.lines().count() == 1, "{told}");
}

#[test]
fn serve_takes_no_early_data_unless_it_is_allowed() {
    for protocol in ["h1", "h3"] {
        let server = Server::start(&[]);
        let (facts, told) = fetched(protocol, &server.url(true, "/?size=64KiB"), &server.certificate(), &[]);
        assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&true.into(), &Value::Null));
        assert_eq!(told, NOT_ACCEPTED);
        let server = Server::start(&["--accept-early-data"]);
        let (facts, told) = fetched(protocol, &server.url(true, "/?size=64MiB"), &server.certificate(), &[]);
        let expected = (&true.into(), &true.into());
        assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), expected, "{protocol} {told}");
        assert_eq!(told, "");
    }
    let server = Server::start(&["--accept-early-data"]);
    // Transfers that send nothing early work as without the flag.
    for protocol in ["h1", "h2", "h3"] {
        assert_success(&server.client("send", protocol, "/", &["--size", "64MiB"]));
        assert_success(&server.client("fetch", protocol, "/?size=64MiB", &["--resume-session"]));
    }

    let refused = run(&["serve", "--accept-early-data", "--client-ca", "ca.pem"]);
    assert_eq!(refused.status.code(), Some(2));
}

/// OpenSSL sends an upload in early data, which no client should do.
#[test]
fn an_upload_in_early_data_is_425() {
    let server = Server::start(&["--accept-early-data"]);
    let folder = tempfile::tempdir().unwrap();
    let (session, request) = (folder.path().join("session"), folder.path().join("request"));
    let client = |more: &[&str], input: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-alpn", "http/1.1", "-connect", server.tls()]).args(more);
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut openssl = openssl.spawn().unwrap();
        openssl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        text(&openssl.wait_with_output().unwrap().stdout)
    };
    let head = |method| {
        format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let is_refused = || {
        let first = client(&["-sess_out", session.to_str().unwrap()], &head("GET"));
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        fs::write(&request, head("PUT")).unwrap();
        let files = [session.to_str().unwrap(), request.to_str().unwrap()];
        let answer = client(&["-sess_in", files[0], "-early_data", files[1]], "");
        assert!(answer.starts_with("HTTP/1.1 425") || answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.starts_with("HTTP/1.1 425")
    };
    // If the server is slow, the handshake is complete before it reads the request, which nobody can repeat then.
    assert!((0..50).any(|_| is_refused()));
}

#[test]
fn only_safe_requests_over_h1_and_h3_may_go_out_early() {
    for (args, part) in [
        (&["send", "https://127.0.0.1:1/", "--protocol", "h1"][..], "PUT"),
        (&["send", "https://127.0.0.1:1/", "--protocol", "h1", "-X", "GET"], "GET"),
        (&["fetch", "https://127.0.0.1:1/", "--protocol", "h1", "-X", "POST"], "POST"),
        (&["fetch", "https://127.0.0.1:1/"], "h2"),
        (&["fetch", "http://127.0.0.1:1/"], "h1c"),
    ] {
        let output = run(&[args, &["--early-data"]].concat());
        let told = text(&output.stderr);
        let is_refused = output.status.code() == Some(2) && told.lines().count() == 1;
        assert!(is_refused && told.contains(part) && told.contains("--early-data"), "{args:?}: {told}");
    }
}
