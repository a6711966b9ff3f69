//! Transfers of 256 MiB by the HTTP clients of Node.js and Python; the content is compared.
//!
//! `scripts/peers` installs these clients. Without them, the tests print a line and pass; with `CI` set, they fail.

use std::{path::Path, process::Command};

use crate::common::{
    peers,
    transfer::{assert_same, blob, ran, saving, script},
};

/// Uploads the blob to `serve` and downloads it again. `client` makes the command for a direction, a URL and a file.
/// The command prints the status.
fn assert_both_ways(is_encrypted: bool, client: impl Fn(&str, &str, &Path, &Path) -> Command) {
    let (folder, server) = saving();
    let (back, certificate) = (folder.path().join("back"), server.certificate());
    let mut up = client("up", &server.url(is_encrypted, "/up.bin"), blob(), &certificate);
    assert_eq!(ran(&mut up).trim(), "201", "{up:?}");
    assert_same(blob(), &folder.path().join("up.bin"));
    let mut down = client("down", &server.url(is_encrypted, "/up.bin"), &back, &certificate);
    assert_eq!(ran(&mut down).trim(), "200", "{down:?}");
    assert_same(blob(), &back);
}

#[test]
fn node_goes_up_and_down_by_fetch_http_and_http2() {
    if peers().is_none() {
        return;
    }
    for (module, is_encrypted) in [
        ("fetch", false),
        ("fetch", true),
        ("http", false),
        ("http", true),
        ("http2", false),
        ("http2", true),
    ] {
        assert_both_ways(is_encrypted, |direction, url, file, certificate| {
            let mut node = Command::new("node");
            node.arg(script("node.mjs")).args([module, direction, url]).arg(file);
            node.env("NODE_EXTRA_CA_CERTS", certificate);
            node
        });
    }
}

#[test]
fn httpx_goes_up_and_down_over_http_1_and_http_2() {
    let Some(peers) = peers() else { return };
    for (version, is_encrypted) in [("1", false), ("1", true), ("2", true)] {
        assert_both_ways(is_encrypted, |direction, url, file, certificate| {
            let mut python = Command::new(peers.join("bin/python"));
            python.arg(script("httpx_client.py")).args([version, direction, url]).arg(file).arg(certificate);
            python
        });
    }
}
