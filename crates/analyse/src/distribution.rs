//! The distributions of records as histograms. Their text comes from files, so it is checked before memory is reserved
//! for it.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::ZlibDecoder;
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use record::Latency;

/// The precision of histograms in records, in significant digits.
pub(crate) const DIGITS: u8 = 3;

/// The largest value of a histogram: HdrHistogram's own limit.
pub(crate) const HIGHEST: u64 = i64::MAX as u64;

/// The most bytes of a histogram, inflated or not. With three digits up to 2^63 it has 55,296 counts of at most 9
/// bytes.
const MOST_BYTES: usize = 512 << 10;

/// The most characters of a histogram's text: four for each three bytes.
const MOST_TEXT: usize = MOST_BYTES.div_ceil(3) * 4;

/// The most values of a histogram. Throughput counts each microsecond as a value, and 2^48 of them are nine years. The
/// sum of 32,768 such histograms stays within HdrHistogram's format.
const MOST_VALUES: u64 = 1 << 48;

/// The first four bytes of a deflated histogram (V2_COMPRESSED_COOKIE in hdrhistogram's serialization module).
const DEFLATED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();

/// The length of the header of an inflated histogram in bytes, with the offsets of its fields.
const HEADER: usize = 40;
const LENGTH: usize = 4;
const PRECISION: usize = 12;
const LOWEST: usize = 16;
const RANGE: usize = 24;

/// The reason why a distribution is not added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has no histogram")]
    Missing,
    #[error("its rates are not weighted by time")]
    Unweighted,
    #[error("its text has more than {MOST_TEXT} characters")]
    Long,
    #[error("its text is not base64")]
    Text,
    #[error("it is not a deflated HdrHistogram in the V2 format, or is cut off")]
    Format,
    #[error("it inflates to more than {MOST_BYTES} bytes")]
    Bomb,
    #[error("its precision is not {DIGITS} digits from 1 on")]
    Precision,
    #[error("its counts exceed its range, its length, or 2^48 values")]
    Counts,
    #[error("the sum has more values than the format takes")]
    Sum,
}

/// Reads a histogram from its text: HdrHistogram's V2 format, deflated, in base64.
pub(crate) fn decode(text: &str) -> Result<Histogram<u64>, Unreadable> {
    if text.len() > MOST_TEXT {
        return Err(Unreadable::Long);
    }
    let deflated = STANDARD.decode(text).map_err(|_| Unreadable::Text)?;
    let inflated = inflate(&deflated)?;
    check(&inflated)?;
    Deserializer::new().deserialize(&mut inflated.as_slice()).map_err(|_| Unreadable::Format)
}

/// Returns the share of the values of a distribution above `bound` nanoseconds; `None` without its histogram.
pub fn share_above(latency: &Latency, bound: u64) -> Option<f64> {
    let histogram = decode(latency.hdr.as_ref()?).ok()?;
    let within = histogram.count_between(0, bound);
    (!histogram.is_empty()).then(|| histogram.len().saturating_sub(within) as f64 / histogram.len() as f64)
}

/// Returns the text of a histogram.
pub(crate) fn encode(histogram: &Histogram<u64>) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).map_err(|_| Unreadable::Sum)?;
    Ok(STANDARD.encode(bytes))
}

fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (cookie, rest) = deflated.split_first_chunk().ok_or(Unreadable::Format)?;
    let (length, stream) = rest.split_first_chunk().ok_or(Unreadable::Format)?;
    if *cookie != DEFLATED || u32::from_be_bytes(*length) as usize != stream.len() {
        return Err(Unreadable::Format);
    }
    let mut inflated = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    ZlibDecoder::new(stream).take(most).read_to_end(&mut inflated).map_err(|_| Unreadable::Format)?;
    if inflated.len() > MOST_BYTES { Err(Unreadable::Bomb) } else { Ok(inflated) }
}

/// Checks the header and the counts of an inflated histogram. The deserializer of hdrhistogram reserves memory for the
/// stated range, and negates zero counts without a check for overflow.
fn check(inflated: &[u8]) -> Result<(), Unreadable> {
    let counts = inflated.get(HEADER..).ok_or(Unreadable::Format)?;
    if number::<4>(inflated, LENGTH)? != counts.len() as u64 {
        return Err(Unreadable::Format);
    }
    let high = number::<8>(inflated, RANGE)?;
    if (number::<4>(inflated, PRECISION)?, number::<8>(inflated, LOWEST)?) != (DIGITS.into(), 1)
        || high > HIGHEST
    {
        return Err(Unreadable::Precision);
    }
    let range = Histogram::<u64>::new_with_bounds(1, high, DIGITS).map_err(|_| Unreadable::Precision)?;
    check_counts(counts, range.distinct_values() as u64)
}

