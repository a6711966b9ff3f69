//! The entry point for the names of cases.

use record::CaseKey;

/// Parses the name of a case. The printed form of a key must be parsed as the same key.
pub fn keys(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(key) = text.parse::<CaseKey>() else { return };
    let printed = key.to_string();
    assert!(printed.parse().is_ok_and(|again: CaseKey| again == key), "{text:?} is printed as {printed:?}");
}
