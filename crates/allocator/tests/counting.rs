//! A test that live memory is counted to the byte, whichever thread allocates and frees. It runs alone in a process
//! without a harness, because the threads of other tests and of a harness allocate, too. It fails by panicking.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{hint::black_box, thread};

use longhaul_allocator::{Live, count, count_thread, live, use_own_arena};

/// Returns the numbers of bytes and allocations that `work` leaves behind, as wrapped differences.
fn left_by<T>(work: impl FnOnce() -> T) -> (usize, usize) {
    let Live { bytes, allocations, .. } = live().unwrap();
    black_box(work());
    let after = live().unwrap();
    (after.bytes.wrapping_sub(bytes), after.allocations.wrapping_sub(allocations))
}

fn main() {
    assert_eq!(live(), None, "nothing is counted unless the program asks for it");
    count();
    for size in [1, 7, 100, 5000, 70_000, 3 << 20] {
        assert_eq!(left_by(|| Vec::<u8>::with_capacity(size)), (0, 0), "freed again");
        assert_eq!(left_by(|| vec![1_u8; size].leak().len()), (size, 1));
        assert_eq!(left_by(|| vec![0_u8; size].leak().len()), (size, 1), "zeroed");
        let grown = || {
            let mut grown = Vec::<u8>::with_capacity(size);
            grown.reserve_exact(3 * size);
            grown.leak().len()
        };
        assert_eq!(left_by(grown), (3 * size, 1), "reallocated");
    }
    let elsewhere = || thread::spawn(|| vec![1_u8; 1001].leak().len()).join().unwrap();
    // The first thread leaves memory that std initialises once.
    elsewhere();
    assert_eq!(left_by(elsewhere), (1001, 1), "allocated on a thread that has ended");
    assert_eq!(left_by(|| drop(thread::spawn(|| vec![1_u8; 1001]).join().unwrap())), (0, 0), "freed here");
    count_again();
    threads_of_their_own();
}

/// Starts more threads that count on their own than there are counters. Memory that one thread allocates and another
/// frees leaves the sum unchanged.
fn threads_of_their_own() {
    let own = |size: usize| {
        thread::spawn(move || {
            count_thread();
            use_own_arena().unwrap();
            vec![1_u8; size]
        })
    };
    for _ in 0..2 {
        // A new arena takes no memory that counts as Rust's.
        assert_eq!(left_by(|| own(5000).join().unwrap().leak().len()), (5000, 1));
        assert_eq!(left_by(|| drop(own(5000).join().unwrap())), (0, 0), "freed here");
    }
    let counting = || thread::spawn(|| (count_thread(), vec![1_u8; 1001].leak().len())).join().unwrap();
    for _ in 0..300 {
        assert_eq!(left_by(counting), (1001, 1));
    }
}

/// Calls [`count`] again. A second call changes nothing, whatever the thread.
fn count_again() {
    count();
    let counting = || thread::spawn(|| (count(), vec![1_u8; 1001].leak().len())).join().unwrap();
    assert_eq!(left_by(counting), (1001, 1));
}
