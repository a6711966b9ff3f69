//! Tests of bodies to and from a longhaul server, over real sockets.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::common::{Honesty, client, protocols, serve};
use longhaul_client::{Download, Options, Output, TransferReport, Upload};
use payload::Payload;
use record::{ByteSize, ChunkSize, DEFAULT_SEED, FaultKind, PayloadKind, Protocol, Purpose, Rate};
use tokio::io::AsyncReadExt as _;

/// The size of a body: not a multiple of a chunk, and several windows of every protocol.
const SIZE: ByteSize = ByteSize(5_000_003);

fn h1c() -> &'static Protocol {
    Protocol::by_name("h1c").unwrap()
}

/// Returns the bytes that the server generates.
async fn generated(size: u64) -> Vec<u8> {
    use http_body_util::BodyExt as _;
    let payload = Payload::prepare(&PayloadKind::Random, DEFAULT_SEED, ChunkSize::DEFAULT);
    let meter = metrics::Meter::new(1);
    let body = sender::MeteredBody::new(payload.open(size).unwrap(), meter);
    body.collect().await.unwrap().to_bytes().to_vec()
}

async fn upload(upload: Upload, honesty: Honesty) -> TransferReport {
    let (url, options) = serve(h1c(), honesty);
    let (client, target) = client(options, &url, h1c());
    client.run(&target, upload, |_| {}).await
}

async fn download(path: &str, output: Output, honesty: Honesty) -> TransferReport {
    let (url, options) = serve(h1c(), honesty);
    let (client, target) = client(options, &(url + path), h1c());
    client.run(&target, Download::new(output), |_| {}).await
}

#[tokio::test]
async fn an_upload_is_confirmed_and_measured_by_every_protocol() {
    for protocol in protocols() {
        let (url, options) = serve(protocol, Honesty::Honest);
        let (client, target) = client(options, &url, protocol);
        let upload = Upload::new(PayloadKind::Random).unwrap().with_size(SIZE).unwrap();
        let upload = upload.with_chunk(ChunkSize::try_from(65_563).unwrap()).with_seed(7);
        let TransferReport { record, receipt, .. } = client.run(&target, upload, |_| {}).await;
        assert_eq!((record.error, record.receiver), (None, None), "{}", protocol.name);
        assert!(record.integrity.unwrap().matches);
        assert_eq!(receipt.unwrap().bytes, SIZE.0);
        let name = format!("{}/up/65563B/5000003B+seed=7", protocol.name);
        assert!(record.case.key().to_string().starts_with(&name), "{}", record.case.key());
        assert_eq!(record.limits, Options::default().limits);
        let sender = record.sender.unwrap();
        assert_eq!(sender.bytes, SIZE.0);
        assert!(sender.memory.peak_rss_bytes.is_some() && sender.memory.budget_bytes.is_some());
        assert!(record.goodput_bytes_per_s.unwrap() > 0.0 && record.handshake_s.unwrap() > 0.0);
    }
}

#[tokio::test]
async fn an_upload_may_announce_its_length_by_every_protocol() {
    for protocol in protocols() {
        let (url, options) = serve(protocol, Honesty::Honest);
        let (client, target) = client(options, &url, protocol);
        let upload = Upload::new(PayloadKind::Random).unwrap().with_size(SIZE).unwrap();
        let report = client.run(&target, upload.announcing_length().unwrap(), |_| {}).await;
        assert_eq!(report.record.error, None, "{}", protocol.name);
        assert_eq!(report.receipt.unwrap().bytes, SIZE.0);
    }
}

#[tokio::test]
async fn a_hasty_confirmation_is_no_success_by_any_protocol() {
    for protocol in protocols() {
        for chunk in [64 << 10, 64 << 20] {
            let (url, options) = serve(protocol, Honesty::Hasty);
            let (client, target) = client(options, &url, protocol);
            let upload = Upload::new(PayloadKind::Zero).unwrap().with_size(ByteSize(64 << 20)).unwrap();
            let upload = upload.with_chunk(ChunkSize::try_from(chunk).unwrap());
            let record = client.run(&target, upload, |_| {}).await.record;
            let fault = record.error.unwrap();
            assert_eq!(fault.kind, FaultKind::Truncated, "{} {chunk}: {fault:?}", protocol.name);
            assert_eq!(record.goodput_bytes_per_s, None);
        }
    }
}

#[tokio::test]
async fn a_download_is_verified_and_measured_by_every_protocol() {
    for protocol in protocols() {
        let (url, options) = serve(protocol, Honesty::Honest);
        let (client, target) = client(options, &format!("{url}/?size={}", SIZE.0), protocol);
        let TransferReport { record, .. } =
            client.run(&target, Download::new(Output::verify()), |_| {}).await;
        assert_eq!((record.error, record.sender), (None, None), "{}", protocol.name);
        assert!(record.integrity.unwrap().matches);
        assert_eq!((record.case.body, record.receiver.unwrap().bytes), (SIZE, SIZE.0));
        assert!(record.first_byte_s.is_some() && record.case.spin.is_none());
    }
}

