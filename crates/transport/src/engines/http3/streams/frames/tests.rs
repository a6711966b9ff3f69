//! Tests of the frame parser: frames are recognised in the same way for any division of the stream into pieces.

use proptest::prelude::*;

use super::*;

/// Passes DATA frames that are not empty, gathers HEADERS frames, and skips all others.
#[derive(Default)]
struct ByKind {
    judged: usize,
}

impl Rules for ByKind {
    fn judge(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        self.judged += 1;
        Ok(match (head.kind, head.length) {
            (0, 1..) => Treatment::Pass,
            (1, _) => Treatment::Gather,
            _ => Treatment::Skip,
        })
    }
}

/// Returns an encoded frame. Its length field takes 2^`width` bytes if the length fits in them, else eight.
fn frame(kind: u8, length: usize, width: u32) -> Vec<u8> {
    let length_field = match (width, length) {
        (0, 0..0x40) => vec![length as u8],
        (1, 0..0x4000) => (0x4000 | length as u16).to_be_bytes().to_vec(),
        (2, _) => (0x8000_0000 | length as u32).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | length as u64).to_be_bytes().to_vec(),
    };
    // The type takes two bytes, so that heads of every length occur.
    let payload = (0..length).map(|at| (at % 251) as u8).collect();
    [vec![0x40, kind], length_field, payload].concat()
}

/// Feeds the bytes to `Frames` in pieces. Returns the passed bytes joined together, the whole frames, the result of
/// `finish`, and the number of judged frames.
fn told_apart(bytes: &[u8], pieces: &[usize]) -> (Vec<u8>, Vec<Bytes>, Result<(), Violation>, usize) {
    let (mut frames, mut rules) = (Frames::default(), ByKind::default());
    let (mut passed, mut whole, mut rest) = (Vec::new(), Vec::new(), Bytes::copy_from_slice(bytes));
    let mut pieces = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
    while !rest.is_empty() {
        let mut piece = rest.split_to(pieces.next().unwrap().clamp(1, rest.len()));
        while let Some(part) = frames.next(&mut piece, &mut rules).unwrap() {
            match part {
                Part::Passing(part) => passed.extend_from_slice(&part),
                Part::Frame(frame) => whole.push(frame),
            }
        }
        assert!(piece.is_empty(), "all of it is taken");
    }
    (passed, whole, frames.finish(), rules.judged)
}

fn frames() -> impl Strategy<Value = Vec<(u8, usize, u32)>> {
    prop::collection::vec((0..3_u8, prop_oneof![0..5_usize, 0..300_usize], 0..4_u32), 0..12)
}

proptest! {
    #[test]
    fn pieces_make_no_difference(frames in frames(), pieces in prop::collection::vec(1..40_usize, 0..200)) {
        let encoded = |wanted: fn(u8, usize) -> bool| -> Vec<Bytes> {
            let wanted = frames.iter().filter(|(kind, length, _)| wanted(*kind, *length));
            wanted.map(|(kind, length, width)| Bytes::from(frame(*kind, *length, *width))).collect()
        };
        let (passed, whole, finished, judged) = told_apart(&encoded(|_, _| true).concat(), &pieces);
        prop_assert_eq!(passed, encoded(|kind, length| kind == 0 && length > 0).concat());
        prop_assert_eq!(whole, encoded(|kind, _| kind == 1));
        prop_assert_eq!(finished, Ok(()));
        prop_assert_eq!(judged, frames.len(), "each frame is judged once");
    }

    #[test]
    fn a_stream_that_is_cut_off_ends_within_a_frame(
        kind in 0..3_u8, length in 1..100_usize, width in 0..4_u32, cut in any::<prop::sample::Index>(),
        pieces in prop::collection::vec(1..40_usize, 0..200),
    ) {
        let whole = frame(kind, length, width);
        let cut = 1 + cut.index(whole.len() - 1);
        let (.., finished, _) = told_apart(&whole[..cut], &pieces);
        prop_assert_eq!(finished.unwrap_err().code, Code::H3_FRAME_ERROR);
    }

    #[test]
    fn any_bytes_are_told_apart_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), pieces in prop::collection::vec(1..40_usize, 0..200),
    ) {
        let _ = told_apart(&bytes, &pieces).2;
    }
}

#[test]
fn payload_is_not_copied_and_frames_that_pass_stay_in_one_piece() {
    let bytes = Bytes::from([frame(0, 100, 0), frame(0, 200, 1), frame(0, 3000, 2)].concat());
    let (mut frames, mut input) = (Frames::default(), bytes.slice(..500));
    let part = frames.next(&mut input, &mut ByKind::default()).unwrap();
    let Some(Part::Passing(part)) = part else { panic!("{part:?}") };
    assert_eq!((part.as_ptr(), part.len()), (bytes.as_ptr(), 500));
    let mut input = bytes.slice(500..);
    let part = frames.next(&mut input, &mut ByKind::default()).unwrap();
    assert_eq!(part, Some(Part::Passing(bytes.slice(500..))));
}

#[test]
fn a_frame_that_is_skipped_is_not_kept_however_long_it_is() {
    let mut frames = Frames::default();
    let mut rules = ByKind::default();
    let head = [&[0x21][..], &(0xc000_0000_0000_0000_u64 | 1 << 60).to_be_bytes()].concat();
    assert_eq!(frames.next(&mut Bytes::from(head), &mut rules).unwrap(), None);
    for _ in 0..100 {
        assert_eq!(frames.next(&mut Bytes::from(vec![0; 1000]), &mut rules).unwrap(), None);
    }
    assert_eq!(frames.gathered.capacity(), 0);
}

#[test]
fn an_integer_has_one_to_eight_bytes() {
    // The examples of RFC 9000 appendix A.1.
    let example = |bytes: &[u8]| integer(bytes).unwrap();
    assert_eq!(example(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]), (151_288_809_941_952_652, 8));
    assert_eq!(example(&[0x9d, 0x7f, 0x3e, 0x7d]), (494_878_333, 4));
    assert_eq!(example(&[0x7b, 0xbd]), (15_293, 2));
    assert_eq!(example(&[0x25]), (37, 1));
    assert_eq!(example(&[0x40, 0x25]), (37, 2));
    for incomplete in [&[][..], &[0x40], &[0x80, 0, 0], &[0xc0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(integer(incomplete), None);
    }
}
