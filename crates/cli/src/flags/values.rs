//! Parsers of flag values.

use std::{ffi::OsStr, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::builder::{OsStringValueParser, TypedValueParser};
use record::{ByteSize, ChunkSize, PayloadKind, SinkKind, SizeError};
use run::machine;

use super::names::Completed;

/// Returns a parser of whole numbers in a range, whose error names the range.
pub(crate) fn count(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync {
    move |text: &str| {
        let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| match (*range.start(), *range.end()) {
            (least, u32::MAX) => format!("use a whole number of at least {least}"),
            (least, most) => format!("use a whole number from {least} to {most}"),
        })
    }
}

/// Parses the id of a process.
pub(crate) fn process_id(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a process has a number, as `pgrep` prints it".to_owned())
}

/// Returns a parser of payloads, whose paths need not be UTF-8.
pub(crate) fn payload() -> impl TypedValueParser<Value = PayloadKind> {
    let parser = OsStringValueParser::new().try_map(|text| named_payload(&text));
    Completed { parser, words: vec!["random", "zero", "file:", "-"] }
}

/// Parses a payload that a flag can name: any but a form, which has flags of its own.
fn named_payload(text: &OsStr) -> Result<PayloadKind, String> {
    match PayloadKind::parse(text).map_err(|error| error.to_string())? {
        PayloadKind::Form => Err("a form is sent by `longhaul send -F NAME=VALUE`".into()),
        payload => Ok(payload),
    }
}

/// Returns a parser of curl's `-T`: the path of a file, or `-` or `.` for standard input. The path need not be UTF-8.
pub(crate) fn upload_file() -> impl TypedValueParser<Value = PayloadKind> {
    OsStringValueParser::new().try_map(|text| match text.as_encoded_bytes() {
        b"" => Err("name a file, or - for standard input"),
        // In curl, the two differ in whether a slow input delays the response. Here, it never does.
        b"-" | b"." => Ok(PayloadKind::Stdin),
        _ => Ok(PayloadKind::File(text.into())),
    })
}

/// Returns a parser of the payloads of a measurement: `cold` stands for a block that fits this machine.
pub(crate) fn measured_payload() -> impl TypedValueParser<Value = PayloadKind> {
    let parser = OsStringValueParser::new().try_map(|text| match text.to_str() {
        Some("cold") => Ok(PayloadKind::Cold(machine::cold_block())),
        _ => named_payload(&text),
    });
    Completed { parser, words: vec!["random", "zero", "cold", "file:"] }
}

/// Returns a parser of sinks, whose paths need not be UTF-8.
pub(crate) fn sink() -> impl TypedValueParser<Value = SinkKind> {
    let parser = OsStringValueParser::new().try_map(|text| SinkKind::parse(&text));
    Completed { parser, words: vec!["discard", "verify", "save:"] }
}

/// Parses chunk sizes: one size, or a doubling range.
pub(crate) fn chunks(text: &str) -> Result<Vec<ChunkSize>, String> {
    let chunk = |size: &ByteSize| ChunkSize::try_from(size.0).map_err(|error| error.to_string());
    sizes(text)?.iter().map(chunk).collect()
}

/// Parses one chunk size.
pub(crate) fn chunk(text: &str) -> Result<ChunkSize, String> {
    let size: ByteSize = text.parse().map_err(|error: SizeError| error.to_string())?;
    ChunkSize::try_from(size.0).map_err(|error| error.to_string())
}

/// Parses sizes: one size, or a doubling range `4KiB..1MiB` that includes both ends.
pub(crate) fn sizes(text: &str) -> Result<Vec<ByteSize>, String> {
    let size = |text: &str| ByteSize::from_str(text).map_err(|error| error.to_string());
    let Some((first, last)) = text.split_once("..") else { return Ok(vec![size(text)?]) };
    let (first, last) = (size(first)?, size(last)?);
    if first.0 == 0 || first > last {
        return Err(format!("'{text}' is not a range; it must rise, from at least 1 B"));
    }
    let doubled = |size: &ByteSize| size.0.checked_mul(2).map(ByteSize);
    Ok(std::iter::successors(Some(first), doubled).take_while(|size| *size <= last).collect())
}

/// Parses a duration above zero, such as `30s` or `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("'{text}' is not a duration above zero; use for example 30s, 500ms or 2m"))
}

/// Parses a busy-polling time: a duration, or 0 for none.
pub(crate) fn spin(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    match parsed.and_then(|time| Duration::try_from(time).ok()).filter(|time| *time <= LONGEST_SPIN) {
        Some(time) => Ok(time),
        None if text == "0" => Ok(Duration::ZERO),
        None => Err(format!(
            "'{text}' is not a busy-polling time; use for example 100us, at most 1s, or 0 for none"
        )),
    }
}

/// Parses the time for which a reader stands still: a duration, or 0 for none.
pub(crate) fn stall(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => duration(text)
            .map_err(|_| format!("'{text}' is not a time to stand still; use for example 5s, or 0 for none")),
    }
}

