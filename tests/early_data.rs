//! `--early-data` of `fetch`, against nginx, OpenSSL and `serve`.
//!
//! `scripts/peers` installs nginx. Without it, its test prints a line and passes; with `CI` set, it fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use common::{
    assert_success,
    nginx::nginx,
    peers, records, run,
    server::Server,
    text,
    transfer::{Ended, free_port, self_signed, wait_for},
};
use serde_json::Value;

/// Downloads with early data. Returns the facts in the record, and stderr.
fn fetched(url: &str, certificate: &Path, args: &[&str]) -> (Value, String) {
    let common = ["fetch", url, "--early-data", "--protocol", "h1", "--json", "--quiet"];
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
        let (facts, told) = fetched(&url("/any"), &certificate, args);
        assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&true.into(), &true.into()));
        assert_eq!(told, "", "{args:?}");
    }
    // If nginx is slow, the handshake is complete before it reads the early data, which it then serves as any other.
    let is_repeated = || {
        let (facts, told) = fetched(&url("/late"), &certificate, &output);
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
    let (facts, told) = fetched(&format!("https://localhost:{port}/file"), &certificate, &[]);
    assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&false.into(), &false.into()));
    assert!(told.contains("did not resume the TLS session") && told.lines().count() == 1, "{told}");
}

#[test]
fn serve_takes_no_early_data() {
    let server = Server::start(&[]);
    let (facts, told) = fetched(&server.url(true, "/?size=64KiB"), &server.certificate(), &[]);
    assert_eq!((&facts["resumed"], &facts["early_data_accepted"]), (&true.into(), &Value::Null));
    assert_eq!(told, NOT_ACCEPTED);
}

#[test]
fn only_safe_requests_over_http_1_and_tls_may_go_out_early() {
    for (args, part) in [
        (&["send", "https://127.0.0.1:1/", "--protocol", "h1"][..], "PUT"),
        (&["send", "https://127.0.0.1:1/", "--protocol", "h1", "-X", "GET"], "GET"),
        (&["fetch", "https://127.0.0.1:1/", "--protocol", "h1", "-X", "POST"], "POST"),
        (&["fetch", "https://127.0.0.1:1/"], "h2"),
        (&["fetch", "https://127.0.0.1:1/", "--protocol", "h3"], "h3"),
        (&["fetch", "http://127.0.0.1:1/"], "h1c"),
    ] {
        let output = run(&[args, &["--early-data"]].concat());
        let told = text(&output.stderr);
        let is_refused = output.status.code() == Some(2) && told.lines().count() == 1;
        assert!(is_refused && told.contains(part) && told.contains("--early-data"), "{args:?}: {told}");
    }
}
