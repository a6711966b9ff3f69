//! The shutdown of a server: running transfers, and the grace period.

use std::{fs, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::running::{Running, names, open_files, read, saving, wait_for};

/// Sends the first five bytes of an upload of ten, and waits until the server has begun to save them.
async fn begin_upload(server: &Running, folder: &tempfile::TempDir) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n01234").await.unwrap();
    wait_for(|| open_files(folder) == 1).await;
    stream
}

#[tokio::test]
async fn a_running_transfer_ends_before_the_server_does() {
    let (folder, options) = saving();
    let server = Running::start(options);
    let mut upload = begin_upload(&server, &folder).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let stopped = server.stop();
    // An idle connection is closed at once.
    timeout(Duration::from_secs(5), read(&mut idle)).await.unwrap();
    assert!(!stopped.is_finished());
    upload.write_all(b"56789").await.unwrap();
    let answer = read(&mut upload).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"0123456789");
    timeout(Duration::from_secs(5), stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn running_transfers_have_the_whole_grace() {
    let (folder, options) = saving();
    let server = Running::start_with_grace(options, Duration::from_secs(60));
    let mut upload = begin_upload(&server, &folder).await;
    let mut download = server.connect().await;
    let head = "GET /?size=64MiB HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    download.write_all(head.as_bytes()).await.unwrap();
    download.read_exact(&mut [0; 100]).await.unwrap();
    let stopped = server.stop();
    // The time exceeds that of a connection that is cut off.
    sleep(Duration::from_millis(2500)).await;
    upload.write_all(b"56789").await.unwrap();
    assert!(read(&mut upload).await.starts_with("HTTP/1.1 201"));
    let mut length = 0;
    let mut buffer = vec![0; 1 << 20];
    while let got @ 1.. = download.read(&mut buffer).await.unwrap() {
        length += got;
    }
    // The count also includes the head and the chunk sizes.
    assert!(length >= 64 << 20, "{length}");
    timeout(Duration::from_secs(20), stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_transfer_that_takes_longer_than_the_grace_is_cut_off() {
    let (folder, options) = saving();
    let server = Running::start_with_grace(options, Duration::from_millis(200));
    let mut upload = begin_upload(&server, &folder).await;
    timeout(Duration::from_secs(5), server.stop()).await.unwrap().unwrap();
    // The unfinished file is gone once the server has ended.
    assert_eq!(names(&folder), Vec::<String>::new());
    let answer = read(&mut upload).await;
    assert!(!answer.contains("201"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_a_place_does_not_delay_the_end() {
    let (folder, mut options) = saving();
    options.max_connections = 1;
    let server = Running::start(options);
    let mut upload = begin_upload(&server, &folder).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let stopped = server.stop();
    upload.write_all(b"56789").await.unwrap();
    assert!(read(&mut upload).await.starts_with("HTTP/1.1 201"));
    assert_eq!(read(&mut waiting).await, "");
    timeout(Duration::from_secs(5), stopped).await.unwrap().unwrap();
}
