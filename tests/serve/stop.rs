//! The end of a server: signals, ports, and notices to clients.

use std::{
    fs::File,
    io::{ErrorKind, Read as _, Write as _, pipe},
    net::{TcpListener, TcpStream},
    os::{
        fd::AsRawFd as _,
        unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
    },
    path::Path,
    process::Stdio,
    thread::sleep,
    time::Duration,
};

use metrics::Stamp;
use nix::sys::signal::{Signal, kill};

use crate::common::{self, Out, server::Server};

/// Returns a server with a running upload of ten bytes, of which five are sent.
fn uploading() -> (Server, TcpStream) {
    let server = Server::start(&["--grace", "20s"]);
    let mut upload = TcpStream::connect(server.cleartext()).unwrap();
    upload.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    upload.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n01234").unwrap();
    sleep(Duration::from_millis(300));
    (server, upload)
}

/// Binds an address as soon as it is free.
fn bind(addr: &str) -> TcpListener {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind(addr) {
            return listener;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{addr} is still taken");
}

#[test]
fn ports_are_released_at_once_and_a_running_upload_ends() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (server, mut upload) = uploading();
        kill(server.pid(), signal).unwrap();
        let _successors = [bind(server.cleartext()), bind(server.tls())];
        upload.write_all(b"56789").unwrap();
        let mut answer = String::new();
        upload.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer}");
        assert_eq!(server.stop(Signal::SIGCONT), Some(0));
    }
}

#[test]
fn a_log_that_takes_no_line_stops_neither_transfers_nor_the_server() {
    let out = Out::new();
    let sink = format!("save:{}", out.text());
    for flags in [&["--access-log"][..], &["--access-log", "--log-format", "json"]] {
        let args = [&["--sink", &sink], flags].concat();
        let server = Server::start_with_stderr(&args, Path::new("/dev/full"));
        // Each upload has a line in the log, and the second one says that it replaces the file of the first.
        for _ in 0..2 {
            let answer = server.raw(
                b"PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\n0",
            );
            assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        }
        assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    }
}

/// Fills a pipe, which nobody reads, to its last byte.
fn fill(pipe: &Path) {
    // Opened anew, so that the other writers of the pipe stay blocking ones.
    let mut filler = File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(pipe).unwrap();
    for length in [1000, 1] {
        loop {
            match filler.write_all(&vec![b'x'; length]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_reader_of_stderr_that_stops_delays_neither_transfers_nor_the_end() {
    let out = Out::new();
    let sink = format!("save:{}", out.text());
    let upload = "PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\n0";
    let get = "GET /?size=1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    // The second upload says that it replaces a file. The downloads have more lines than may wait.
    let requests = upload.repeat(2) + &get.repeat(1100) + last;
    for flags in [&[][..], &["--access-log"], &["--verbose", "--access-log", "--log-format", "json"]] {
        let (_unread, stderr) = pipe().unwrap();
        let path = format!("/proc/self/fd/{}", stderr.as_raw_fd());
        let args = [&["--sink", &sink], flags].concat();
        let server = Server::start_with_stderr(&args, Path::new(&path));
        fill(Path::new(&path));
        let answers = server.raw(requests.as_bytes());
        let of = |status: &str| answers.matches(status).count();
        assert_eq!([of("HTTP/1.1 201 "), of("HTTP/1.1 200 ")], [2, 1101], "{flags:?}: {answers}");
        let began = Stamp::now();
        assert_eq!(server.stop(Signal::SIGTERM), Some(0), "{flags:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{flags:?}: {:?}", began.elapsed());
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let (server, _upload) = uploading();
    kill(server.pid(), Signal::SIGTERM).unwrap();
    drop(bind(server.cleartext()));
    let began = Stamp::now();
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "the grace period was waited for");
}

#[test]
fn a_client_of_http_2_is_told_at_once() {
    let (server, _upload) = uploading();
    let mut client = TcpStream::connect(server.cleartext()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    client.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()).unwrap();
    sleep(Duration::from_millis(300));
    kill(server.pid(), Signal::SIGTERM).unwrap();
    const GOAWAY: u8 = 7;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).unwrap();
        if head[3] == GOAWAY {
            return;
        }
        let mut rest = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.read_exact(&mut rest).unwrap();
    }
}

#[test]
fn nohup_keeps_a_server_alive() {
    let program = env!("CARGO_BIN_EXE_longhaul");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("trap '' HUP; exec {program} serve")]).stdin(Stdio::null());
    let server = Server::spawn(command);
    kill(server.pid(), Signal::SIGHUP).unwrap();
    sleep(Duration::from_millis(300));
    assert!(
        server
            .raw(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 200")
    );
}

#[test]
fn guards_beyond_reason_are_usage_errors() {
    for (flag, value) in [
        ("--max-header-count", "18446744073709551615"),
        ("--max-header-count", "0"),
        ("--header-timeout", "9000000000000000000s"),
        ("--idle-timeout", "25h"),
        ("--handshake-timeout", "25h"),
        ("--max-requests", "0"),
        ("--min-chunk", "2MiB"),
        ("--max-connections-per-address", "0"),
    ] {
        let output = common::run(&["serve", flag, value]);
        assert_eq!((output.status.code(), output.status.signal()), (Some(2), None), "{flag} {value}");
    }
}
