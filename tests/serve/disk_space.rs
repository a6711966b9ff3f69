//! The space that uploads take: what the server reserves for them, and what stays when the disk is full.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use super::adversity::Tmpfs;
use crate::common::{
    self,
    resumable::{append, content, create, curl, saving},
    server::Server,
};

const MIB: usize = 1 << 20;

/// Returns the bytes that are free on the file system of a folder.
fn free(folder: &Path) -> usize {
    let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(folder).output().unwrap();
    let numbers = common::text(&output.stdout);
    numbers.split_whitespace().map(|number| number.parse::<usize>().unwrap()).product()
}

/// Begins an upload of a known length. Returns the connection, once the server has asked for the body, or the status of
/// its refusal.
fn begin(server: &Server, name: &str, length: usize) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "PUT /{name} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 25];
    stream.read_exact(&mut start).unwrap();
    if &start == b"HTTP/1.1 100 Continue\r\n\r\n" {
        return Ok(stream);
    }
    Err(String::from_utf8_lossy(&start[9..12]).into_owned())
}

#[test]
fn space_that_is_reserved_for_an_upload_counts_once() {
    let Some(disk) = Tmpfs::mount("400m") else { return };
    let server = saving(&disk.0, &["--min-free", "0"]);
    let all = free(&disk.0);
    let mut upload = begin(&server, "a", 64 * MIB).unwrap();
    upload.write_all(&vec![7; 40 * MIB]).unwrap();
    // The server has reserved space for the rest of the body.
    common::wait(|| free(&disk.0) <= all - 60 * MIB);
    let left = all - 64 * MIB;
    assert_eq!(begin(&server, "b", left + MIB).err().as_deref(), Some("507"));
    let fitting = begin(&server, "b", left - MIB);
    assert!(fitting.is_ok(), "refused with {fitting:?} although the bytes fit");
    upload.write_all(&vec![7; 24 * MIB]).unwrap();
    let mut status = [0; 12];
    upload.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 201");
}

#[test]
fn a_body_of_unknown_length_leaves_the_free_space_that_was_asked_for() {
    let Some(disk) = Tmpfs::mount("400m") else { return };
    let all = free(&disk.0);
    let spare = all - 50 * MIB;
    let server = saving(&disk.0, &["--min-free", &spare.to_string()]);
    let mut upload = TcpStream::connect(server.cleartext()).unwrap();
    upload.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    upload.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let chunk = [format!("{MIB:x}\r\n").into_bytes(), vec![7; MIB], b"\r\n".to_vec()].concat();
    for _ in 0..40 {
        upload.write_all(&chunk).unwrap();
        assert!(free(&disk.0) >= spare, "{} of {spare} bytes are free", free(&disk.0));
    }
    upload.write_all(b"0\r\n\r\n").unwrap();
    let mut status = [0; 12];
    upload.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 201");
}

#[test]
fn a_full_disk_takes_no_acknowledged_byte_of_a_resumable_upload() {
    let Some(disk) = Tmpfs::mount("6m") else { return };
    let server = saving(&disk.0, &["--min-free", "0"]);
    let (content, part) = (content(4 << 20), tempfile::NamedTempFile::new().unwrap());
    // By `openssl dgst -sha256 -binary | base64`, in the test itself: the server goes back by its digest, too.
    fs::write(part.path(), &content).unwrap();
    let digest = format!("openssl dgst -sha256 -binary {} | base64", part.path().display());
    let digest = common::text(&Command::new("sh").args(["-c", &digest]).output().unwrap().stdout);
    let fields = ["Upload-Length: 4194304".to_owned(), format!("Repr-Digest: sha-256=:{}:", digest.trim())];
    let created = create(&server, "/a", &fields.each_ref().map(String::as_str));
    let resource = server.url(false, created.field("location"));
    fs::write(part.path(), &content[..MIB]).unwrap();
    assert_eq!(append(&resource, 0, "?0", part.path(), &[]).status, 204);
    // Another program takes the space that the upload has claimed.
    let other = disk.0.join("other");
    fs::write(&other, vec![1; 3 * MIB]).unwrap();
    fs::write(part.path(), &content[MIB..]).unwrap();
    let refused = append(&resource, MIB as u64, "?1", part.path(), &[]);
    assert_eq!((refused.status, refused.field("upload-complete")), (507, "?0"), "{}", refused.body);
    let state = curl(&["-I", &resource]);
    assert_eq!((state.status, state.field("upload-offset")), (204, "1048576"));
    fs::remove_file(other).unwrap();
    let done = append(&resource, MIB as u64, "?1", part.path(), &[]);
    assert_eq!((done.status, done.field("upload-complete")), (201, "?1"), "{}", done.body);
    assert!(fs::read(disk.0.join("a")).unwrap() == content);
}
