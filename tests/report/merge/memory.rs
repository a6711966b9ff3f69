//! The memory of a merge of many large histograms.

use std::{fs, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{Histogram, serialization::Deserializer};

use super::{files, histogram, many, results};
use crate::common::longhaul;

/// Returns the peak of a process's resident memory in bytes. The ru_maxrss of a child would begin with that of this process.
fn peak_rss(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// The records have more than 10 MB of histograms in all.
#[test]
fn a_thousand_records_are_merged_in_constant_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let (hdr, values) = histogram();
    assert!(hdr.len() > 10_000, "{}", hdr.len());
    let (input, out) = (results(temporary.path(), "many", &many(1000)), temporary.path().join("out"));
    let arguments = ["merge", input.to_str().unwrap(), "-o", out.to_str().unwrap(), "--expect", "1000"];
    let mut merge = longhaul(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_rss(merge.id()).unwrap_or(0));
        if let Some(status) = merge.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success());
    let sum: serde_json::Value = serde_json::from_str(&files(&out).1).unwrap();
    assert_eq!(sum["left_out"].as_array().unwrap().len(), 0);
    let encoded = STANDARD.decode(sum["pull_wait_hdr"].as_str().unwrap()).unwrap();
    let sum: Histogram<u64> = Deserializer::new().deserialize(&mut encoded.as_slice()).unwrap();
    assert_eq!(sum.len(), 1000 * values);
    assert!((1 << 20..64 << 20).contains(&peak), "{peak}");
}
