//! Resumable uploads (draft-ietf-httpbis-resumable-upload) to `serve`, by curl and by hand.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{
    self, http3,
    resumable::{HIDDEN, append, content, create, curl, hidden, saving},
    server::Server,
    text, wait,
};

#[test]
fn curl_uploads_a_file_in_parts_over_every_protocol_that_it_has() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = saving(folder.path(), &[]);
    let content = content(3_000_000);
    let part = |name: &str, bytes: &[u8]| {
        let path = parts.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (first, second) = (part("1", &content[..1_000_000]), part("2", &content[1_000_000..]));
    let empty = part("3", b"");
    for (tls, version) in
        [(false, "--http1.1"), (false, "--http2-prior-knowledge"), (true, "--http1.1"), (true, "--http2")]
    {
        let name = format!("{tls}{version}");
        let url = server.url(tls, &format!("/{name}"));
        let certificate = server.certificate();
        let trust = ["--cacert", certificate.to_str().unwrap(), version];
        let with = |args: &[&str]| curl(&[args, &trust[..]].concat());
        let offer = with(&["-X", "OPTIONS", &url]);
        assert_eq!((offer.status, offer.field("upload-limit")), (204, "max-age=3600"), "{name}");
        assert_eq!(offer.field("accept-patch"), "application/partial-upload", "{name}");
        let data = format!("@{}", first.display());
        let created = with(&[
            "-X",
            "POST",
            &url,
            "-H",
            "Upload-Complete: ?0",
            "-H",
            "Upload-Length: 3000000",
            "--data-binary",
            &data,
        ]);
        assert_eq!(
            (created.status, created.field("upload-offset")),
            (201, "1000000"),
            "{name}: {}",
            created.body
        );
        assert_eq!(created.field("upload-complete"), "?0");
        let resource = server.url(tls, created.field("location"));
        let state = with(&["-I", &resource]);
        assert_eq!((state.status, state.field("upload-offset")), (204, "1000000"), "{name}");
        assert_eq!((state.field("upload-length"), state.field("upload-complete")), ("3000000", "?0"));
        assert!(state.field("upload-limit").starts_with("max-age="), "{name}");
        assert_eq!(state.field("cache-control"), "no-store");
        assert!(!folder.path().join(&name).exists() && hidden(folder.path()) == 1);

        let patch = |offset: &str, file: &Path| {
            let (data, offset) = (format!("@{}", file.display()), format!("Upload-Offset: {offset}"));
            let media_type = "Content-Type: application/partial-upload";
            with(&[
                "-X",
                "PATCH",
                &resource,
                "-H",
                media_type,
                "-H",
                &offset,
                "-H",
                "Upload-Complete: ?1",
                "--data-binary",
                &data,
            ])
        };
        let wrong = with(&[
            "-X",
            "PATCH",
            &resource,
            "-H",
            "Content-Type: application/partial-upload",
            "-H",
            "Upload-Offset: 5",
            "-H",
            "Upload-Complete: ?0",
            "--data-binary",
            "abc",
        ]);
        assert_eq!((wrong.status, wrong.field("upload-offset")), (409, "1000000"), "{name}");
        assert_eq!(
            (wrong.field("content-type"), wrong.field("upload-complete")),
            ("application/problem+json", "?0")
        );
        let problem = wrong.json();
        assert_eq!(
            problem["type"],
            "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"
        );
        assert_eq!(
            (&problem["expected-offset"], &problem["provided-offset"]),
            (&1_000_000.into(), &5.into())
        );

        let done = patch("1000000", &second);
        assert_eq!((done.status, done.field("upload-complete")), (201, "?1"), "{name}: {}", done.body);
        assert_eq!(
            (&done.json()["bytes"], &done.json()["saved"]),
            (&3_000_000.into(), &Value::from(name.as_str()))
        );
        assert!(fs::read(folder.path().join(&name)).unwrap() == content, "{name}");
        let all = part("all", &content);
        let whole = with(&["-T", all.to_str().unwrap(), &server.url(tls, "/whole")]);
        assert_eq!(whole.json()["digest"], done.json()["digest"], "{name}");
        let state = with(&["-I", &resource]);
        assert_eq!((state.field("upload-complete"), state.field("upload-offset")), ("?1", "3000000"));
        let again = patch("3000000", &empty);
        assert_eq!(
            (again.status, again.json()["digest"].clone()),
            (201, done.json()["digest"].clone()),
            "{name}"
        );
        assert_eq!(hidden(folder.path()), 0);
    }
}

