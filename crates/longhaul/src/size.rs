//! Sizes as people type and read them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number of bytes: `KiB MiB GiB` are powers of 1024, `KB MB GB` of 1000, bare `K M G` of 1024, a bare
/// number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is no size: write bytes, or a number with KiB, MiB, GiB, KB, MB or GB");
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let whole = match text[number.len()..].trim() {
            unit @ ("k" | "K" | "m" | "M" | "g" | "G" | "t" | "T") => format!("{number}{unit}iB"),
            _ => text.to_owned(),
        };
        whole.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64())).map_err(|_| wrong())
    }
}

/// As a case's name has it: the largest unit that leaves a whole number, else bytes.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes per second as MiB/s.
pub(crate) fn mib_per_s(rate: f64) -> f64 {
    rate / f64::from(1 << 20)
}

/// Bytes per second as Gbit/s (powers of 1000, as networks count).
pub(crate) fn gbit_per_s(rate: f64) -> f64 {
    rate * 8.0 / 1e9
}

/// Parses a size or a doubling range `4KiB..1MiB` (both ends included).
pub(crate) fn parse_range(text: &str) -> Result<Vec<ByteSize>, String> {
    let Some((first, last)) = text.split_once("..") else { return Ok(vec![text.parse()?]) };
    let (first, last): (ByteSize, ByteSize) = (first.parse()?, last.parse()?);
    if first.0 == 0 || first > last {
        return Err(format!("'{text}' is no range: it must go up, from at least 1 B"));
    }
    let doubled = |size: &ByteSize| size.0.checked_mul(2).map(ByteSize);
    Ok(std::iter::successors(Some(first), doubled).take_while(|size| *size <= last).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_contract() {
        for (text, bytes) in [
            ("0", 0),
            ("65563", 65_563),
            ("1B", 1),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("64K", 65_536),
            ("64k", 65_536),
            ("2G", 2 << 30),
            ("2GiB", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1.5MiB", 3 << 19),
            ("64 KiB", 65_536),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "x", "-1", "64XB", "KiB", "1q", "64KiBs"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_printed_so_that_it_reads_back() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (65_563, "65563B"),
            (1 << 16, "64KiB"),
            (3 << 20, "3MiB"),
            (2 << 30, "2GiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn a_range_doubles_up_to_its_end() {
        let sizes = |text| parse_range(text).map(|sizes| sizes.iter().map(|size| size.0).collect::<Vec<_>>());
        assert_eq!(sizes("4KiB..16KiB"), Ok(vec![4096, 8192, 16_384]));
        assert_eq!(sizes("3..10"), Ok(vec![3, 6]));
        assert_eq!(sizes("5"), Ok(vec![5]));
        assert!(sizes("0..5").is_err() && sizes("8..4").is_err() && sizes("1..").is_err());
    }
}
