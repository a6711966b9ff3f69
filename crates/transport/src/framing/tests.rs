//! Assertions that hold for every parser.

use proptest::test_runner::TestRunner;

use super::*;

/// Asserts that a parser finds the `expected` sizes in `bytes`: at once, byte by byte, cut in two at any place, and in
/// pieces of random lengths.
pub(crate) fn assert_found<P: FrameParser>(parser: impl Fn() -> P, bytes: &[u8], expected: &[u64]) {
    let found = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut sizes) = (parser(), Vec::new());
        pieces.for_each(|piece| parser.parse(piece, |size| sizes.push(size)));
        sizes
    };
    assert_eq!(found(&mut [bytes].into_iter()), expected);
    assert_eq!(found(&mut bytes.chunks(1)), expected);
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(found(&mut [first, second].into_iter()), expected, "cut at {cut}");
    }
    let lengths = proptest::collection::vec(0_usize..100, 0..200);
    let in_pieces = |lengths: Vec<usize>| {
        let mut rest = bytes;
        let mut pieces = lengths.iter().map(|length| rest.split_off(..*length.min(&rest.len())));
        let mut pieces: Vec<&[u8]> = pieces.by_ref().flatten().collect();
        pieces.push(rest);
        assert_eq!(found(&mut pieces.into_iter()), expected, "in pieces of {lengths:?}");
        Ok(())
    };
    TestRunner::default().run(&lengths, in_pieces).unwrap();
}

#[test]
fn joined_datagrams_count_one_by_one() {
    let observer = FramingObserver::default();
    observer.datagrams.add_joined(3 * 1_452 + 100, 1_452);
    observer.datagrams.add_joined(1_200, 1_200);
    observer.datagrams.add_joined(70, 1_452);
    let datagrams = observer.record().datagrams.unwrap();
    assert_eq!((datagrams.count, datagrams.total_bytes), (6, 3 * 1_452 + 100 + 1_200 + 70));
    assert_eq!((datagrams.min, datagrams.max), (70, 1_452));
    assert_eq!(observer.record().tls_records, None);
}
