#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::h3_frames(data));