/// Sends a whole file by curl over HTTP/2 and kills curl in the middle. Returns what curl has shown of the responses.
fn killed(server: &Server, folder: &Path, file: &Path, version: &str) -> String {
    let mut command = Command::new("curl");
    command.args([
        "-sSv",
        "--http2-prior-knowledge",
        "--limit-rate",
        "1M",
        "-H",
        "Upload-Complete: ?1",
        "-H",
        version,
    ]);
    command.arg("-T").arg(file).arg(server.url(false, "/a")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut curl = command.spawn().unwrap();
    let held = || {
        let entries = fs::read_dir(folder.join(HIDDEN)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum::<u64>()
    };
    let is_partial = version.ends_with('8');
    wait(
        || if is_partial { held() > 300_000 } else { common::open_files(server.pid().as_raw(), folder) > 0 },
    );
    curl.kill().unwrap();
    let output = curl.wait_with_output().unwrap();
    text(&output.stderr)
}

#[test]
fn a_client_of_the_draft_learns_of_the_upload_before_its_end() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = saving(folder.path(), &[]);
    let (content, file) = (content(4_000_000), files.path().join("file"));
    fs::write(&file, &content).unwrap();
    let shown = killed(&server, folder.path(), &file, "Upload-Draft-Interop-Version: 8");
    assert!(shown.contains("< HTTP/2 104"), "{shown}");
    let field = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(&format!("< {name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {shown}")).trim().to_owned()
    };
    assert_eq!(
        (field("upload-draft-interop-version"), field("upload-limit")),
        ("8".into(), "max-age=3600".into())
    );
    let resource = server.url(false, &field("location"));
    let held: usize = curl(&["-I", &resource]).field("upload-offset").parse().unwrap();
    assert!(held > 300_000 && held < content.len(), "{held}");
    fs::write(&file, &content[held..]).unwrap();
    assert_eq!(append(&resource, held as u64, "?1", &file, &[]).status, 201);
    assert!(fs::read(folder.path().join("a")).unwrap() == content);

    // A client of no version or another one gets an ordinary upload.
    fs::write(&file, &content).unwrap();
    for version in ["X-None: 0", "Upload-Draft-Interop-Version: 7"] {
        let shown = killed(&server, folder.path(), &file, version);
        assert!(!shown.contains("< HTTP/2 104") && hidden(folder.path()) == 0, "{shown}");
    }
    let whole =
        ["-T", file.to_str().unwrap(), "-H", "Upload-Complete: ?1", "-H", "Upload-Draft-Interop-Version: 8"];
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let url = server.url(false, &format!("/whole{version}"));
        let done = curl(&[&whole[..], &[url.as_str(), version]].concat());
        assert_eq!((done.status, hidden(folder.path())), (201, 0), "{}", done.body);
    }
}

#[tokio::test]
async fn a_104_precedes_the_answer_over_http3() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &[]);
    let mut client = http3::Client::connect(server.tls().parse().unwrap(), &server.certificate()).await;
    client.open_uni(&[vec![0], http3::frame(http3::SETTINGS, &[])].concat()).await;
    for (version, heads) in [("8", 2), ("7", 1)] {
        let fields =
            [http3::field("upload-complete", "?1"), http3::field("upload-draft-interop-version", version)];
        let head = http3::section("PUT", "/a", &fields.concat());
        let request = [http3::frame(http3::HEADERS, &head), http3::frame(http3::DATA, b"abc")].concat();
        let kinds = client.frames(&request).await;
        assert_eq!(kinds.iter().filter(|kind| **kind == http3::HEADERS).count(), heads, "{kinds:?}");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "abc");
    }
}

