//! A server without disk space, file descriptors or a valid certificate, and its clients.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use metrics::Stamp;

use crate::common::{self, http, server::Server, skip};

fn reported(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A small file system that exists while the test runs.
pub(super) struct Tmpfs(
    pub(super) PathBuf,
    #[expect(dead_code, reason = "dropping it removes the folder")] tempfile::TempDir,
);

impl Tmpfs {
    /// Mounts the file system. Returns `None`, and skips the test, if this user may not mount.
    pub(super) fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &path);
        if !mounted {
            skip("this user may not mount a tmpfs; root may");
        }
        mounted.then(|| Self(path, folder))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    Command::new("mount").args(args).arg(path).output().is_ok_and(|output| output.status.success())
}

fn saving(folder: &Path) -> Server {
    Server::start(&["--sink", &format!("save:{}", folder.display())])
}

#[test]
fn a_full_disk_is_507_and_the_server_goes_on() {
    let Some(disk) = Tmpfs::mount("6m") else { return };
    let server = saving(&disk.0);
    for protocol in http().map(|protocol| protocol.name) {
        let refused = server.client("send", protocol, "/big", &["--size", "64MiB", "--timeout", "10s"]);
        let (code, text) = reported(&refused);
        assert!(
            code == Some(1) && text.contains("507 Insufficient Storage: the disk is full"),
            "{protocol}: {text}"
        );
        assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0, "{protocol} left something behind");
        let small = server.client("send", protocol, "/small", &["--size", "1MiB"]);
        assert_eq!(reported(&small), (Some(0), String::new()), "{protocol}");
        fs::remove_file(disk.0.join("small")).unwrap();
    }
}

#[test]
fn a_folder_that_turns_read_only_is_500_and_the_server_goes_on() {
    let Some(disk) = Tmpfs::mount("6m") else { return };
    let server = saving(&disk.0);
    assert!(mount(&["-o", "remount,ro"], &disk.0));
    for protocol in http().map(|protocol| protocol.name) {
        let (code, text) = reported(&server.client("send", protocol, "/a", &["--size", "1MiB"]));
        assert!(code == Some(1) && text.contains("500 Internal Server Error"), "{protocol}: {text}");
    }
    let (code, text) = reported(&common::run(&["serve", "--sink", &format!("save:{}", disk.0.display())]));
    assert!(code == Some(1) && text.contains("cannot save into"), "{text}");
    assert!(mount(&["-o", "remount,rw"], &disk.0));
    assert!(server.client("send", "h1c", "/a", &["--size", "1MiB"]).status.success());
}

#[test]
fn without_file_descriptors_the_server_waits_for_them() {
    let server = Server::start_with_descriptors(24);
    let crowd: Vec<_> = (0..60).filter_map(|_| TcpStream::connect(server.cleartext()).ok()).collect();
    // The server takes the crowd one by one, until no descriptor is left.
    let refused =
        || server.client("fetch", "h1c", "/?size=1MiB", &["--timeout", "1s"]).status.code() == Some(1);
    common::wait(refused);
    drop(crowd);
    for protocol in ["h1c", "h2"] {
        // Until the server has noticed that the crowd is gone, it may close further connections.
        let fetch = || server.client("fetch", protocol, "/?size=1MiB", &["--timeout", "10s"]);
        common::wait(|| reported(&fetch()) == (Some(0), String::new()));
    }
}

/// Returns an IPv4 address of this machine other than loopback. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|addr| !addr.is_loopback())
}

#[test]
fn an_address_with_too_many_connections_gets_no_more_and_loopback_does() {
    let Some(own) = own_address() else {
        return skip("this machine has no address but loopback");
    };
    let server = Server::start(&[
        "--listen",
        "0.0.0.0:0",
        "--open",
        "--host",
        "*",
        "--max-connections-per-address",
        "2",
    ]);
    let port = server.cleartext().rsplit(':').next().unwrap().to_owned();
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(format!("{host}:{port}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that refuses may close before all bytes are written.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let mut status = [0; 12];
        stream.read_exact(&mut status).ok().map(|()| (stream, String::from_utf8_lossy(&status).into_owned()))
    };
    let status = |answer: &Option<(TcpStream, String)>| answer.as_ref().map(|answer| answer.1.clone());
    let mut held: Vec<_> = (0..3).map(|_| ask(&own.to_string())).collect();
    let ok = Some("HTTP/1.1 200".to_owned());
    assert_eq!(held.iter().map(status).collect::<Vec<_>>(), [ok.clone(), ok.clone(), None]);
    let local: Vec<_> = (0..3).map(|_| ask("127.0.0.1")).collect();
    assert_eq!(local.iter().map(status).collect::<Vec<_>>(), [ok.clone(), ok.clone(), ok.clone()]);
    held.clear();
    let began = Stamp::now();
    while status(&ask(&own.to_string())) != ok {
        assert!(began.elapsed() < Duration::from_secs(20), "the places are free again");
    }
}

#[test]
fn a_certificate_that_is_expired_or_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut expired = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(1999, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let elsewhere = rcgen::CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    for (params, reason) in [(expired, "expired"), (elsewhere, "not valid for name")] {
        let key = rcgen::KeyPair::generate().unwrap();
        let (certificate_path, key_path) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&certificate_path, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        let (certificate, key) = (certificate_path.to_str().unwrap(), key_path.to_str().unwrap());
        let stderr = folder.path().join("stderr");
        let server = Server::start_with_stderr(&["--cert", certificate, "--key", key], &stderr);
        // The announcement follows the notes.
        let warned =
            fs::read_to_string(&stderr).unwrap().contains("certificate expired on 2000-01-01T00:00:00Z");
        assert_eq!(warned, reason == "expired");
        for protocol in http().filter(|protocol| protocol.is_encrypted()).map(|protocol| protocol.name) {
            let (code, text) = reported(&server.client("fetch", protocol, "/", &[]));
            assert!(code == Some(1) && text.contains(reason), "{protocol}: {text}");
            assert!(server.client("fetch", protocol, "/", &["--pin", server.fingerprint()]).status.success());
        }
    }
}

#[test]
fn a_body_longer_than_announced_ends_at_the_announced_length() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path());
    let answers =
        server.raw(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabcdefghij\r\n\r\n");
    assert!(answers.starts_with("HTTP/1.1 201") && answers.contains("HTTP/1.1 400"), "{answers}");
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"abc");
}

/// The socket's buffer holds the first window of one connection, and all 24 send at once.
#[test]
fn uploads_that_exceed_the_receive_buffer_of_http3_all_arrive() {
    let server = Server::start(&["--sink", "verify", "--udp-buffer", "128KiB"]);
    let upload = || server.client("send", "h3", "/", &["--size", "4MiB", "--timeout", "2m", "--json"]);
    let uploads: Vec<Output> = thread::scope(|scope| {
        let running: Vec<_> = (0..24).map(|_| scope.spawn(upload)).collect();
        running.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    for upload in uploads {
        assert_eq!(reported(&upload), (Some(0), String::new()));
        let record = &common::records(&common::text(&upload.stdout))[0];
        assert_eq!(record["integrity"]["match"], true);
    }
}
