//! A test of the call sites of memory that stays allocated.
#![cfg(feature = "trace")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hint::black_box;

use longhaul_allocator::{self as allocator, trace};

#[inline(never)]
fn leaks(kept: &mut Vec<Box<[u8; 100]>>) {
    kept.push(black_box(Box::new([1; 100])));
}

#[inline(never)]
fn collects(into: &mut Vec<u8>) {
    into.extend_from_slice(black_box(&[1; 64]));
}

#[inline(never)]
fn releases() {
    drop(black_box(vec![1_u8; 5000]));
}

#[test]
fn growth_is_named_and_memory_that_is_released_or_short_lived_is_not() {
    allocator::count();
    let before = allocator::live().unwrap().bytes;
    trace::begin();
    let once = black_box(vec![1_u8; 1 << 20]);
    let (mut kept, mut body) = (Vec::with_capacity(1 << 15), Vec::new());
    trace::advance();
    for _ in 0..1 << 14 {
        leaks(&mut kept);
        collects(&mut body);
        releases();
    }
    trace::advance();
    let momentary = black_box(vec![1_u8; 1 << 20]);
    trace::advance();
    let grown = allocator::live().unwrap().bytes - before;
    let expected = once.len() + momentary.len() + 100 * kept.len() + 8 * kept.capacity() + body.capacity();
    assert!(grown.abs_diff(expected) < 1000, "the trace itself is not counted: {grown}, {expected}");

    let sites = trace::sites();
    let of = |name: &str| sites.iter().find(|site| site.frames.iter().any(|frame| frame.contains(name)));
    let leak = of("leaks").unwrap();
    // There are 16,384 allocations, of which one in 64 is a sample.
    assert!((1_300_000..2_000_000).contains(&leak.bytes), "{leak:?}");
    assert!((13_000..20_000).contains(&leak.allocations), "{leak:?}");
    assert_eq!(of("collects").unwrap().bytes, 1 << 20);
    assert!(of("releases").is_none(), "{sites:#?}");
    assert_eq!(sites.len(), 2, "{sites:#?}");
}
