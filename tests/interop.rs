//! Interoperation with programs of other projects. Each moves 256 MiB, and the content is compared.
//!
//! `scripts/peers` installs them. Without them the tests print a line and pass; with `CI` set they fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::Duration,
};

use common::{http, peers, server::Server};

/// The size of each transfer, in bytes.
const SIZE: u64 = 256 << 20;

/// A file of `SIZE` random bytes, made once.
fn blob() -> &'static Path {
    static BLOB: OnceLock<tempfile::NamedTempFile> = OnceLock::new();
    BLOB.get_or_init(|| {
        let file = tempfile::Builder::new().prefix("blob").suffix(".bin").tempfile().unwrap();
        let server = Server::start(&[]);
        let path = file.path().to_str().unwrap();
        let made = server.client("fetch", "h1c", &format!("/?size={SIZE}"), &["-o", path]);
        assert!(made.status.success());
        file
    })
    .path()
}

fn assert_same(a: &Path, b: &Path) {
    let (mut a, mut b) = (File::open(a).unwrap(), File::open(b).unwrap());
    assert_eq!(a.metadata().unwrap().len(), b.metadata().unwrap().len());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        a.read_exact(&mut left).unwrap();
        b.read_exact(&mut right).unwrap();
        assert!(left == right);
    }
}

fn saving() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    (folder, server)
}

fn ran(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (printed, error) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {printed} {error}");
    printed.into_owned()
}

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
        python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/h3.py"));
        python.arg(direction).arg(server.url(true, path)).arg(file).arg(server.certificate());
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

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Caddy {
    cleartext: u16,
    tls: u16,
    certificate: PathBuf,
    _process: Ended,
}

impl Caddy {
    /// Serves the folder of the blob.
    fn start(peers: &Path, folder: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (cleartext, tls) = (free(), free());
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let served = folder.join("served");
        fs::create_dir(&served).unwrap();
        fs::copy(blob(), served.join(blob().file_name().unwrap())).unwrap();
        let config = format!(
            "{{\n admin off\n auto_https off\n persist_config off\n servers {{\n protocols h1 h2 h2c h3\n }}\n}}\n\
             http://localhost:{cleartext} {{\n root * {root}\n file_server\n}}\n\
             https://localhost:{tls} {{\n tls {cert} {key}\n root * {root}\n file_server\n}}\n",
            root = served.display(),
            cert = certificate.display(),
            key = key.display(),
        );
        let file = folder.join("Caddyfile");
        fs::write(&file, config).unwrap();
        let mut caddy = Command::new(peers.join("bin/caddy"));
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        caddy.env("HOME", folder).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Ended(caddy.spawn().unwrap());
        for _ in 0..500 {
            if TcpStream::connect(("localhost", tls)).is_ok() {
                return Self { cleartext, tls, certificate, _process: process };
            }
            sleep(Duration::from_millis(20));
        }
        panic!("caddy does not listen");
    }
}
