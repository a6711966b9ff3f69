//! The server: statuses, names, saved files, and clients that behave badly.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::common::{self, http, server::Server};

fn saving() -> (tempfile::TempDir, Server) {
    saving_with(&[])
}

fn saving_with(args: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("save:{}", folder.path().display());
    let server = Server::start(&[&["--sink", &sink], args].concat());
    (folder, server)
}

fn status(answer: &str) -> u16 {
    let line = answer.lines().find(|line| line.starts_with("HTTP/1.1 ") && !line.contains(" 100 "));
    line.unwrap_or_else(|| panic!("no status in '{answer}'"))[9..12].parse().unwrap()
}

fn get(server: &Server, target: &str, headers: &str) -> String {
    server.raw(
        format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").as_bytes(),
    )
}

fn put(server: &Server, target: &str, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    server.raw(format!("{head}\r\n{body}").as_bytes())
}

fn visible(folder: &tempfile::TempDir) -> Vec<String> {
    let names =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn the_addresses_are_announced_in_one_line() {
    let server = Server::start(&[]);
    assert_eq!(server.listening["event"], "listening");
    assert!(server.cleartext().starts_with("127.0.0.1:") && server.tls().starts_with("127.0.0.1:"));
    assert!(server.fingerprint().starts_with("sha256:") && server.fingerprint().len() == 71);
    assert!(fs::read_to_string(server.certificate()).unwrap().contains("BEGIN CERTIFICATE"));
    let certificate = server.certificate();
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert!(!certificate.exists());
}

#[test]
fn an_upload_is_confirmed_and_a_saved_one_is_there() {
    let (folder, server) = saving();
    let answer = put(&server, "/?file=some%20file.txt", "hello");
    assert_eq!(status(&answer), 201);
    assert!(answer.contains(r#""bytes":5,"#) && answer.contains(r#""saved":"some file.txt""#), "{answer}");
    assert_eq!(fs::read(folder.path().join("some file.txt")).unwrap(), b"hello");
    let chunked = "POST /b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(status(&server.raw(chunked.as_bytes())), 201);
    assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"abcde");
    let verifying = Server::start(&[]);
    assert_eq!(status(&put(&verifying, "/", "hello")), 200);
}

#[test]
fn names_that_leave_the_folder_or_hide_are_400_with_the_reason() {
    let (folder, server) = saving();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    let long = format!("/{}", "n".repeat(256));
    for (target, reason) in [
        ("/?file=../x", "starts with a dot"),
        ("/?file=..%2fx", "starts with a dot"),
        ("/?file=a%2Fb", "separator"),
        ("/?file=a%5Cb", "separator"),
        ("/?file=a%252fb", "separator"),
        ("/?file=%2Fetc%2Fpasswd", "separator"),
        ("/?file=a%00b", "control"),
        ("/?file=a%0Ab", "control"),
        ("/?file=.hidden", "starts with a dot"),
        ("/?file=%ff", "not UTF-8"),
        ("/", "empty"),
        ("/link", "symbolic link"),
        (&long, "more than the 255"),
    ] {
        let answer = put(&server, target, "x");
        assert_eq!(status(&answer), 400, "{target}: {answer}");
        assert!(answer.contains(reason), "{target}: {answer}");
    }
    assert_eq!(visible(&folder), ["link"]);
    assert_eq!(status(&get(&server, "/link", "")), 400);
    assert_eq!(status(&get(&server, "/..%2f..%2fetc%2fpasswd", "")), 400);
}

#[test]
fn saved_files_are_given_whole_in_part_or_as_a_head() {
    let (folder, server) = saving();
    fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
    let whole = get(&server, "/a.txt", "");
    assert!(status(&whole) == 200 && whole.ends_with("\r\n\r\n0123456789"), "{whole}");
    assert!(whole.contains("content-type: text/plain") && whole.contains("content-length: 10"), "{whole}");
    let part = get(&server, "/a.txt", "range: bytes=2-4\r\n");
    assert!(status(&part) == 206 && part.ends_with("\r\n\r\n234"), "{part}");
    assert!(part.contains("content-range: bytes 2-4/10"), "{part}");
    assert_eq!(status(&get(&server, "/a.txt", "range: bytes=10-\r\n")), 416);
    assert_eq!(status(&get(&server, "/none", "")), 404);
    let head = server.raw(b"HEAD /a.txt HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(
        status(&head) == 200 && head.contains("content-length: 10") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn bad_requests_get_the_right_status() {
    let (_folder, server) = saving_with(&["--max-body", "1000", "--max-chunk", "1KiB"]);
    assert_eq!(status(&get(&server, "/?size=x", "")), 400);
    assert_eq!(status(&get(&server, "/?size=1&chunk=2KiB", "")), 400);
    assert_eq!(status(&get(&server, "/?size=5000", "")), 200);
    assert_eq!(status(&put(&server, "/big", &"x".repeat(1001))), 413);
    let chunked =
        "PUT /big HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(0x400));
    assert_eq!(status(&server.raw((chunked.to_owned() + &body).as_bytes())), 413);
    assert_eq!(status(&server.raw((chunked.to_owned() + "zz\r\nabc").as_bytes())), 400);
    let delete = server.raw(b"DELETE /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(status(&delete) == 405 && delete.contains("allow: GET, HEAD, PUT, POST"), "{delete}");
    let fields: String = (0..200).map(|i| format!("x-{i}: y\r\n")).collect();
    assert_eq!(status(&get(&server, "/", &fields)), 431);
    assert_eq!(status(&get(&server, "/", &format!("x: {}\r\n", "y".repeat(100_000)))), 431);
    assert_eq!(status(&server.raw(b"nonsense\r\n\r\n")), 400);
    let page = get(&server, "/", "");
    assert!(status(&page) == 200 && page.contains("longhaul send"), "{page}");
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_or_a_refusal() {
    let (_folder, server) = saving();
    let head = |target: &str| {
        format!(
            "PUT {target} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.write_all(head("/a").as_bytes()).unwrap();
    let mut continued = [0; 25];
    stream.read_exact(&mut continued).unwrap();
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201 Created");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing_visible() {
    let (folder, server) = saving();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.cleartext()).unwrap();
        stream
            .write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nsome")
            .unwrap();
        sleep(Duration::from_millis(100));
    }
    assert_eq!(visible(&folder), Vec::<String>::new());
    assert_eq!(status(&put(&server, "/b", "after")), 201);
}

#[test]
fn a_killed_server_leaves_nothing_and_its_successor_removes_what_an_older_one_left() {
    let (folder, server) = saving();
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nsome").unwrap();
    wait(|| common::open_files(server.pid().as_raw(), folder.path()) == 1);
    server.stop(Signal::SIGKILL);
    let left = || fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left(), 0);
    let old = fs::File::create(folder.path().join(".longhaul-1-0.part")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    let sink = format!("save:{}", folder.path().display());
    let _next = Server::start(&["--sink", &sink]);
    assert_eq!(left(), 0);
}

#[test]
fn slow_and_silent_clients_are_disconnected_and_others_are_served() {
    let (folder, server) = saving_with(&[
        "--header-timeout",
        "1s",
        "--idle-timeout",
        "1s",
        "--handshake-timeout",
        "1s",
        "--max-connections",
        "300",
    ]);
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(server.cleartext()).unwrap()).collect();
    let mut slow_head = TcpStream::connect(server.cleartext()).unwrap();
    slow_head.write_all(b"GET / HTTP/1.1\r\nhost").unwrap();
    let mut slow_body = TcpStream::connect(server.cleartext()).unwrap();
    slow_body.write_all(b"PUT /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nsome").unwrap();
    let mut slow_tls = TcpStream::connect(server.tls()).unwrap();
    assert_eq!(status(&put(&server, "/fast", "hello")), 201);
    for stream in [&mut slow_head, &mut slow_body, &mut slow_tls] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
    }
    drop(idle);
    assert_eq!(visible(&folder), ["fast"]);
}

#[test]
fn a_reader_that_stops_is_disconnected() {
    let server = Server::start(&["--idle-timeout", "1s", "--max-connections", "1"]);
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.write_all(b"GET /?size=1000GiB HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    // The only place is occupied until the server disconnects this client.
    assert_eq!(status(&get(&server, "/", "")), 200);
}

#[test]
fn a_running_transfer_ends_before_the_server_does() {
    let (folder, server) = saving();
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n01234").unwrap();
    wait(|| common::open_files(server.pid().as_raw(), folder.path()) == 1);
    nix::sys::signal::kill(server.pid(), Signal::SIGTERM).unwrap();
    sleep(Duration::from_millis(300));
    stream.write_all(b"56789").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 201);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"0123456789");
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
}

#[test]
fn a_transfer_that_takes_longer_than_the_grace_is_cut_off() {
    let (_folder, server) = saving_with(&["--grace", "500ms", "--idle-timeout", "1h"]);
    let mut stream = TcpStream::connect(server.cleartext()).unwrap();
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n01234").unwrap();
    sleep(Duration::from_millis(200));
    // The test would never end if the server waited for the other five bytes.
    assert_eq!(server.stop(Signal::SIGINT), Some(0));
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.contains("201"), "{answer}");
}

#[test]
fn responses_over_tls_announce_http_3() {
    let server = Server::start(&[]);
    let plain = get(&server, "/", "");
    assert!(!plain.contains("alt-svc"), "{plain}");
    for (protocol, tls) in http().map(|row| (row.name, row.is_encrypted())).filter(|(_, tls)| *tls) {
        assert!(server.client("fetch", protocol, "/", &[]).status.success(), "{protocol} {tls}");
    }
}

#[test]
fn a_port_in_use_and_a_folder_that_cannot_be_are_exit_1() {
    let server = Server::start(&[]);
    for (args, expected) in [
        (["--listen", server.cleartext()], "cannot listen on"),
        (["--listen-tls", server.tls()], "cannot listen on"),
        (["--sink", "save:/proc/no/folder"], "cannot save into /proc/no/folder"),
        (["--sink", "save:/proc"], "cannot save into /proc"),
    ] {
        let output = common::run(&[&["serve"][..], &args].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(expected) && output.stdout.is_empty(), "{stderr}");
    }
}

fn wait(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the condition never held");
}