#[test]
fn a_cancelled_upload_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &[]);
    let resource = server.url(false, create(&server, "/a", &[]).field("location"));
    assert_eq!(hidden(folder.path()), 1);
    assert_eq!(curl(&["-X", "DELETE", &resource]).status, 204);
    wait(|| hidden(folder.path()) == 0);
    assert_eq!(curl(&["-I", &resource]).status, 404);
    assert_eq!(curl(&["-X", "DELETE", &resource]).status, 404);
    assert_eq!(curl(&["-X", "PUT", &resource, "-d", "x"]).status, 405);
    assert_eq!(curl(&["-I", &server.url(false, "/.longhaul/uploads/0123")]).status, 404);
}

/// Sends the head of a PATCH and some of its content, and returns the connection.
fn begin_patch(server: &Server, path: &str, offset: usize, rest: usize, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/partial-upload\r\n\
         upload-offset: {offset}\r\nupload-complete: ?1\r\ncontent-length: {rest}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(sent).unwrap();
    stream
}

#[test]
fn bytes_before_a_lost_connection_are_kept_and_a_later_request_ends_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &[]);
    let content = content(5_000_000);
    let location = create(&server, "/a", &["Upload-Length: 5000000"]).field("location").to_owned();
    let resource = server.url(false, &location);
    let offset = || curl(&["-I", &resource]).field("upload-offset").parse::<usize>().unwrap();
    // The connection is lost. A request for the state ends the upload, which a busy server may not have read to its end.
    drop(begin_patch(&server, &location, 0, 5_000_000, &content[..1_500_000]));
    sleep(Duration::from_millis(300));
    let lost = offset();
    assert!((1..=1_500_000).contains(&lost), "{lost}");
    // The connection hangs: the state is told at once, and the request is over.
    let sent = &content[lost..lost + 500_000];
    let mut hanging = begin_patch(&server, &location, lost, 5_000_000 - lost, sent);
    sleep(Duration::from_millis(300));
    let held = offset();
    assert!((lost..=lost + sent.len()).contains(&held), "{held}");
    hanging.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(hanging.read(&mut [0; 100]).is_ok_and(|read| read == 0), "the earlier request got an answer");
    // Two requests: the later one wins, the file has the bytes of both in order.
    let hanging = begin_patch(&server, &location, held, 5_000_000 - held, &content[held..held + 100_000]);
    sleep(Duration::from_millis(300));
    let rest = tempfile::NamedTempFile::new().unwrap();
    let held = offset();
    fs::write(rest.path(), &content[held..]).unwrap();
    let hanging_again = begin_patch(&server, &location, held, 5_000_000 - held, b"");
    sleep(Duration::from_millis(100));
    let done = append(&resource, held as u64, "?1", rest.path(), &[]);
    assert_eq!(done.status, 201, "{}", done.body);
    assert!(fs::read(folder.path().join("a")).unwrap() == content);
    drop((hanging, hanging_again));
}

#[test]
fn an_upload_expires_and_a_killed_server_leaves_nothing_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &["--partial-ttl", "1s"]);
    let created = create(&server, "/a", &[]);
    assert_eq!(created.field("upload-limit"), "max-age=0", "a begun second does not count");
    wait(|| hidden(folder.path()) == 0);
    assert_eq!(curl(&["-I", &server.url(false, created.field("location"))]).status, 404);

    let server = saving(folder.path(), &[]);
    create(&server, "/a", &[]);
    assert_eq!(hidden(folder.path()), 1);
    let other = saving(folder.path(), &[]);
    assert_eq!(hidden(folder.path()), 1, "a second server took the upload of the first");
    drop(other);
    server.stop(Signal::SIGKILL);
    assert_eq!(hidden(folder.path()), 1);
    let server = saving(folder.path(), &[]);
    assert!(!folder.path().join(HIDDEN).exists());
    create(&server, "/a", &[]);
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert_eq!(hidden(folder.path()), 0);
}
