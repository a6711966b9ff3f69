//! The flags of `send` and `fetch` that they share with curl, the secrecy of credentials, and resumed downloads.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread::{self, sleep},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{http, longhaul, records, run, server::Server, text};

/// Starts a server that answers each request at its end with `answer`. Returns its address, and the heads of the
/// requests.
fn listening(answer: &'static str) -> (String, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            if head.iter().any(|line| line == "transfer-encoding: chunked") {
                let _ = lines.find(|line| line == "0");
            }
            if sender.send(head).is_err() {
                return;
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, heads)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn stderr(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn the_flags_of_curl_change_the_request() {
    let (address, heads) = listening(OK);
    let url = format!("http://{address}/a");
    let lines = tempfile::NamedTempFile::new().unwrap();
    fs::write(lines.path(), "X-From: file\n").unwrap();
    let file = format!("@{}", lines.path().display());
    let args = ["send", &url, "--size", "3", "--payload", "zero", "-X", "POST", "-H", "Host: a.example:81"];
    let more = ["-H", "content-type: a/b", "-H", "X-A: 1", "-H", "X-B;", "-H", &file, "-m", "20", "--quiet"];
    let output = run(&[&args[..], &more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let head = heads.recv().unwrap();
    assert_eq!(head[0], "POST /a HTTP/1.1");
    for line in ["host: a.example:81", "content-type: a/b", "x-a: 1", "x-b: ", "x-from: file"] {
        assert_eq!(head.iter().filter(|one| *one == line).count(), 1, "{line}: {head:?}");
    }
    let output = run(&["fetch", &url, "-X", "GET", "-H", "Range: bytes=0-1", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(heads.recv().unwrap().contains(&"range: bytes=0-1".to_owned()));
}

#[test]
fn credentials_reach_the_field_authorization_and_nothing_else() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "hunter2\n").unwrap();
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let file = secret.path().to_str().unwrap();
    let basic = "authorization: Basic YWxpY2U6aHVudGVyMg==";
    let bearer = "authorization: Bearer hunter2";
    let (address, heads) = listening("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx");
    let with_user = format!("http://alice:hunter%32@{address}/x?token=hunter2");
    let plain = format!("http://{address}/x?token=hunter2#hunter2");
    for (args, field) in [
        (vec![with_user.as_str()], basic),
        (vec![&plain, "-u", "alice:hunter2"], basic),
        (vec![&plain, "-ualice:hunter2"], basic),
        (vec![&plain, "-u", "alice", "--token-file", file], basic),
        (vec![&plain, "--token-file", file], bearer),
        (vec![&plain, "--oauth2-bearer", "hunter2"], bearer),
        (vec![&plain, "-H", "Authorization: Bearer hunter2", "-H", "X-Api-Key: hunter2"], bearer),
    ] {
        let output = run(&[&["fetch"], &args[..], &["--json", "--quiet"]].concat());
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{args:?}");
        let head = heads.recv().unwrap();
        assert!(head.contains(&field.to_owned()), "{args:?}: {head:?}");
        assert!(head.contains(&format!("host: {address}")), "{head:?}");
        let printed = text(&output.stdout);
        for part in ["hunter", "alice:", "YWxpY2U"] {
            assert!(!printed.contains(part), "{args:?}: {printed}");
        }
        assert_eq!(records(&printed)[0]["peer"], format!("http://{address}/x?token=***"));
    }
}

#[test]
fn errors_name_the_way_out_and_no_secret() {
    let (address, heads) =
        listening("HTTP/1.1 401 No\r\ncontent-length: 21\r\nconnection: close\r\n\r\nhunter2 is not enough");
    let url = format!("http://{address}/");
    let output = run(&["fetch", &url, "-u", "alice:hunter2", "--quiet"]);
    let told = "error: the server answered 401 Unauthorized: *** is not enough; give credentials by -u";
    assert!(stderr(&output).starts_with(told), "{}", stderr(&output));
    assert_eq!(heads.try_iter().count(), 1);
    for (args, part) in [
        (vec!["fetch", "http://x/", "-u", "alice"], "--token-file"),
        (vec!["fetch", "http://alice:hunter2@x:0/"], "port"),
        (vec!["fetch", "http://x/", "-H", "X: hunter2\u{1}"], "-H: 'X: ***'"),
        (vec!["fetch", "http://x/", "--oauth2-bearer", "hunter2 x"], "--oauth2-bearer"),
        (vec!["fetch", "http://x/", "-C", "-"], "--output"),
        (vec!["fetch", "http://x/", "-C", "-", "-o", "-"], "-o FILE"),
        (vec!["fetch", "http://x/", "--json", "-o", "-"], "--results DIR"),
        (vec!["send", "http://x/", "--payload", "-", "--content-length"], "--content-length"),
        (vec!["send", "http://x/", "--expect-status", "2"], "2xx"),
        (vec!["send", "http://x/", "-m", "0"], "duration"),
    ] {
        let output = run(&args);
        let told = stderr(&output);
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let server = Server::start(&[]);
    let output = run(&["fetch", &server.url(true, "/"), "--quiet"]);
    for flag in ["--cacert", "--pin", "-k"] {
        assert!(stderr(&output).contains(flag), "{}", stderr(&output));
    }
    assert_eq!(run(&["fetch", &server.url(true, "/"), "-k", "--quiet"]).status.code(), Some(0));
}

#[test]
fn the_content_of_an_expected_status_is_written_and_no_content_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let fields = "server: longhaul/0\r\nconnection: close\r\n";
    let answer = |status: &str, length: u32, content: &str| -> &'static str {
        format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{content}").leak()
    };
    for (answer, flags, content) in [
        (answer("404 Not Found", 5, "gone\n"), &["--expect-status", "2xx,404"][..], "gone\n"),
        (answer("200 OK", 1 << 20, ""), &["-X", "HEAD"], "before"),
        (answer("304 Not Modified", 1 << 20, ""), &["--expect-status", "2xx,304"], "before"),
    ] {
        fs::write(&path, "before").unwrap();
        let (address, _heads) = listening(answer);
        let url = format!("http://{address}/?size=1MiB");
        let output = run(&[&["fetch", &url, "-o", path.to_str().unwrap(), "--quiet"], flags].concat());
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{answer}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "{answer}");
    }
}

#[test]
fn a_token_file_that_others_can_read_is_reported() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "hunter2").unwrap();
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let (address, _heads) = listening(OK);
    let file = secret.path().to_str().unwrap();
    let output = run(&["fetch", &format!("http://{address}/"), "--token-file", file, "--quiet"]);
    assert!(output.status.success() && stderr(&output).contains("chmod 600"), "{}", stderr(&output));
}

