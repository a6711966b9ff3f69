//! Transfers of 256 MiB through nginx and Caddy, which stand in front of `serve` as proxies; the content is compared.
//!
//! `scripts/peers` installs both proxies. Without them, the tests print a line and pass; with `CI` set, they fail.

use std::{fs, path::Path};

use crate::common::{
    self,
    caddy::caddy,
    nginx::nginx,
    peers,
    ports::free_port,
    run,
    transfer::{assert_same, blob, saving, self_signed},
};

/// A route through a proxy: the protocol of the client, and the port that accepts it.
type Way = (&'static str, u16);

#[test]
fn uploads_and_downloads_pass_nginx_unchanged() {
    let Some(peers) = peers() else { return };
    let (saved, server) = saving();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path());
    let [plain, prior, tls] = [(); 3].map(|()| free_port());
    let location =
        format!("location / {{ proxy_pass http://{}; proxy_http_version 1.1; }}", server.cleartext());
    let servers = format!(
        " proxy_request_buffering off;\n proxy_buffering off;\n\
         server {{ listen 127.0.0.1:{plain}; {location} }}\n\
         server {{ listen 127.0.0.1:{prior} http2; {location} }}\n\
         server {{ listen 127.0.0.1:{tls} ssl http2; ssl_protocols TLSv1.3; ssl_certificate {cert}; ssl_certificate_key {key}; {location} }}\n",
        cert = certificate.display(),
        key = key.display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, tls);
    let ways = [("h1c", plain), ("h2c", prior), ("h1", tls), ("h2", tls)];
    assert_unchanged(&ways, &certificate, saved.path());
}

#[test]
fn uploads_and_downloads_pass_caddy_unchanged() {
    let Some(peers) = peers() else { return };
    let (saved, server) = saving();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path());
    let (plain, tls) = (free_port(), free_port());
    let sites = format!(
        "http://localhost:{plain} {{\n reverse_proxy {upstream}\n}}\n\
         https://localhost:{tls} {{\n tls {cert} {key}\n reverse_proxy h2c://{upstream}\n}}\n",
        upstream = server.cleartext(),
        cert = certificate.display(),
        key = key.display(),
    );
    let _caddy = caddy(&peers, folder.path(), &sites, tls);
    // Caddy passes the client's Host on: `localhost` is a name that a server on loopback answers to.
    let ways = [("h1c", plain), ("h2c", plain), ("h1", tls), ("h2", tls), ("h3", tls)];
    assert_unchanged(&ways, &certificate, saved.path());
}

/// Sends the blob through a proxy and fetches it again, over each protocol. `saved` is the folder of the server behind
/// the proxy.
fn assert_unchanged(ways: &[Way], certificate: &Path, saved: &Path) {
    let back = saved.parent().unwrap().join(format!("{}-back", saved.file_name().unwrap().to_str().unwrap()));
    for (protocol, port) in ways {
        let is_encrypted = record::Protocol::by_name(protocol).unwrap().is_encrypted();
        let (scheme, trust) = if is_encrypted {
            ("https", vec!["--cacert", certificate.to_str().unwrap()])
        } else {
            ("http", Vec::new())
        };
        let url = |path: &str| format!("{scheme}://localhost:{port}{path}");
        let common = [&["--protocol", protocol, "--quiet"], &trust[..]].concat();
        let payload = format!("file:{}", blob().display());
        let sent = run(&[&["send", &url("/?file=up.bin"), "--payload", &payload], &common[..]].concat());
        assert!(sent.status.success(), "{protocol}: {}", common::text(&sent.stderr));
        assert_same(blob(), &saved.join("up.bin"));
        let output = ["-o", back.to_str().unwrap()];
        let fetched = run(&[&["fetch", &url("/up.bin")], &output[..], &common].concat());
        assert!(fetched.status.success(), "{protocol}: {}", common::text(&fetched.stderr));
        assert_same(blob(), &back);
    }
    fs::remove_file(back).unwrap();
}
