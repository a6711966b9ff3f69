#![no_main]

// This module belongs to the program, and no library exports its parsers of flag values.
#[path = "../../crates/cli/src/flags/values.rs"]
#[allow(dead_code, reason = "a fuzz target uses a part of it")]
mod values;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(values::duration(text).map_or(true, |duration| !duration.is_zero()));
        let _ = values::sizes(text);
    }
});