#[test]
fn nothing_that_a_server_says_controls_the_terminal() {
    for answer in [
        "HTTP/1.1 500 \u{1b}[31m\r\ncontent-length: 12\r\nconnection: close\r\n\r\n\u{1b}]52;c;bw==\u{7}",
        "HTTP/1.1 302 Found\r\nlocation: /\u{9b}2J\u{202e}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ] {
        let (address, _heads) = listening(answer);
        for command in [&["send", "--size", "1"][..], &["fetch"]] {
            let output = run(&[command, &[&format!("http://{address}/")]].concat());
            let printed = text(&output.stdout) + &stderr(&output);
            let dangerous = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(output.status.code() == Some(1) && !printed.contains(dangerous), "{printed:?}");
        }
    }
}

#[test]
fn two_servers_paths_or_chunk_sizes_are_never_one_series() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let folder = tempfile::tempdir().unwrap();
    let saved = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), "abc").unwrap();
    }
    let mut lines = String::new();
    for url in [
        first.url(false, "/?size=1MiB&chunk=64KiB"),
        first.url(false, "/?size=1MiB&chunk=32KiB"),
        first.url(false, "/?size=1MiB&chunk=64KiB&seed=7"),
        second.url(false, "/?size=1MiB&chunk=64KiB"),
        saved.url(false, "/a"),
        saved.url(false, "/b"),
    ] {
        let output = run(&["fetch", &url, "--json", "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        lines += &text(&output.stdout);
    }
    let copy = folder.path().join("copy");
    let output = run(&["fetch", &saved.url(false, "/a"), "-o", copy.to_str().unwrap(), "--json", "--quiet"]);
    lines += &text(&output.stdout);
    let all = records(&lines);
    assert_eq!(all[6]["case"]["sink"], format!("save:{}", folder.path().display()));
    let series: BTreeSet<_> =
        all.iter().map(|one| (one["case"]["name"].to_string(), one["peer"].to_string())).collect();
    assert_eq!(series.len(), 7, "{series:?}");
    let file = folder.path().join("records.jsonl");
    fs::write(&file, lines).unwrap();
    let report = folder.path().join("report");
    let args = ["report", file.to_str().unwrap(), "--format", "markdown", "-o", report.to_str().unwrap()];
    assert!(run(&args).status.success());
    let page = fs::read_to_string(report.join("summary.md")).unwrap();
    assert_eq!(page.lines().filter(|line| line.starts_with("| h1c/")).count(), 7, "{page}");
}

#[test]
fn a_download_that_was_interrupted_is_completed_by_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    let content: Vec<u8> = (0..6_000_000_u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    fs::write(folder.path().join("big"), &content).unwrap();
    for protocol in http() {
        let url = server.url(protocol.is_encrypted(), "/big");
        let copies = tempfile::tempdir().unwrap();
        let (copy, part) = (copies.path().join("copy"), copies.path().join("copy.part"));
        let args = ["fetch", &url, "--protocol", protocol.name, "-k", "-C", "-", "-o"];
        let args = [&args[..], &[copy.to_str().unwrap(), "--quiet", "--json"]].concat();
        let slow = [&args[..], &["--reader-rate", "1MiB"]].concat();
        let mut client = longhaul(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..1000 {
            sleep(Duration::from_millis(10));
            if fs::metadata(&part).is_ok_and(|part| part.len() > 1_000_000) {
                break;
            }
        }
        kill(Pid::from_raw(client.id() as i32), Signal::SIGTERM).unwrap();
        assert_eq!(client.wait().unwrap().code(), Some(130), "{}", protocol.name);
        let held = fs::metadata(&part).unwrap().len();
        assert!(held > 1_000_000 && held < 6_000_000 && !copy.exists(), "{held}");

        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{}: {}", protocol.name, stderr(&output));
        assert!(fs::read(&copy).unwrap() == content, "{}", protocol.name);
        assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 1);
        let record = &records(&text(&output.stdout))[0];
        assert_eq!(record["receiver"]["bytes"], 6_000_000 - held, "the bytes that moved");
    }
}

#[test]
fn a_url_that_ends_in_a_slash_gets_the_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (upload, name) = (tempfile::tempdir().unwrap(), "some file?#ä%.iso");
    let path = upload.path().join(name);
    fs::write(&path, "abc").unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    let payload = format!("file:{}", path.display());
    let output = run(&["send", &server.url(false, "/"), "--payload", &payload, "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"abc");
}
