//! Interoperation with programs of other projects. Each transfers 256 MiB, and the content is compared.
//!
//! `scripts/peers` installs these programs. Without them, the tests print a line and pass; with `CI` set, they fail.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::common::{
    self,
    caddy::caddy,
    http, peers,
    ports::free_port,
    transfer::{Ended, SIZE, assert_same, blob, ran, saving, script, self_signed},
};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python-upload").join(name)
}

#[test]
fn python_sends_chunks_by_hand_to_h1c_and_h1() {
    let Some(peers) = peers() else { return };
    for tls in [false, true] {
        let (folder, server) = saving();
        let mut python = Command::new(peers.join("bin/python"));
        python.arg(example("client.py")).arg(server.url(tls, "")).arg(blob()).arg(server.certificate());
        let receipt = ran(&mut python);
        assert!(receipt.contains(&format!("\"bytes\":{SIZE},")), "{receipt}");
        assert_same(blob(), &folder.path().join(blob().file_name().unwrap()));
    }
}

#[test]
fn send_uploads_to_an_eventlet_server() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new(peers.join("bin/python"));
    python.arg(example("server.py")).arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Ended(python.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let url = format!("http://127.0.0.1:{}/?file=a.bin", port.trim());
    let payload = format!("file:{}", blob().display());
    let sent = common::run(&["send", &url, "--payload", &payload, "--chunk-size", "65563", "--quiet"]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    assert_same(blob(), &folder.path().join("a.bin"));
}

#[test]
fn curl_goes_up_and_down_over_h1c_h1_h2c_and_h2() {
    if peers().is_none() {
        return;
    }
    let (folder, server) = saving();
    for (tls, flag, version) in [
        (false, "--http1.1", "1.1"),
        (true, "--http1.1", "1.1"),
        (false, "--http2-prior-knowledge", "2"),
        (true, "--http2", "2"),
    ] {
        let curl = |rest: &[&str], path: &str| {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--fail", flag, "-w", "\n%{http_code} %{http_version}", "--cacert"]);
            curl.arg(server.certificate()).args(rest).arg(server.url(tls, path));
            ran(&mut curl)
        };
        let printed = curl(&["-H", "Expect:", "-T", blob().to_str().unwrap()], "/?file=up.bin");
        assert!(
            printed.contains("\"saved\":\"up.bin\"") && printed.ends_with(&format!("201 {version}")),
            "{printed}"
        );
        assert_same(blob(), &folder.path().join("up.bin"));
        let back = folder.path().join("back");
        let printed = curl(&["-o", back.to_str().unwrap()], "/up.bin");
        assert!(printed.ends_with(&format!("200 {version}")), "{printed}");
        assert_same(blob(), &back);
    }
}

#[test]
fn curl_goes_up_and_down_over_http_3() {
    let Some(peers) = peers() else { return };
    let (folder, server) = saving();
    let back = folder.path().join("back");
    for (direction, path, file, status) in
        [("up", "/?file=up.bin", blob(), "201"), ("down", "/up.bin", back.as_path(), "200")]
    {
        let mut python = Command::new(peers.join("bin/python"));
        python
            .arg(script("h3.py"))
            .arg(direction)
            .arg(server.url(true, path))
            .arg(file)
            .arg(server.certificate());
        let printed = ran(&mut python);
        assert_eq!(printed.trim(), format!("{status} 30"), "{direction}");
        assert_same(blob(), &if direction == "up" { folder.path().join("up.bin") } else { back.clone() });
    }
}

#[test]
fn fetch_downloads_from_caddy_by_every_protocol() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let caddy = Caddy::start(&peers, folder.path());
    let back = folder.path().join("back");
    for (protocol, tls) in http().map(|row| (row.name, row.is_encrypted())) {
        let (scheme, port) = if tls { ("https", caddy.tls) } else { ("http", caddy.cleartext) };
        let url = format!("{scheme}://localhost:{port}/{}", blob().file_name().unwrap().to_str().unwrap());
        let mut args = vec!["fetch", &url, "--protocol", protocol, "--quiet", "-o", back.to_str().unwrap()];
        if tls {
            args.extend(["--cacert", caddy.certificate.to_str().unwrap()]);
        }
        let fetched = common::run(&args);
        assert!(fetched.status.success(), "{protocol}: {}", String::from_utf8_lossy(&fetched.stderr));
        assert_same(blob(), &back);
    }
}

struct Caddy {
    cleartext: u16,
    tls: u16,
    certificate: PathBuf,
    _process: Ended,
}

impl Caddy {
    /// Starts a server of the folder with the blob.
    fn start(peers: &Path, folder: &Path) -> Self {
        let (cleartext, tls) = (free_port(), free_port());
        let (certificate, key) = self_signed(folder);
        let served = folder.join("served");
        fs::create_dir(&served).unwrap();
        fs::copy(blob(), served.join(blob().file_name().unwrap())).unwrap();
        let sites = format!(
            "http://localhost:{cleartext} {{\n root * {root}\n file_server\n}}\n\
             https://localhost:{tls} {{\n tls {cert} {key}\n root * {root}\n file_server\n}}\n",
            root = served.display(),
            cert = certificate.display(),
            key = key.display(),
        );
        let process = caddy(peers, folder, &sites, tls);
        Self { cleartext, tls, certificate, _process: process }
    }
}
