//! Tests of the send window.

use futures_util::FutureExt as _;

use super::*;

const ALL: usize = INITIAL as usize;
const RESERVED: usize = RESERVE as usize;

fn share(window: &SendWindow, stream: u32) -> Share {
    window.request().share(stream)
}

#[test]
fn long_bodies_leave_the_reserve_and_short_ones_use_it() {
    let window = SendWindow::default();
    let mut share = share(&window, 1);
    assert_eq!(share.take(1 << 20, 1 << 20), ALL - RESERVED);
    assert_eq!(share.take(1, 1), 0);
    window.written(3, 100);
    window.credit(150);
    assert_eq!(share.take(1000, 1000), 50);
    assert_eq!((is_short(Some(4096)), is_short(Some(4097)), is_short(None)), (true, false, false));
}

#[test]
fn a_stream_takes_no_more_than_its_own_window_unless_there_is_plenty() {
    let window = SendWindow::default();
    let mut share = share(&window, 1);
    assert_eq!(share.take(16_384, 100), 100);
    assert_eq!(share.take(10_000, 1), 10_000);
}

#[test]
fn what_a_stream_queues_and_does_not_write_returns_when_it_is_given_up() {
    let window = SendWindow::default();
    let (mut first, mut second) = (share(&window, 1), share(&window, 3));
    first.take(20_000, 20_000);
    second.take(10_000, 10_000);
    window.written(1, 15_000);
    assert_eq!(first.room(), ALL - RESERVED - 30_000);
    drop(first);
    assert_eq!(second.room(), ALL - RESERVED - 25_000);
    window.reset(3);
    assert_eq!(second.room(), ALL - RESERVED - 15_000);
    window.written(1, 5000);
    assert_eq!(second.room(), ALL - RESERVED - 20_000, "a frame under way was written after all");
}

#[test]
fn a_body_that_is_queued_to_its_end_keeps_its_part_until_it_is_written_or_reset() {
    let window = SendWindow::default();
    let observer = share(&window, 9);
    for (stream, is_reset) in [(1, false), (3, true)] {
        let before = observer.room();
        let mut share = share(&window, stream);
        share.take(10_000, 10_000);
        share.over();
        drop(share);
        assert_eq!(observer.room(), before - 10_000);
        if is_reset {
            window.reset(stream);
            assert_eq!(observer.room(), before);
        } else {
            window.written(stream, 10_000);
            assert_eq!(observer.room(), before - 10_000);
        }
    }
    assert!(window.lock().queues.is_empty());
}

#[tokio::test]
async fn a_long_body_that_waits_is_woken_by_credit() {
    let window = SendWindow::default();
    let mut share = share(&window, 1);
    share.take(ALL, ALL);
    let mut waiting = Box::pin(share.wait());
    assert!((&mut waiting).now_or_never().is_none());
    window.credit(1);
    waiting.await;
    assert_eq!(share.take(10, 10), 1);
}

#[tokio::test]
async fn a_queue_is_waited_for_until_it_is_written_or_discarded() {
    for is_reset in [true, false] {
        let window = SendWindow::default();
        let mut share = share(&window, 1);
        assert!(share.written().now_or_never().is_some(), "nothing is queued");
        share.take(1000, 1000);
        window.written(1, 999);
        let mut waiting = Box::pin(share.written());
        assert!((&mut waiting).now_or_never().is_none());
        if is_reset {
            window.reset(1)
        } else {
            window.written(1, 1)
        }
        waiting.await;
    }
}

#[tokio::test]
async fn the_reserve_is_used_after_a_while_but_never_while_a_request_waits() {
    let window = SendWindow::default();
    let mut share = share(&window, 1);
    share.take(ALL, ALL);
    let request = window.request();
    let long = 2 * PATIENCE;
    assert!(timeout(long, share.wait()).await.is_err(), "a request waits for its answer");
    drop(request);
    timeout(20 * PATIENCE, share.wait()).await.unwrap();
    assert_eq!(share.take(ALL, ALL), RESERVED);
    window.credit(u32::try_from(ALL).unwrap());
    assert_eq!(share.take(ALL, ALL), ALL - RESERVED, "the reserve is there again");
}

#[test]
fn a_stream_that_has_queued_many_small_pieces_waits_until_they_are_written() {
    let window = SendWindow::default();
    let mut share = share(&window, 1);
    for piece in [1, 10] {
        let taken = (0..10_000).take_while(|_| !share.is_long(piece) && share.take(piece, piece) > 0).count();
        assert_eq!(taken, MOST_PIECES as usize + 1);
        window.written(1, 256 * piece as u32);
        assert!(!share.is_long(piece) && share.written().now_or_never().is_none());
        window.written(1, piece as u32);
        assert!(share.written().now_or_never().is_some());
    }
    assert_eq!(share.take(1 << 20, 1 << 20), ALL - RESERVED - 257 * 11);
    assert!(!share.is_long(16 << 10) && share.is_long(100));
}
