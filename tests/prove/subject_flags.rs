//! The flags of addresses and certificates of `prove --server` and `conform`, for an nginx that runs already.
//!
//! `scripts/peers` installs nginx. Without it, the test prints a line and passes; with `CI` set, it fails.

use std::fs;

use serde_json::Value;

use crate::common::{Out, nginx::nginx, peers, ports::free_port, run, text, transfer::self_signed};

#[test]
fn a_server_is_reached_by_the_flags_of_send() {
    let Some(peers) = peers() else { return };
    let (folder, [port, tls]) = (tempfile::tempdir().unwrap(), [(); 2].map(|()| free_port()));
    let (certificate, key) = self_signed(folder.path());
    fs::create_dir(folder.path().join("files")).unwrap();
    let servers = format!(
        " server {{ listen 127.0.0.1:{port}; listen unix:{folder}/plain; listen 127.0.0.1:{tls} ssl http2; \
         ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key}; \
         ssl_client_certificate {certificate}; ssl_verify_client on; root {folder}/files; dav_methods PUT; }}\n",
        folder = folder.path().display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    let nginx = nginx(&peers, folder.path(), &servers, port);
    let pid = nginx.0.id().to_string();
    let [socket, secrets] = ["plain", "secrets"].map(|name| folder.path().join(name));
    let [socket, certificate, key, secrets] =
        [&socket, &certificate, &key, &secrets].map(|path| path.to_str().unwrap());
    let (resolve, connect_to) =
        (format!("--resolve=a.invalid:{port}:127.0.0.1"), format!("--connect-to=::127.0.0.1:{tls}"));
    let plain = format!("http://a.invalid:{port}/a");
    let presented = ["--cacert", certificate, "--cert", certificate, "--key", key, "--keylog", secrets];
    for (url, protocol, flags) in [
        ("http://localhost:1/a", "h1c", vec!["--unix-socket", socket]),
        (plain.as_str(), "h1c", vec![resolve.as_str(), "-4"]),
        ("https://localhost:1/a", "h2", [&[connect_to.as_str()], &presented[..]].concat()),
    ] {
        let out = Out::new();
        let (common, folder) = (["--watch", &pid, "--protocol", protocol], out.text());
        let sizes =
            ["--size", "1MiB,2MiB", "--rounds", "1", "--no-control", "--stall", "0", "--out", &folder];
        let prove = [&["prove", "--server", url, "--quiet"], &sizes[..], &common, &flags].concat();
        let proven = run(&prove);
        let records = out.records();
        assert_eq!(records.len(), 2, "{url}: {}{}", text(&proven.stdout), text(&proven.stderr));
        assert!(records.iter().all(|record| record["outcome"] == "ok"), "{url}: {}", text(&proven.stdout));

        let cases = ["--case", "fast-sender", "--direction", "up", "--size", "128MiB", "--json"];
        let conforming = run(&[&["conform", url], &cases[..], &common, &flags].concat());
        let outcome: Value = serde_json::from_slice(&conforming.stdout).unwrap();
        let trial = &outcome["trials"][0];
        assert_eq!(trial["conduct"], "BOUNDED", "{url}: {outcome:#} {}", text(&conforming.stderr));
    }
    assert!(fs::read_to_string(secrets).unwrap().contains("CLIENT_TRAFFIC_SECRET_0"));
    let refused = run(&["prove", "--keylog", secrets]);
    assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains("--server"));
}
