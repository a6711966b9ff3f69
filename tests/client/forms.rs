//! Forms by `send -F`, against aiohttp and Go's net/http, and beside those of curl.
//!
//! `scripts/peers` installs aiohttp and curl. Without them, the tests print a line and pass; with `CI` set, they fail.
//! Without Go, its test prints a line and passes.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use crate::common::{
    assert_success, longhaul, peers,
    ports::{free_port, wait_for},
    records, run,
    server::Server,
    skip, text,
    transfer::{Ended, SIZE, blob, script},
};

/// Starts the server by aiohttp, which logs the fields of each form to `log`.
fn aiohttp(peers: &Path, log: &Path) -> (Ended, String) {
    let port = free_port();
    let mut server = Command::new(peers.join("bin/python"));
    server.arg(script("form_server.py")).arg(port.to_string()).arg(log);
    let server = Ended(server.stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    (server, format!("http://127.0.0.1:{port}"))
}

fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = longhaul(args);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = piped.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

/// Returns the lines of aiohttp's log since the last call.
fn logged(log: &Path) -> Vec<String> {
    let lines = fs::read_to_string(log).unwrap().lines().map(ToOwned::to_owned).collect();
    fs::write(log, "").unwrap();
    lines
}

/// Has a program send a form, and returns the head in lower case and the body, in which `BOUNDARY` stands for the boundary.
fn received(send: impl FnOnce(&str)) -> (Vec<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut connection = BufReader::new(listener.accept().unwrap().0);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let value = |name: &str| {
            let found = head.iter().find_map(|line| {
                line.to_lowercase().starts_with(name).then(|| line.rsplit([' ', '=']).next().unwrap())
            });
            found.unwrap_or_default().to_owned()
        };
        let (boundary, length) = (value("content-type:"), value("content-length:").parse().unwrap());
        let mut body = vec![0; length];
        connection.read_exact(&mut body).unwrap();
        connection.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        (head, text(&body).replace(&boundary, "BOUNDARY"))
    });
    send(&url);
    server.join().unwrap()
}

#[test]
fn a_form_has_the_bytes_of_curls() {
    let folder = tempfile::tempdir().unwrap();
    let (page, odd) = (folder.path().join("page.html"), folder.path().join("odd;\"name\",x.bin"));
    fs::write(&page, "<p>\r\n--x\r\n").unwrap();
    fs::write(&odd, [0, 1, 2, 0x7f]).unwrap();
    let text_file = folder.path().join("some.txt");
    fs::write(&text_file, "some text").unwrap();
    let quoted = odd.to_str().unwrap().replace('"', "\\\"");
    let fields = [
        "plain=some value".to_owned(),
        "empty=".to_owned(),
        "na\"me\r\n=ä%22=".to_owned(),
        "typed=a;type=text/plain; charset=utf-8".to_owned(),
        "quoted=\"a;b\\\"c\\\\\"".to_owned(),
        format!("page=@{}", page.display()),
        format!("renamed=@{};filename=\"a\\\"b.txt\";type=x/y", page.display()),
        format!("odd=@\"{quoted}\""),
        format!("inside=<{}", page.display()),
        format!("text=<{}", text_file.display()),
        format!("noted=@{}", text_file.display()),
        "called=b;filename=c.html".to_owned(),
        "unknown=b;filename=c".to_owned(),
        "blanks= x y  ".to_owned(),
        format!("around=@{} ;type= x/y ; filename= a.txt ", page.display()),
    ];
    let flags: Vec<&str> = fields.iter().flat_map(|field| ["-F", field]).collect();
    let (head, own) = received(|url| assert_success(&run(&[&["send", url, "--quiet"], &flags[..]].concat())));
    let (_, curl) = received(|url| {
        assert!(Command::new("curl").args(["-sS", url]).args(&flags).status().unwrap().success());
    });
    assert_eq!(own, curl);
    assert_eq!(head[0], "POST / HTTP/1.1");
    let length = format!("content-length: {}", own.len() + (fields.len() + 1) * (40 - "BOUNDARY".len()));
    assert!(head.iter().any(|line| line.to_lowercase() == length), "{length}: {head:?}");
}