/// Returns the value of a big-endian field of `N` bytes.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> Result<u64, Unreadable> {
    let field: Option<&[u8; N]> = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    let field = field.ok_or(Unreadable::Format)?;
    Ok(field.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Checks the encoded counts: numbers of 1 to 9 bytes, in LEB128 with all bits of the ninth byte. By ZigZag, an even
/// number is twice a count, and an odd number is twice a number of empty buckets, less one.
fn check_counts(mut bytes: &[u8], buckets: u64) -> Result<(), Unreadable> {
    let (mut bucket, mut values) = (0_u64, 0_u64);
    while !bytes.is_empty() {
        let last = bytes.iter().take(8).position(|byte| byte & 0x80 == 0).unwrap_or(8);
        let (number, rest) = bytes.split_at_checked(last + 1).ok_or(Unreadable::Counts)?;
        bytes = rest;
        let bits = |(place, byte): (usize, &u8)| {
            u64::from(if place < 8 { byte & 0x7f } else { *byte }) << (7 * place)
        };
        let number = number.iter().enumerate().map(bits).fold(0, |all, bits| all | bits);
        let (count, passed) = if number & 1 == 0 { (number / 2, 1) } else { (0, number / 2 + 1) };
        bucket = bucket.saturating_add(passed);
        values = values.saturating_add(count);
        if bucket > buckets || values > MOST_VALUES {
            return Err(Unreadable::Counts);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    /// Returns a histogram with the bounds of times in records.
    pub(crate) fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, DIGITS).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        histogram
    }

    /// Returns the count of each bucket that is not empty. The encoded form does not include the exact extremes.
    pub(crate) fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
        let bucket = |bucket: hdrhistogram::iterators::IterationValue<u64>| {
            (bucket.value_iterated_to(), bucket.count_at_value())
        };
        histogram.iter_recorded().map(bucket).collect()
    }

    #[test]
    fn the_share_above_a_bound_counts_values_and_not_their_sizes() {
        let times: Vec<u64> = (1..=100).map(|ms| ms * 1_000_000).collect();
        let hdr = encode(&histogram(&times)).ok();
        let latency = Latency { unit: "ns".into(), p50: 0, p99: 0, p999: 0, max: 0, hdr };
        assert_eq!(share_above(&latency, 40_500_000), Some(0.6));
        assert_eq!((share_above(&latency, 0), share_above(&latency, u64::MAX)), (Some(1.0), Some(0.0)));
        assert_eq!(share_above(&Latency { hdr: None, ..latency }, 0), None);
    }

    /// Returns the text of a histogram whose header states `digits` and `high`. `counts` are the encoded counts.
    fn made(digits: u32, high: u64, counts: &[u8]) -> String {
        made_with_length(counts.len() as u32, digits, high, counts)
    }

    fn made_with_length(length: u32, digits: u32, high: u64, counts: &[u8]) -> String {
        let fields = [0x1c84_9313_u32, length, 0, digits].map(u32::to_be_bytes).concat();
        let range = [1_u64, high, 1_f64.to_bits()].map(u64::to_be_bytes).concat();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&[&fields, &range, counts].concat()).unwrap();
        let stream = encoder.finish().unwrap();
        STANDARD.encode([&DEFLATED[..], &(stream.len() as u32).to_be_bytes(), &stream].concat())
    }

    #[test]
    fn hostile_histograms_are_told_apart_and_take_no_memory() {
        let good = encode(&histogram(&[1, 2, 3_000_000])).unwrap();
        assert!(decode(&good).is_ok());
        assert_eq!(decode(&made(3, 1000, &[2, 4])).unwrap().len(), 3);
        for (name, text, reason) in [
            ("long text", "A".repeat(MOST_TEXT + 4), Unreadable::Long),
            ("other characters", "no base64!".into(), Unreadable::Text),
            ("no bytes", String::new(), Unreadable::Format),
            ("other bytes", STANDARD.encode([7; 99]), Unreadable::Format),
            ("cut text", good[..good.len() / 8 * 4].to_owned(), Unreadable::Format),
            ("a bomb", made(3, HIGHEST, &vec![0; 400 << 20]), Unreadable::Bomb),
            ("a length of 4 GiB", made_with_length(u32::MAX, 3, HIGHEST, &[2]), Unreadable::Format),
            ("five digits", made(5, HIGHEST, &[2]), Unreadable::Precision),
            ("a range beyond the format", made(3, u64::MAX, &[2]), Unreadable::Precision),
            ("no range", made(3, 0, &[2]), Unreadable::Precision),
            ("more counts than buckets", made(3, 2, &[2; 5000]), Unreadable::Counts),
            ("more empty buckets than buckets", made(3, HIGHEST, &[0xff; 9]), Unreadable::Counts),
            ("a count without its end", made(3, HIGHEST, &[0x80]), Unreadable::Counts),
            (
                "2^62 values",
                made(3, HIGHEST, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
                Unreadable::Counts,
            ),
        ] {
            assert_eq!(decode(&text).unwrap_err(), reason, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_histogram_is_read_as_it_was_written(values in prop::collection::vec(1_u64..3_600_000_000_000, 0..99)) {
            let histogram = histogram(&values);
            prop_assert_eq!(counts(&decode(&encode(&histogram).unwrap()).unwrap()), counts(&histogram));
        }

        #[test]
        fn changed_bytes_are_refused_or_read(values in prop::collection::vec(1_u64..1_000_000, 1..99), at in 0_usize..999, byte: u8) {
            let mut bytes = STANDARD.decode(encode(&histogram(&values)).unwrap()).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(read) = decode(&STANDARD.encode(bytes)) {
                prop_assert!(read.len() <= MOST_VALUES);
            }
        }

        #[test]
        fn any_counts_are_refused_or_read(counts in prop::collection::vec(any::<u8>(), 0..99), high in 2_u64..u64::MAX) {
            if let Ok(histogram) = decode(&made(3, high, &counts)) {
                prop_assert!(histogram.len() <= MOST_VALUES);
            }
        }
    }
}