#[tokio::test]
async fn a_record_states_the_peer_the_label_and_the_purpose() {
    let (url, options) = serve(h1c(), Honesty::Honest);
    let with_user = url.replace("http://", "http://user:secret@") + "?size=3";
    let (client, target) = client(options, &with_user, h1c());
    let first = client.run(&target, Download::new(Output::verify()), |_| {}).await.record;
    assert_eq!(first.peer, Some(url + "/?size=3"));
    assert_eq!((first.label.as_deref(), first.purpose), (Some("a label"), Some(Purpose::Measure)));
    assert_eq!((first.spin_us, first.round), (Some(0.0), 0));
    let second = client.run(&target, Download::new(Output::verify()), |_| {}).await.record;
    assert_eq!(first.run_id, second.run_id);
}

#[tokio::test]
async fn a_file_goes_up_with_its_own_size_and_digest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..SIZE.0 as u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    fs::write(file.path(), &content).unwrap();
    let kind = PayloadKind::File(file.path().into());
    let record = upload(Upload::new(kind).unwrap(), Honesty::Honest).await.record;
    assert_eq!((record.error, record.case.body), (None, SIZE));
    assert_eq!(record.first_byte_s, None, "only the server knows");
    let mut hasher = payload::Hasher::new();
    hasher.update(&content);
    assert_eq!(record.integrity.unwrap().received, hasher.digest().to_string());
}

/// The environment variable with the URL for the child process of a test, whose standard input is the body.
const STDIN_URL: &str = "LONGHAUL_TEST_STDIN_URL";

#[tokio::test]
async fn standard_input_of_unknown_length_is_sent_whole() {
    let (url, options) = serve(h1c(), Honesty::Honest);
    let name = "transfers::standard_input_of_unknown_length_is_sent_whole";
    if let Ok(url) = std::env::var(STDIN_URL) {
        let (client, target) = client(options, &url, h1c());
        let record = client.run(&target, Upload::new(PayloadKind::Stdin).unwrap(), |_| {}).await.record;
        assert_eq!((record.error, record.case.body), (None, SIZE));
        assert!(record.integrity.unwrap().matches);
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let mut child = child.args(["--exact", name]).env(STDIN_URL, url).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writing = thread::spawn(move || input.write_all(&vec![7; SIZE.0 as usize]));
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    writing.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_has_other_content_is_a_fault_of_integrity() {
    let body = Upload::new(PayloadKind::Random).unwrap().with_size(SIZE).unwrap();
    let sent = upload(body, Honesty::Lying).await.record;
    let received = download("/?size=1MiB", Output::verify(), Honesty::Lying).await.record;
    for record in [sent, received] {
        assert_eq!(record.error.unwrap().kind, FaultKind::Integrity);
        assert!(!record.integrity.unwrap().matches);
    }
}

#[tokio::test]
async fn a_file_appears_with_the_whole_body_and_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for size in [3_000_000, 10] {
        let output = Output::file(&path).unwrap();
        let report = download(&format!("/?size={size}"), output, Honesty::Honest).await;
        assert_eq!(report.record.error, None);
        assert!(fs::read(&path).unwrap() == generated(size).await);
    }
    assert_eq!(entries(folder.path()), 1);
}

#[tokio::test]
async fn a_writer_and_a_pipe_get_the_whole_body() {
    let (near, mut far) = tokio::io::duplex(1000);
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.map(|_| read)
    });
    download("/?size=1000000", Output::writer(near), Honesty::Honest).await;
    assert!(reading.await.unwrap().unwrap() == generated(1_000_000).await);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let reading = thread::spawn(move || {
        let mut read = vec![0; 1_000_000];
        reader.read_exact(&mut read).map(|()| read)
    });
    let output = Output::file(&path).unwrap();
    assert_eq!(download("/?size=1000000", output, Honesty::Honest).await.record.error, None);
    assert!(reading.join().unwrap().unwrap() == generated(1_000_000).await);
    assert_eq!(entries(folder.path()), 1, "the pipe is still there, and nothing else");
}

#[tokio::test]
async fn a_cancelled_download_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (url, options) = serve(h1c(), Honesty::Honest);
    let (client, target) = client(options, &(url + "/?size=1GiB"), h1c());
    let output = Output::file(folder.path().join("a")).unwrap();
    let slow = Download::new(output).with_reader_rate(Rate::try_from(10 << 20).unwrap());
    let run = client.run(&target, slow, |_| {});
    tokio::time::timeout(Duration::from_millis(300), run).await.unwrap_err();
    // The file is removed when the present write has ended, so the test waits for it.
    for _ in 0..200 {
        if entries(folder.path()) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a file was left behind");
}

#[tokio::test]
async fn heartbeats_report_bytes_and_memory() {
    let (url, options) = serve(h1c(), Honesty::Honest);
    let (client, target) = client(options, &url, h1c());
    let upload = Upload::new(PayloadKind::Zero).unwrap().with_size(ByteSize(6 << 20)).unwrap();
    let upload = upload.with_limit_rate(Rate::try_from(10 << 20).unwrap());
    let heartbeats = std::cell::RefCell::new(Vec::new());
    let report = client.run(&target, upload, |heartbeat| heartbeats.borrow_mut().push(heartbeat)).await;
    assert!(report.record.elapsed_s.unwrap() > 0.5, "the rate holds");
    let heartbeats = heartbeats.into_inner();
    assert!(heartbeats.len() >= 2 && heartbeats.iter().all(|heartbeat| heartbeat.rss_bytes.is_some()));
    assert!(heartbeats.last().unwrap().bytes > 0);
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}
