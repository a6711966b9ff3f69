//! The entry point for values of flags: sizes, rates, chunks, payloads, sinks, thresholds, cores and limits.

use std::{fmt::Display, str::FromStr};

use analyse::Thresholds;
use record::{ByteSize, ChunkSize, LIMITS, PayloadKind, Rate, SinkKind};
use run::Affinity;

/// Parses a text as the value of each kind of flag. The printed form of a value must be parsed as the same value.
pub fn flags(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let size = assert_printed::<ByteSize>(text);
    assert_printed::<Rate>(text);
    assert_printed::<PayloadKind>(text);
    assert_printed::<SinkKind>(text);
    if let Some(chunk) = size.and_then(|size| ChunkSize::try_from(size.0).ok()) {
        assert!((1..=64 << 20).contains(&chunk.get()));
    }
    let _ = text.parse::<Thresholds>();
    let _ = text.parse::<Affinity>();
    for limit in LIMITS {
        let _ = limit.parse(text);
    }
}

fn assert_printed<T: FromStr + Display + PartialEq>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    let printed = value.to_string();
    assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} is printed as {printed:?}");
    Some(value)
}
