//! Tests of the bound on small frames.

use std::future::poll_fn;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Duration, timeout},
};

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn small(parser: &mut Parser, bytes: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    parser.parse(bytes, |id| found.push(id));
    found
}

#[test]
fn small_frames_of_data_are_found_however_they_are_cut() {
    let padded = [&[250][..], &[7; 3], &[0; 250]].concat();
    let bytes = [
        vec![0; PREFACE as usize],
        frame(DATA, 0, 1, b"x"),
        frame(1, 4, 3, b"head"),
        frame(DATA, 0, 3, &[7; 300]),
        frame(DATA, 0, 3, b""),
        frame(DATA, PADDED, 5, &padded),
        frame(DATA, 1, 0x8000_0007, &[7; 255]),
    ]
    .concat();
    assert_eq!(small(&mut Parser::default(), &bytes), [1, 5, 7]);
    for cut in 0..bytes.len() {
        let mut parser = Parser::default();
        let found = [small(&mut parser, &bytes[..cut]), small(&mut parser, &bytes[cut..])].concat();
        assert_eq!(found, [1, 5, 7], "cut at {cut}");
    }
}

fn counted() -> (Counted<DuplexStream>, DuplexStream, SmallFrames) {
    let ((near, far), frames) = (duplex(1 << 20), SmallFrames::default());
    (Counted::new(near, Some(frames.clone())), far, frames)
}

/// Reads as long as something comes at once.
async fn read(near: &mut Counted<DuplexStream>) -> usize {
    let (mut read, mut space) = (0, vec![0; 16 << 10]);
    while let Ok(length) = timeout(Duration::from_millis(50), near.read(&mut space)).await {
        read += length.unwrap();
    }
    read
}

#[tokio::test]
async fn a_connection_is_not_read_while_many_small_frames_wait() {
    let (mut near, mut far, frames) = counted();
    let waiting = frames.stream(1);
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&frame(DATA, 0, 1, b"x").repeat(10_000)).await.unwrap();
    let first = read(&mut near).await;
    assert!(first < (MOST as usize + 70) * 10, "{first} bytes were read");
    (0..10).for_each(|_| waiting.taken(1));
    let mut more = 0;
    for _ in 0..MOST {
        waiting.taken(1);
        more += read(&mut near).await;
        if more > 0 {
            break;
        }
    }
    assert!(more > 0 && more < 1000, "{more} bytes were read");
    drop(waiting);
    assert_eq!(first + more + read(&mut near).await, PREFACE as usize + 100_000);
}

#[tokio::test]
async fn a_stopped_reader_is_woken() {
    let (mut near, mut far, frames) = counted();
    let waiting = frames.stream(1);
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&frame(DATA, 0, 1, b"x").repeat(1000)).await.unwrap();
    read(&mut near).await;
    let mut space = [0; 100];
    let mut buffer = ReadBuf::new(&mut space);
    let reading = poll_fn(|cx| Pin::new(&mut near).poll_read(cx, &mut buffer));
    let (read, ()) = tokio::join!(reading, async { drop(waiting) });
    read.unwrap();
    assert!(!buffer.filled().is_empty());
}
