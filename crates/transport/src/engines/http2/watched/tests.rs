//! Tests of counting frames.

use std::future::poll_fn;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Duration, timeout},
};

use super::{
    super::{frame_heads::PREFACE, small_frames::MOST},
    *,
};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn watched() -> (Watched<DuplexStream, Watch>, DuplexStream, Watch) {
    let ((near, far), watch) = (duplex(1 << 20), Watch::new(16 << 10));
    (Watched::new(near, Some(watch.clone())), far, watch)
}

/// Reads as long as data is available at once. Returns the number of bytes.
async fn read(near: &mut Watched<DuplexStream, impl FrameWatch>) -> usize {
    let (mut read, mut space) = (0, vec![0; 16 << 10]);
    while let Ok(length) = timeout(Duration::from_millis(50), near.read(&mut space)).await {
        read += length.unwrap();
    }
    read
}

#[tokio::test]
async fn a_connection_is_not_read_while_many_small_frames_wait() {
    let (mut near, mut far, watch) = watched();
    let waiting = watch.small_frames.stream(1);
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&frame(0, 0, 1, b"x").repeat(10_000)).await.unwrap();
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
async fn a_connection_is_not_read_while_a_head_waits() {
    let (mut near, mut far, watch) = watched();
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&frame(1, 5, 1, b"head").repeat(1000)).await.unwrap();
    let first = read(&mut near).await;
    assert!(first <= PREFACE as usize + 13 + READ_BEYOND as usize, "{first} bytes were read");
    let waiting = watch.heads.handed_over();
    watch.heads.settle();
    assert_eq!(read(&mut near).await, 0);
    drop(waiting);
    let more = read(&mut near).await;
    assert!((1..=13 + READ_BEYOND as usize).contains(&more), "{more} bytes were read");
}

#[tokio::test]
async fn a_stopped_reader_is_woken() {
    let (mut near, mut far, watch) = watched();
    let waiting = watch.small_frames.stream(1);
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&frame(0, 0, 1, b"x").repeat(1000)).await.unwrap();
    read(&mut near).await;
    let mut space = [0; 100];
    let mut buffer = ReadBuf::new(&mut space);
    let reading = poll_fn(|cx| Pin::new(&mut near).poll_read(cx, &mut buffer));
    let (read, ()) = tokio::join!(reading, async { drop(waiting) });
    read.unwrap();
    assert!(!buffer.filled().is_empty());
}

#[tokio::test]
async fn written_data_and_credit_are_counted() {
    let (mut near, mut far, watch) = watched();
    let room = || watch.send_window.request().share(9).room();
    let before = room();
    let data = frame(0, 0, 1, &[7; 1000]);
    let pieces = [IoSlice::new(&data[..3]), IoSlice::new(&data[3..]), IoSlice::new(&data)];
    let written = poll_fn(|cx| Pin::new(&mut near).poll_write_vectored(cx, &pieces)).await.unwrap();
    assert_eq!(written, 2 * data.len());
    near.write_all(&data).await.unwrap();
    assert_eq!(room(), before - 3000);
    far.write_all(&[0; PREFACE as usize]).await.unwrap();
    far.write_all(&[frame(8, 0, 0, &[0, 0, 4, 0]), frame(8, 0, 1, &[0, 0, 4, 0])].concat()).await.unwrap();
    read(&mut near).await;
    assert_eq!(room(), before - 3000 + 1024);
}

#[tokio::test]
async fn a_client_is_not_read_while_many_small_frames_wait() {
    let ((near, mut far), frames) = (duplex(1 << 20), SmallFrames::default());
    let mut near = Watched::new(near, Some(frames.clone()));
    let waiting = frames.stream(1);
    far.write_all(&frame(0, 0, 1, &[7; 300]).repeat(2 * MOST as usize)).await.unwrap();
    assert_eq!(read(&mut near).await, 2 * MOST as usize * 309, "larger frames do not count");
    far.write_all(&frame(0, 0, 1, b"x").repeat(10_000)).await.unwrap();
    let first = read(&mut near).await;
    assert!((MOST as usize * 10..40_000).contains(&first), "{first} bytes were read");
    drop(waiting);
    assert_eq!(first + read(&mut near).await, 100_000);
}
