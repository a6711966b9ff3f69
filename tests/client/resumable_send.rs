//! `send -C -`: uploads that go on after a lost connection or a killed client.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use crate::common::{
    assert_success, http, longhaul, nginx::nginx, peers, ports::free_port, records, server::Server, text,
    wait,
};

/// The bytes of an upload that is interrupted.
const BYTES: usize = 8_000_000;

fn content() -> Vec<u8> {
    (0..BYTES as u32).map(|i| (i ^ (i >> 7)) as u8).collect()
}

fn saving(folder: &Path, args: &[&str]) -> Server {
    let sink = format!("save:{}", folder.display());
    Server::start(&[&["--sink", sink.as_str()], args].concat())
}

/// Returns the bytes of all incomplete uploads.
fn held(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder.join(".longhaul-partial")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

/// A client with a folder of states.
struct Client {
    folder: tempfile::TempDir,
}

impl Client {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = longhaul(&["send", "-C", "-", "--quiet"]);
        command.args(args).env("XDG_STATE_HOME", self.folder.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Returns the number of uploads of which the client has a state.
    fn states(&self) -> usize {
        fs::read_dir(self.folder.path().join("longhaul/uploads")).map_or(0, Iterator::count)
    }

    /// Sends slowly, and kills the program in the middle.
    fn interrupted(&self, saved: &Path, args: &[&str]) {
        let before = held(saved);
        let mut sending = self.command(&[args, &["--limit-rate", "2MiB"]].concat()).spawn().unwrap();
        wait(|| held(saved) > before.max(1_000_000));
        sending.kill().unwrap();
        assert_eq!(sending.wait().unwrap().code(), None);
        assert_eq!(self.states(), 1);
    }
}

#[test]
fn a_killed_upload_is_resumed_by_the_next_run_over_every_protocol() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("file");
    fs::write(&file, content()).unwrap();
    for protocol in http() {
        let (folder, client) = (tempfile::tempdir().unwrap(), Client::new());
        let server = saving(folder.path(), &[]);
        let (url, name) = (server.url(protocol.is_encrypted(), "/copy"), protocol.name);
        let certificate = server.certificate();
        let mut args = vec![url.as_str(), "--protocol", name, "-T", file.to_str().unwrap()];
        if protocol.is_encrypted() {
            args.extend(["--cacert", certificate.to_str().unwrap()]);
        }
        client.interrupted(folder.path(), &args);
        assert!(!folder.path().join("copy").exists());
        let output = client.run(&args);
        assert_success(&output);
        let shown = text(&output.stdout);
        assert!(shown.contains("resumed after "), "{name}: {shown}");
        assert!(shown.contains("content: xxh3-128 ") && shown.contains(" matches"), "{name}: {shown}");
        assert!(fs::read(folder.path().join("copy")).unwrap() == content(), "{name}");
        assert_eq!((client.states(), held(folder.path())), (0, 0), "{name}");
    }
}

/// Passes connections on to a server. The first connection is cut after `bytes` bytes of the client.
fn cutting(server: &Server, bytes: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.cleartext().to_owned();
    thread::spawn(move || {
        let mut most = bytes;
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (to_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(from_server, to_client, usize::MAX));
            thread::spawn(move || pass(client, server, most));
            most = usize::MAX;
        }
    });
    port
}