/// The longest busy-polling time, so that a receiver that waits longer goes to sleep.
const LONGEST_SPIN: Duration = Duration::from_secs(1);

/// Parses a share above zero and below 100 %, such as `2%`. Returns the share as a fraction.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    number
        .filter(|percent| *percent > 0.0 && *percent < 100.0)
        .map(|percent| percent / 100.0)
        .ok_or_else(|| format!("'{text}' is not a share between 0% and 100%; use for example 2% or 0.5%"))
}

/// Parses a duration above zero. A bare number is seconds, as for curl.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let bare = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match bare.filter(|duration| !duration.is_zero()) {
        Some(duration) => Ok(duration),
        None => self::duration(text),
    }
}

/// The shortest interval of a report: the time between two reports of a worker.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

/// Parses the length of the intervals of a report. A bare number is seconds, as for iperf3.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let parsed = seconds(text)?;
    if parsed < SHORTEST_INTERVAL {
        Err(format!("'{text}' is too short; use at least {} ms", SHORTEST_INTERVAL.as_millis()))
    } else {
        Ok(parsed)
    }
}

/// The longest time that a guard may have. Libraries add such times to the clock, which overflows after centuries.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses a duration above zero and of at most a day.
pub(crate) fn up_to_a_day(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    if parsed > DAY { Err(format!("'{text}' is too long; use at most 24h")) } else { Ok(parsed) }
}

/// Returns each item once, in the order of its first appearance.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().fold(Vec::new(), |mut unique, item| {
        if !unique.contains(&item) {
            unique.push(item);
        }
        unique
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_positive_value() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "30", "0s", "-1s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interval_is_in_seconds_unless_it_has_a_unit() {
        let ms = Duration::from_millis;
        assert_eq!(
            (interval("1"), interval("0.5"), interval("250ms")),
            (Ok(ms(1000)), Ok(ms(500)), Ok(ms(250)))
        );
        assert_eq!(interval("0.1").unwrap_err(), "'0.1' is too short; use at least 250 ms");
    }

    #[test]
    fn a_count_outside_its_range_is_refused_with_the_range() {
        assert_eq!((count(1..=480)("480"), count(0..=u32::MAX)("0")), (Ok(480), Ok(0)));
        for text in ["0", "481", "-1", "x", "", "99999999999"] {
            assert_eq!(count(1..=480)(text).unwrap_err(), "use a whole number from 1 to 480", "{text}");
        }
        assert_eq!(count(1..=u32::MAX)("0").unwrap_err(), "use a whole number of at least 1");
    }

    #[test]
    fn a_reader_may_stand_still_for_no_time() {
        assert_eq!((stall("0"), stall("0s")), (Ok(Duration::ZERO), Ok(Duration::ZERO)));
        assert_eq!(stall("2500ms"), Ok(Duration::from_millis(2500)));
        for text in ["", "5", "-1s", "soon"] {
            assert!(stall(text).unwrap_err().contains("use for example 5s"), "{text}");
        }
    }

    #[test]
    fn a_busy_polling_time_may_be_zero() {
        assert_eq!(
            (spin("0"), spin("0us"), spin("0s")),
            (Ok(Duration::ZERO), Ok(Duration::ZERO), Ok(Duration::ZERO))
        );
        assert_eq!(spin("100us"), Ok(Duration::from_micros(100)));
        for text in ["", "100", "-1us", "2s", "soon"] {
            assert!(spin(text).unwrap_err().contains("use for example 100us"), "{text}");
        }
    }

    #[test]
    fn no_file_of_the_corpus_is_a_finding() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/durations");
        for file in std::fs::read_dir(corpus).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(duration(&text).is_ok_and(|time| !time.is_zero()) || duration(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_needs_its_sign_and_lies_between_none_and_all() {
        assert_eq!((percent("2%"), percent("0.5 %")), (Ok(0.02), Ok(0.005)));
        for text in ["", "2", "%", "0%", "100%", "-1%", "nan%", "inf%", "2%%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_number_may_be_seconds() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        for text in ["0", "-1", "nan", "inf", "1e300", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_guard_lasts_at_most_a_day() {
        assert_eq!(up_to_a_day("24h"), Ok(DAY));
        for text in ["24h1s", "9000000000000000000s", "0s"] {
            assert!(up_to_a_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_doubles_up_to_its_end() {
        let bytes = |text| sizes(text).map(|sizes| sizes.iter().map(|size| size.0).collect::<Vec<_>>());
        assert_eq!(bytes("4KiB..16KiB"), Ok(vec![4096, 8192, 16_384]));
        assert_eq!(bytes("3..10"), Ok(vec![3, 6]));
        assert_eq!(bytes("5"), Ok(vec![5]));
        assert!(bytes("0..5").is_err() && bytes("8..4").is_err() && bytes("1..").is_err());
    }

    #[test]
    fn items_that_repeat_are_kept_once() {
        assert_eq!(distinct([1, 2, 1, 3, 2]), [1, 2, 3]);
    }
}
