//! `longhaul prove --trace`: the call sites of memory that grows.
//!
//! A case whose memory grows is run once more, with its allocations traced. That run is no measurement and has no
//! record, because tracing itself takes time and memory.

use std::fmt::Write as _;

use analyse::{Judgement, Proof};
use process::CallSite;
use record::{ByteSize, Case};

use crate::{exit::Usage, program::can_trace_heap, recording::Recording};

/// The most call sites that are named for an end.
const SITES: usize = 5;

/// The name of the file with the call sites, beside the records.
const FILE: &str = "call-sites.txt";

/// Returns an error unless this program can trace allocations.
pub(super) fn check_build() -> Result<(), Usage> {
    if can_trace_heap() {
        return Ok(());
    }
    Err(Usage::new(
        "--trace: this program cannot trace allocations; build one with: cargo build --release --features heap-trace",
    ))
}

/// Runs each case with a growing end once more. Returns the call sites of such ends as text, and keeps the text beside
/// the records.
pub(super) fn name_growth(proof: &Proof, recording: &mut Recording<'_>) -> anyhow::Result<String> {
    let growing = |judgement: &&Judgement| judgement.constancy.is_growth();
    let mut judgements: Vec<&Judgement> = proof.judgements.iter().filter(growing).collect();
    let mut text = String::new();
    while let Some(first) = judgements.first().copied() {
        let (same, others) =
            judgements.into_iter().partition(|judgement| judgement.series.key == first.series.key);
        judgements = others;
        let case = largest(first);
        let Some(sites) = recording.call_sites(&case)? else { break };
        let same: Vec<&Judgement> = same;
        for judgement in same {
            text += &describe(&case, judgement, &sites[judgement.series.end]);
        }
    }
    if !text.is_empty() {
        recording.keep_text(FILE, &text)?;
    }
    Ok(text)
}

/// Returns the case with the largest body of a series.
fn largest(judgement: &Judgement) -> Case {
    let mut case = judgement.series.case.clone();
    case.body = ByteSize(judgement.series.largest() / case.bodies().max(1));
    case
}

fn describe(case: &Case, judgement: &Judgement, sites: &[CallSite]) -> String {
    let mut text = format!(
        "{} {}: allocated after the first quarter of {}, and in use at the end:\n",
        judgement.series.key, judgement.series.end, case.body
    );
    if sites.is_empty() {
        text += "  nothing in the heap of Rust code (C code is not traced)\n";
    }
    for CallSite { bytes, allocations, frames } in sites.iter().take(SITES) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  about {} KiB in {allocations} allocations:", bytes.div_ceil(1024));
        for frame in frames {
            let _ = writeln!(text, "    {frame}");
        }
    }
    text
}
