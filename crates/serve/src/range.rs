//! The Range header of a request (RFC 9110 section 14.2).

use http::{HeaderMap, header};

/// The part of a file that a Range header selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// All bytes. A header with another unit, with several ranges or with an error counts as absent.
    Whole,
    /// The bytes from `first` to `last`, both included.
    Part { first: u64, last: u64 },
    /// No byte of the file.
    Unsatisfiable,
}

impl Range {
    /// Returns the part of a file of `length` bytes that the Range headers of a request select.
    pub(crate) fn of(headers: &HeaderMap, length: u64) -> Self {
        let mut ranges = headers.get_all(header::RANGE).iter();
        match (ranges.next().and_then(|range| range.to_str().ok()), ranges.next()) {
            (Some(range), None) => Self::parse(range, length),
            _ => Self::Whole,
        }
    }

    /// Parses the value of a Range header for a file of `length` bytes.
    pub(crate) fn parse(text: &str, length: u64) -> Self {
        // Names of units are case-insensitive (RFC 9110 section 14.1).
        let ranges = text.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
        let Some((_, range)) = ranges else { return Self::Whole };
        let Some((first, last)) = range.trim().split_once('-') else { return Self::Whole };
        match (position(first), position(last)) {
            // The range selects the last `suffix` bytes of the file.
            (None, Some(suffix)) if first.is_empty() => match suffix.min(length) {
                0 => Self::Unsatisfiable,
                suffix => Self::Part { first: length - suffix, last: length - 1 },
            },
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(first), Some(_)) if first >= length => Self::Unsatisfiable,
            (Some(first), Some(last)) => Self::Part { first, last: last.min(length - 1) },
            (Some(first), None) if last.is_empty() && first >= length => Self::Unsatisfiable,
            (Some(first), None) if last.is_empty() => Self::Part { first, last: length - 1 },
            _ => Self::Whole,
        }
    }
}

/// Parses a position of digits only: `u64::from_str` would accept a plus sign. A position beyond `u64::MAX` becomes
/// `u64::MAX`, since no file has either position.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Range::*, *};

    #[test]
    fn one_range_is_honoured_and_a_malformed_one_ignored() {
        for (text, expected) in [
            ("bytes=0-9", Part { first: 0, last: 9 }),
            ("bytes=90-", Part { first: 90, last: 99 }),
            ("bytes=90-1000", Part { first: 90, last: 99 }),
            ("bytes=-10", Part { first: 90, last: 99 }),
            ("bytes=-1000", Part { first: 0, last: 99 }),
            ("bytes=99-99", Part { first: 99, last: 99 }),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=9-0", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=x-y", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-+2", Whole),
            ("bytes=-+2", Whole),
            ("bytes=-", Whole),
            ("lines=1-2", Whole),
            ("bytes=", Whole),
            ("Bytes=0-9", Part { first: 0, last: 9 }),
            ("bytes=90-18446744073709551616", Part { first: 90, last: 99 }),
            ("bytes=-18446744073709551616", Part { first: 0, last: 99 }),
            ("bytes=18446744073709551616-", Unsatisfiable),
            ("bytes=18446744073709551616-99999999999999999999", Unsatisfiable),
            ("bytes=18446744073709551616-5", Whole),
            ("bytes=+1-+2", Whole),
            ("bytes 0-9", Whole),
        ] {
            assert_eq!(Range::parse(text, 100), expected, "{text}");
        }
    }

    #[test]
    fn two_headers_count_as_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-9".parse().unwrap());
        assert_eq!(Range::of(&headers, 100), Part { first: 0, last: 9 });
        headers.append(header::RANGE, "bytes=0-9".parse().unwrap());
        assert_eq!(Range::of(&headers, 100), Whole);
        assert_eq!(Range::of(&HeaderMap::new(), 100), Whole);
    }

    #[test]
    fn an_empty_file_has_no_range() {
        for text in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(Range::parse(text, 0), Unsatisfiable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_within_the_file(
            text in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}[ ,x]?",
            length in prop_oneof![0..5_u64, any::<u64>()],
        ) {
            if let Part { first, last } = Range::parse(&text, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
