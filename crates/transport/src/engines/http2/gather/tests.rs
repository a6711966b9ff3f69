//! Tests of the gathering stream over pipes and, for the cork, over a socket.

use std::future::poll_fn;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::{probe::Probe, tcp_stream::SharedStream};

/// Returns the cork of a stream that is not a socket.
fn no_cork() -> Cork {
    Probe::without_socket().cork()
}

/// Returns a gathering end, the opposite end, and a turn counter that a test advances by hand.
fn pair() -> (Gather<DuplexStream>, DuplexStream, Turns) {
    let ((near, far), turns) = (duplex(1 << 20), Turns::default());
    (Gather::new(near, no_cork(), turns.clone(), Gathering::On), far, turns)
}

/// Returns the number of bytes that have arrived, without waiting for more.
async fn arrived(far: &mut DuplexStream) -> usize {
    let mut bytes = vec![0; 1 << 20];
    tokio::select! {
        biased;
        read = far.read(&mut bytes) => read.unwrap(),
        () = std::future::ready(()) => 0,
    }
}

#[tokio::test]
async fn without_gathering_every_write_is_passed_on() {
    let (near, mut far) = duplex(1 << 20);
    let mut near = Gather::new(near, no_cork(), Turns::default(), Gathering::Off);
    for length in [1, 1000, 70_000] {
        near.write_all(&vec![7; length]).await.unwrap();
        assert_eq!(arrived(&mut far).await, length);
    }
    near.flush().await.unwrap();
    assert_eq!(arrived(&mut far).await, 0);
}

#[tokio::test]
async fn small_frames_wait_for_a_segment() {
    let (mut near, mut far, _turns) = pair();
    for _ in 0..SEGMENT / 1000 {
        near.write_all(&[7; 1000]).await.unwrap();
        near.flush().await.unwrap();
    }
    assert_eq!(arrived(&mut far).await, 0);
    near.write_all(&[7; 1000]).await.unwrap();
    assert_eq!(arrived(&mut far).await, SEGMENT);
}

#[tokio::test]
async fn held_bytes_go_out_when_turns_bring_no_more() {
    let (mut near, mut far, turns) = pair();
    near.write_all(&[7; 1000]).await.unwrap();
    for _ in 0..IDLE_TURNS {
        near.flush().await.unwrap();
        assert_eq!(arrived(&mut far).await, 0);
        turns.clone().count(async {}).await;
    }
    near.flush().await.unwrap();
    assert_eq!(arrived(&mut far).await, 1000);
}

#[tokio::test]
async fn a_flush_that_holds_bytes_asks_for_another_turn() {
    let (mut near, mut far, turns) = pair();
    let driven = turns.count(async move {
        near.write_all(&[7; 1000]).await.unwrap();
        poll_fn(|cx| {
            let flushed = Pin::new(&mut near).poll_flush(cx);
            if near.held.is_empty() { flushed } else { Poll::Pending }
        })
        .await
        .unwrap();
    });
    driven.await;
    assert_eq!(arrived(&mut far).await, 1000);
}

#[tokio::test]
async fn control_frames_go_out_at_once() {
    let (mut near, mut far, _turns) = pair();
    near.write_all(&[7; 26]).await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(arrived(&mut far).await, 26);
}

#[tokio::test]
async fn a_large_frame_follows_held_bytes_in_one_write_and_is_written_whole() {
    let (near, mut far) = duplex(SEGMENT);
    let mut near = Gather::new(near, no_cork(), Turns::default(), Gathering::On);
    near.write_all(&[7; 1000]).await.unwrap();
    let (written, first) = tokio::join!(near.write_all(&[7; SEGMENT + 1000]), arrived(&mut far));
    written.unwrap();
    assert_eq!((first, arrived(&mut far).await, near.held.len()), (SEGMENT, 2000, 0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_end_of_a_large_write_waits_in_the_kernel_until_turns_bring_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    near.set_nodelay(true).unwrap();
    let near = SharedStream::new(near);
    let (cork, turns) = (Probe::of_stream(near.socket()).cork(), Turns::default());
    let mut near = Gather::new(near, cork, turns.clone(), Gathering::On);
    near.write_all(&[7; LARGE]).await.unwrap();
    for _ in 0..IDLE_TURNS {
        near.flush().await.unwrap();
        assert_eq!(far.try_read(&mut [0; SEGMENT]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        turns.clone().count(async {}).await;
    }
    near.flush().await.unwrap();
    far.readable().await.unwrap();
    assert_eq!(far.try_read(&mut [0; SEGMENT]).unwrap(), LARGE);
    assert!(!near.corked);
}

#[tokio::test]
async fn held_bytes_go_out_before_the_end() {
    let (mut near, mut far, _turns) = pair();
    near.write_all(&[7; 1000]).await.unwrap();
    near.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    assert_eq!(far.read_to_end(&mut bytes).await.unwrap(), 1000);
}

proptest! {
    #[test]
    fn bytes_arrive_as_they_were_written(
        writes in prop::collection::vec((prop::collection::vec(0_usize..40_000, 1..6), any::<bool>()), 1..30),
        room in 1_usize..200_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let ((near, mut far), turns) = (duplex(room), Turns::default());
            let mut near = Gather::new(near, no_cork(), turns.clone(), Gathering::On);
            let mut expected: Vec<u8> = Vec::new();
            let mut next = 0_u8;
            let write = turns.count(async {
                for (lengths, flush) in writes {
                    let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| {
                        next = next.wrapping_add(31);
                        vec![next; *length]
                    }).collect();
                    expected.extend(pieces.iter().flatten());
                    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                    let mut slices = slices.as_mut_slice();
                    IoSlice::advance_slices(&mut slices, 0);
                    while !slices.is_empty() {
                        let written = near.write_vectored(slices).await.unwrap();
                        IoSlice::advance_slices(&mut slices, written);
                    }
                    if flush {
                        near.flush().await.unwrap();
                    }
                }
                near.shutdown().await.unwrap();
            });
            let mut bytes = Vec::new();
            let (_, read) = tokio::join!(write, far.read_to_end(&mut bytes));
            read.unwrap();
            assert!(bytes == expected);
        });
    }
}
