//! Unix sockets: `send` and `fetch` dial nginx through them, and `serve` listens on one for curl.
//!
//! `scripts/peers` installs nginx. Without it, its test prints a line and passes; with `CI` set, it fails.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use nix::sys::signal::Signal;

use crate::common::{
    assert_success,
    nginx::nginx,
    peers,
    ports::free_port,
    records, run,
    server::Server,
    text,
    transfer::{ran, self_signed},
};

#[test]
fn bodies_go_to_nginx_and_back_through_unix_sockets() {
    let Some(peers) = peers() else { return };
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    fs::create_dir(folder.path().join("files")).unwrap();
    let servers = format!(
        " server {{ listen 127.0.0.1:{port}; listen unix:{folder}/plain; listen unix:{folder}/prior http2; \
         listen unix:{folder}/tls ssl http2; ssl_protocols TLSv1.3; ssl_certificate {certificate}; \
         ssl_certificate_key {key}; root {folder}/files; dav_methods PUT; }}\n",
        folder = folder.path().display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, port);
    let file = folder.path().join("some.bin");
    let content: Vec<u8> = (0..20_000_000_u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    fs::write(&file, &content).unwrap();
    for (protocol, socket) in [("h1c", "plain"), ("h2c", "prior"), ("h1", "tls"), ("h2", "tls")] {
        let scheme = if socket == "tls" { "https" } else { "http" };
        let url = format!("{scheme}://localhost:1/{protocol}");
        let socket = folder.path().join(socket);
        let copy = folder.path().join("copy");
        let mut common = vec!["--protocol", protocol, "--unix-socket", socket.to_str().unwrap(), "--quiet"];
        if scheme == "https" {
            common.extend(["--cacert", certificate.to_str().unwrap()]);
        }
        assert_success(&run(&[&["send", &url, "-T", file.to_str().unwrap()], &common[..]].concat()));
        assert!(fs::read(folder.path().join("files").join(protocol)).unwrap() == content, "{protocol}");
        assert_success(&run(&[&["fetch", &url, "-o", copy.to_str().unwrap()], &common[..]].concat()));
        assert!(fs::read(&copy).unwrap() == content, "{protocol}");
    }
}

/// Starts a server on a Unix socket, with a umask.
fn serving(path: &Path, umask: &str, folder: &Path) -> Server {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_longhaul");
    let (path, folder) = (path.display(), folder.display());
    command
        .arg("-c")
        .arg(format!("umask {umask}; exec {program} serve --listen unix:{path} --sink save:{folder}"));
    Server::spawn(command)
}

#[test]
fn serve_takes_uploads_and_gives_downloads_over_a_unix_socket() {
    let (folder, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("socket");
    let server = serving(&path, "077", saved.path());
    assert_eq!(server.listening["unix"], path.to_str().unwrap());
    assert!(server.listening["cleartext"].is_null() && server.listening["tls"].is_null());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let transfer = |args: &[&str]| -> Output {
        run(&[args, &["--unix-socket", path.to_str().unwrap(), "--quiet", "--json"]].concat())
    };
    for protocol in ["h1c", "h2c"] {
        let sent = ["send", "http://localhost/?file=a", "--size", "20MiB", "--protocol", protocol];
        let fetched = ["fetch", "http://localhost/?size=20MiB", "--protocol", protocol];
        for output in [transfer(&sent), transfer(&fetched)] {
            assert_success(&output);
            assert_eq!(records(&text(&output.stdout))[0]["integrity"]["match"], true);
        }
    }
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", version, "-T"])
            .arg(saved.path().join("a"))
            .arg("--unix-socket")
            .arg(&path);
        let receipt = ran(curl.arg("http://localhost/?file=b"));
        assert!(receipt.contains("\"bytes\":20971520,") && receipt.contains("\"saved\":\"b\""), "{receipt}");
        let copy = folder.path().join("copy");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", version, "-o"]).arg(&copy).arg("--unix-socket").arg(&path);
        ran(curl.arg("http://localhost/b"));
        assert!(fs::read(&copy).unwrap() == fs::read(saved.path().join("a")).unwrap());
    }
    let h3 = transfer(&["fetch", "https://localhost/", "--protocol", "h3"]);
    assert!(h3.status.code() == Some(1) && text(&h3.stderr).contains("h3 runs over UDP"), "{h3:?}");
}

#[test]
fn the_file_of_a_unix_socket_is_removed_at_the_end_and_replaced_if_it_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    assert_eq!(serving(&path, "022", folder.path()).stop(Signal::SIGTERM), Some(0));
    assert!(!path.exists());
    drop(serving(&path, "022", folder.path()));
    assert!(path.exists(), "the server was killed");
    let server = serving(&path, "022", folder.path());
    for (listen, code, part) in [
        (listen.as_str(), 1, "another program listens there"),
        ("unix:", 2, "unix:PATH"),
        ("localhost", 2, "127.0.0.1:8080"),
        ("unix:/no/such/socket", 1, "/no/such/socket"),
    ] {
        let output = run(&["serve", "--listen", listen]);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(code) && told.contains(part), "{listen}: {told}");
    }
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    let output = run(&["fetch", "http://localhost/", "--unix-socket", path.to_str().unwrap(), "--quiet"]);
    let told = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && told.contains("cannot connect to") && told.contains("/socket"),
        "{told}"
    );
}
