//! The end of a transfer over HTTP/3: the peer is told, and does not wait for its idle timeout.

use std::{
    fs,
    path::Path,
    process::{Child, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::common::{
    http3::{Client, HEADERS, SETTINGS, frame, section},
    longhaul,
    server::Server,
    text, wait,
};

/// Starts a slow transfer over HTTP/3, which has begun when this function returns.
fn started(server: &Server, command: &str, args: &[&str]) -> Child {
    let (url, certificate) = (server.url(true, args[0]), server.certificate());
    let trust = ["--protocol", "h3", "--quiet", "--cacert", certificate.to_str().unwrap()];
    let mut process = longhaul(&[&[command, &url][..], &trust, &args[1..]].concat());
    let process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_secs(1));
    process
}

/// Returns the lines of an access log.
fn requests(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn an_interrupted_transfer_ends_its_request_at_the_server() {
    let out = tempfile::tempdir().unwrap();
    let log = out.path().join("log");
    let server = Server::start_with_stderr(&["--access-log"], &log);
    let transfers: [(&str, &[&str]); 2] = [
        ("send", &["/a", "--size", "100GiB", "--limit-rate", "50MiB"]),
        ("fetch", &["/?size=100GiB", "--reader-rate", "50MiB"]),
    ];
    for (ended, (command, args)) in transfers.into_iter().enumerate() {
        let mut process = started(&server, command, args);
        kill(Pid::from_raw(process.id() as i32), Signal::SIGINT).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(130), "{command}");
        // The idle timeout of the server is 30 s.
        wait(|| requests(&log).len() > ended);
        let duration = requests(&log)[ended]["duration_s"].as_f64().unwrap();
        assert!(duration < 15.0, "{command}: {duration} s");
    }
}

#[test]
fn a_refused_upload_leaves_no_connection() {
    let out = tempfile::tempdir().unwrap();
    let token = out.path().join("token");
    fs::write(&token, "aaaabbbbccccddddeeeeffff00001111").unwrap();
    let server = Server::start(&["--token-file", token.to_str().unwrap()]);
    let Output { status, stderr, .. } = server.client("send", "h3", "/a", &["--size", "8MiB"]);
    assert_eq!(status.code(), Some(1));
    assert!(text(&stderr).contains("401"), "{}", text(&stderr));
    let health = || {
        let answer =
            server.raw(b"GET /.longhaul/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    };
    // The connection that asks is open.
    wait(|| health()["connections"]["open"] == 1);
}

#[tokio::test]
async fn a_second_signal_to_a_server_tells_its_clients() {
    let server = Server::start(&["--grace", "60s"]);
    let mut client = Client::connect(server.tls().parse().unwrap(), &server.certificate()).await;
    client.open_uni(&[&[0][..], &frame(SETTINGS, &[])].concat()).await;
    let get = frame(HEADERS, &section("GET", "/?size=100GiB", &[]));
    client.begin(&get).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..2 {
        kill(server.pid(), Signal::SIGTERM).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(client.close_code().await.is_some());
}