/// Copies up to `most` bytes, and then ends both connections.
fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let (mut left, mut block) = (most, vec![0; 64 << 10]);
    while left > 0 {
        let length = left.min(block.len());
        match from.read(&mut block[..length]) {
            Ok(read) if read > 0 && to.write_all(&block[..read]).is_ok() => left -= read,
            _ => break,
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

#[test]
fn a_retry_goes_on_where_the_connection_was_cut() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = saving(folder.path(), &[]);
    let file = files.path().join("file");
    fs::write(&file, content()).unwrap();
    let payloads: [&[&str]; 2] = [&["-T", file.to_str().unwrap()], &["--size", "8MB", "--seed", "7"]];
    for (protocol, payload) in ["h1c", "h2c"].into_iter().zip(payloads) {
        let client = Client::new();
        let url = format!("http://127.0.0.1:{}/copy", cutting(&server, 5_000_000));
        let common = [&[url.as_str(), "--protocol", protocol, "--json"], payload].concat();
        let output = client.run(&[&common[..], &["--retry", "3", "--retry-delay", "10ms"]].concat());
        assert_success(&output);
        let record = &records(&text(&output.stdout))[0];
        assert_eq!((&record["tries"], &record["integrity"]["match"]), (&2.into(), &true.into()), "{record}");
        let sent = record["sender"]["bytes"].as_u64().unwrap() as usize;
        assert!((1..BYTES).contains(&sent), "{protocol}: {sent} bytes were sent by the last try");
        assert!(record["goodput_bytes_per_s"].is_null(), "{record}");
        assert_eq!(fs::read(folder.path().join("copy")).unwrap().len(), BYTES, "{protocol}");
        assert_eq!(client.states(), 0);
    }
    // Without --retry, the next run goes on.
    let client = Client::new();
    let url = format!("http://127.0.0.1:{}/copy", cutting(&server, 5_000_000));
    let args = [url.as_str(), "-T", file.to_str().unwrap(), "--content-length"];
    let output = client.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let output = client.run(&args);
    assert_success(&output);
    assert!(text(&output.stdout).contains("resumed after "), "{}", text(&output.stdout));
    assert!(fs::read(folder.path().join("copy")).unwrap() == content());
}

#[test]
fn another_version_of_the_file_and_an_expired_upload_begin_anew() {
    let (folder, files, client) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Client::new());
    let file = files.path().join("file");
    fs::write(&file, content()).unwrap();
    let server = saving(folder.path(), &["--partial-ttl", "2s"]);
    let url = server.url(false, "/copy");
    let args = [url.as_str(), "-T", file.to_str().unwrap()];
    client.interrupted(folder.path(), &args);
    let changed: Vec<u8> = content().into_iter().rev().collect();
    fs::write(&file, &changed).unwrap();
    let output = client.run(&args);
    assert_success(&output);
    assert!(!text(&output.stdout).contains("resumed"), "{}", text(&output.stdout));
    assert!(fs::read(folder.path().join("copy")).unwrap() == changed);
    wait(|| held(folder.path()) == 0);
    client.interrupted(folder.path(), &args);
    wait(|| held(folder.path()) == 0);
    thread::sleep(Duration::from_millis(10));
    let output = client.run(&args);
    assert_success(&output);
    assert!(!text(&output.stdout).contains("resumed"), "{}", text(&output.stdout));
}

#[test]
fn a_server_without_resumable_uploads_is_named_and_gets_no_byte() {
    let (client, files) = (Client::new(), tempfile::tempdir().unwrap());
    let file = files.path().join("file");
    fs::write(&file, "abc").unwrap();
    let refused = |url: &str| {
        let output = client.run(&[url, "-T", file.to_str().unwrap(), "--retry", "2"]);
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(shown.contains("does not offer resumable uploads") && shown.lines().count() == 1, "{shown}");
        assert_eq!(client.states(), 0);
    };
    refused(&Server::start(&[]).url(false, "/a"));
    let Some(peers) = peers() else { return };
    let port = free_port();
    let served = files.path().join("served");
    fs::create_dir(&served).unwrap();
    fs::write(served.join("a"), "precious").unwrap();
    let (served, folder) = (served.display(), files.path());
    let servers = format!(
        "server {{ listen 127.0.0.1:{port}; root {served}; dav_methods PUT DELETE; location /b {{ return 405; }} }}\n"
    );
    let _nginx = nginx(&peers, folder, &servers, port);
    refused(&format!("http://127.0.0.1:{port}/a"));
    refused(&format!("http://127.0.0.1:{port}/b"));
    assert_eq!(fs::read(folder.join("served/a")).unwrap(), b"precious");
}

#[test]
fn content_that_is_read_once_and_a_missing_folder_are_usage_errors() {
    for (args, part) in [
        (vec!["-T", "-"], "use a file"),
        (vec!["--payload", "file:/dev/zero", "--size", "5"], "use a file"),
        (vec!["--size", "5", "--connections", "2"], "one body"),
    ] {
        let output = longhaul(&["send", "http://127.0.0.1:1/a", "-C", "-"]).args(&args).output().unwrap();
        let shown = text(&output.stderr);
        assert!(output.status.code() == Some(2) && shown.contains(part), "{args:?}: {shown}");
    }
    let mut command = longhaul(&["send", "http://127.0.0.1:1/a", "-C", "-", "--size", "5"]);
    let output = command.env_remove("HOME").env_remove("XDG_STATE_HOME").output().unwrap();
    let shown = text(&output.stderr);
    assert!(output.status.code() == Some(2) && shown.contains("XDG_STATE_HOME"), "{shown}");
}