#[test]
fn aiohttp_reads_the_fields_over_both_codings_and_follows_a_redirect() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (_server, url) = aiohttp(&peers, &log);
    let file = folder.path().join("a.png");
    fs::write(&file, vec![7; 300_000]).unwrap();
    let named = format!("file=@{}", file.display());
    let fields = ["-F", "text=abc", "-F", &named];
    let output = run(&[&["send", &url, "--json", "--quiet"], &fields[..]].concat());
    assert_success(&output);
    let record = &records(&text(&output.stdout))[0];
    assert_eq!(record["case"]["payload"], "form");
    assert_eq!(record["case"]["body_bytes"], record["sender"]["bytes"]);
    assert!(!text(&output.stdout).contains("text=abc") && text(&output.stdout).contains("text=***"));
    let file = "['file', 'a.png', 'image/png', 300000, ";
    let lines = logged(&log);
    let length = format!("('POST', {}, [['text', None, None, 3, ", record["sender"]["bytes"]);
    assert!(lines[0].starts_with(&length) && lines[0].contains(file), "{lines:?}");

    // The length of standard input is unknown: the body is chunked.
    let output = run_with_input(
        &["send", &url, "-F", "a=<-", "-F", "b=c", "--quiet", "--expect100-timeout", "60", "-m", "50"],
        &[b'x'; 100_000],
    );
    assert_success(&output);
    let lines = logged(&log);
    assert!(lines[0].starts_with("('POST', None, [['a', None, None, 100000, "), "{lines:?}");
    assert!(lines[0].contains("['b', None, None, 1, "), "{lines:?}");

    // As in curl, a 302 to a form is followed by a GET, and the form is not sent again.
    let output = run(&[&["send", &format!("{url}/moved"), "-L", "--json", "--quiet"], &fields[..]].concat());
    assert_success(&output);
    assert_eq!(records(&text(&output.stdout))[0]["redirects"]["url"], format!("{url}/done"));
    let lines = logged(&log);
    assert!(lines.len() == 2 && lines[0].contains(file) && lines[1] == "('GET', 'done')", "{lines:?}");

    let many = run(&[&["send", &url, "--connections", "3", "--quiet"], &fields[..]].concat());
    assert_success(&many);
    assert_eq!(logged(&log).iter().filter(|line| line.contains(file)).count(), 3);
}

#[test]
fn a_large_file_takes_the_memory_of_two_pieces() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (_server, url) = aiohttp(&peers, &log);
    let field = format!("file=@{}", blob().display());
    let output = run(&["send", &url, "-F", &field, "--json", "--quiet"]);
    assert_success(&output);
    let record = &records(&text(&output.stdout))[0];
    let memory = &record["sender"]["memory"];
    let bytes = |name: &str| memory[name].as_u64().unwrap();
    assert!(bytes("peak_anon_bytes") < bytes("baseline_anon_bytes") + (8 << 20), "{memory}");
    assert!(logged(&log)[0].contains(&format!("'blob.bin', 'application/octet-stream', {SIZE}, ")));
}

#[test]
fn go_reads_the_fields() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let mut build = Command::new("go");
    match build.arg("build").arg("-o").arg(&program).arg(script("form_server.go")).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => return skip("Go is missing; apt-get install golang-go installs it"),
    }
    let (port, log) = (free_port(), folder.path().join("log"));
    let mut server = Command::new(&program);
    let _server = Ended(server.arg(port.to_string()).stdout(File::create(&log).unwrap()).spawn().unwrap());
    wait_for(port);
    let (url, file) = (format!("http://127.0.0.1:{port}/"), folder.path().join("a;b.txt"));
    fs::write(&file, vec![7; 3_000_000]).unwrap();
    let named = format!("f=@\"{}\"", file.display());
    let input = vec![b'x'; 2_000_000];
    assert_success(&run_with_input(
        &[
            "send",
            &url,
            "-F",
            "t=abc",
            "-F",
            &named,
            "-F",
            "in=@-",
            "--quiet",
            "--expect100-timeout",
            "60",
            "-m",
            "50",
        ],
        &input,
    ));
    let told = fs::read_to_string(&log).unwrap();
    let expected = "t|||3\nf|a;b.txt|text/plain|3000000\nin|-|application/octet-stream|2000000\n";
    assert_eq!(told, expected);
}

#[test]
fn what_cannot_be_a_form_is_refused() {
    let secret = "a=hunter2;x";
    for (args, part) in [
        (vec!["-F", "a"], "NAME=VALUE"),
        (vec!["-F", secret], "needs quotes"),
        (vec!["-F", "a=@/no/such"], "/no/such"),
        (vec!["-F", "a=@-", "-F", "b=@-"], "standard input can be read once"),
        (vec!["-F", "a=@-", "--connections", "2"], "payload form can be read once"),
        (vec!["-F", "a=@-", "--content-length"], "--content-length"),
        (vec!["-F", "a=b", "-T", "c"], "--upload-file"),
        (vec!["-F", "a=b", "--size", "1"], "--size"),
        (vec!["-F", "a=b", "-C", "-"], "--continue-at"),
        (vec!["--payload", "form"], "send -F NAME=VALUE"),
    ] {
        let output = run(&[&["send", "http://127.0.0.1:1/"], &args[..]].concat());
        let told = text(&output.stderr);
        let is_told = told.contains(part) && !told.contains("hunter2");
        assert!(output.status.code() == Some(2) && is_told, "{args:?}: {told}");
    }
    let server = Server::start(&[]);
    let refused = text(&server.client("send", "h1c", "/", &["-F", "a=b"]).stderr);
    assert!(refused.contains("415 Unsupported Media Type"), "{refused}");
}
