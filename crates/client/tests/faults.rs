//! Tests of servers that are unreachable, refuse, stall or break off. Each gives a fault of the right kind in the
//! record, and no transfer hangs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use longhaul_client::{Client, Download, Options, Output, Target, Transfer, Upload};
use record::{Build, ByteSize, Fault, FaultKind, PayloadKind, Protocol};
use transport::Trust;

/// The state of a connection after the response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The connection stays open, and nothing arrives.
    Silence,
    /// The connection is closed.
    Close,
}

/// Starts a server that reads `read` bytes of each connection and then sends `answer`. Returns the URL.
fn scripted(read: usize, answer: impl Into<String>, after: Ending) -> String {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = vec![0; read];
            let _ = stream.read_exact(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
            if after == Ending::Silence {
                held.push(stream);
            }
        }
    });
    url
}

async fn run(url: &str, transfer: impl Into<Transfer>, timeout: Duration) -> Result<(), Fault> {
    run_with(Options::default().with_timeout(timeout), url, transfer).await
}

async fn run_with(options: Options, url: &str, transfer: impl Into<Transfer>) -> Result<(), Fault> {
    let options = options.with_trust(Trust::AnyCertificate);
    let client = Client::new(options, Build::default());
    let record = client.run(&Target::parse(url).unwrap(), transfer, |_| {}).await.record;
    assert_eq!(record.is_ok(), record.error.is_none());
    assert!(record.is_ok() || record.elapsed_s.is_none(), "a failed transfer has no goodput");
    record.error.map_or(Ok(()), Err)
}

async fn fetch(url: &str) -> Fault {
    run(url, Download::new(Output::verify()), Duration::from_secs(1)).await.unwrap_err()
}

async fn send(url: &str, size: u64) -> Result<(), Fault> {
    let upload = Upload::new(PayloadKind::Random).unwrap().with_size(ByteSize(size)).unwrap();
    run(url, upload, Duration::from_secs(1)).await
}

fn assert_fault(fault: &Fault, kind: FaultKind, part: &str) {
    assert!(fault.kind == kind && fault.message.contains(part), "{fault:?} instead of {kind:?}: {part}");
}

#[tokio::test]
async fn a_server_that_stalls_is_a_timeout() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    let fault = fetch(&scripted(10, half, Ending::Silence)).await;
    assert_fault(&fault, FaultKind::Timeout, "no byte moved for 1 s");
    let fault = send(&scripted(200, "", Ending::Silence), 1 << 30).await.unwrap_err();
    assert_fault(&fault, FaultKind::Timeout, "no byte moved for 1 s");
}

#[tokio::test]
async fn waiting_for_a_response_is_no_stall_and_ends_by_the_maximum_time() {
    let patient = || Options::default().with_timeout(Duration::from_millis(300));
    let limited = || patient().with_max_time(Duration::from_millis(1500));
    let began = metrics::Stamp::now();
    let silent = scripted(10, "", Ending::Silence);
    let download = Download::new(Output::verify());
    let fault = run_with(limited(), &silent, download).await.unwrap_err();
    assert_fault(&fault, FaultKind::Timeout, "maximum time of 1.5 s");
    let upload = Upload::new(PayloadKind::Random).unwrap().with_size(ByteSize(1)).unwrap();
    let fault = run_with(limited(), &silent, upload).await.unwrap_err();
    assert_fault(&fault, FaultKind::Timeout, "maximum time of 1.5 s");
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_fault() {
    let fault = fetch(&scripted(10, "", Ending::Close)).await;
    assert_fault(&fault, FaultKind::Protocol, "HTTP/1.1");
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    assert_fault(&fetch(&scripted(10, half, Ending::Close)).await, FaultKind::Truncated, "after 3 bytes");
    let damaged = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_fault(&fetch(&scripted(10, damaged, Ending::Silence)).await, FaultKind::Truncated, "broke off");
    send(&scripted(10, "", Ending::Close), 1 << 30).await.unwrap_err();
}

#[tokio::test]
async fn a_refused_status_is_a_fault_that_quotes_the_server() {
    let refused = "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nwhy?";
    let fault = fetch(&scripted(10, refused, Ending::Silence)).await;
    assert_fault(&fault, FaultKind::Http, "500 Internal Server Error: why?");
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n";
    let fault = fetch(&scripted(10, redirect, Ending::Silence)).await;
    assert_fault(&fault, FaultKind::Http, "to /b, which is not followed");
    let forbidden = "HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nbad\n";
    let fault = send(&scripted(10, forbidden, Ending::Silence), 1 << 30).await.unwrap_err();
    assert_fault(&fault, FaultKind::Http, "403 Forbidden: bad");
}

#[tokio::test]
async fn a_refused_download_touches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "before").unwrap();
    let url = scripted(10, "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", Ending::Silence);
    let download = Download::new(Output::file(&path).unwrap());
    run(&url, download, Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_upload_is_whole_only_if_the_server_confirmed_all_of_it() {
    let receipt = r#"{"bytes":1,"algorithm":"xxh3-128","digest":"00","saved":null,"elapsed_s":0.1}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{receipt}", receipt.len());
    let fault = send(&scripted(100, answer, Ending::Silence), 2).await.unwrap_err();
    assert_fault(&fault, FaultKind::Integrity, "2 bytes were sent, 1 were received");

    let early = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    send(&scripted(100, early, Ending::Silence), 2).await.unwrap();
    let fault = send(&scripted(100, early, Ending::Silence), 1 << 30).await.unwrap_err();
    assert_fault(&fault, FaultKind::Truncated, "bytes of 1073741824 bytes");
}

#[tokio::test]
async fn a_file_that_shrank_is_a_payload_fault_although_the_server_is_silent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let upload = Upload::new(PayloadKind::File(file.path().into())).unwrap();
    file.as_file().set_len(10).unwrap();
    let url = scripted(10, "", Ending::Silence);
    let fault = run(&url, upload, Duration::from_secs(5)).await.unwrap_err();
    assert_fault(&fault, FaultKind::Payload, "shrank");
}

#[tokio::test]
async fn an_unreachable_server_is_a_fault_of_connecting() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fault = send(&format!("http://127.0.0.1:{port}/"), 1).await.unwrap_err();
    assert_fault(&fault, FaultKind::Connect, "cannot connect");
    let fault = fetch("http://no-such-name.invalid/").await;
    assert_fault(&fault, FaultKind::Connect, "cannot find no-such-name.invalid");
}

/// A UDP socket without a reader behaves like a firewall that drops datagrams.
#[tokio::test]
async fn a_handshake_without_an_answer_is_a_timeout() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("https://{}/", silent.local_addr().unwrap())).unwrap();
    let target = target.with_protocol(Protocol::by_name("h3")).unwrap();
    let options = Options::default().with_timeout(Duration::from_millis(500));
    let client = Client::new(options.with_trust(Trust::AnyCertificate), Build::default());
    let record = client.run(&target, Download::new(Output::verify()), |_| {}).await.record;
    assert_fault(&record.error.unwrap(), FaultKind::Timeout, "no handshake");
    assert_eq!((record.receiver, record.link), (None, None));
}
