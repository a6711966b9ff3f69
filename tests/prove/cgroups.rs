//! The cgroups of the two ends in `prove`: the figure that they provide, and their removal.

use std::process::{Child, Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use run::machine::Enclosures;

use crate::common::{Out, bench, longhaul, names, run, skip, text, wait};

const SHAPE: [&str; 4] = ["--protocol", "h1c", "--chunk-size", "64KiB"];

#[test]
fn the_kernels_memory_of_each_end_is_known_to_prove_alone_and_only_where_it_may() {
    let out = Out::new();
    let rest =
        ["--size", "64MiB", "--rounds", "1", "--reader-rate", "500MiB", "--no-control", "--out", &out.text()];
    let output = run(&[&["prove", "--quiet"], &SHAPE[..], &rest[..]].concat());
    let report = text(&output.stdout);
    let is_allowed = Enclosures::find().is_ok();
    assert_eq!(report.contains("kernel ≤ "), is_allowed, "{report}{}", text(&output.stderr));
    assert!(report.contains("heap 0 ± ") && report.contains("RSS ≤ "), "{report}");
    let (_, measured) = bench(&[&SHAPE[..], &["--size", "1MiB"]].concat());
    for (records, is_known) in [(out.records(), is_allowed), (measured, false)] {
        assert!(!records.is_empty());
        for memory in
            records.iter().flat_map(|record| [&record["sender"]["memory"], &record["receiver"]["memory"]])
        {
            // Page tables and stacks alone take some pages.
            let kernel = memory["kernel_bytes"].as_u64();
            assert_eq!(kernel.is_some_and(|bytes| bytes > 8 << 10), is_known, "{memory}");
        }
    }
}

/// Starts a proof that moves few bytes until it is killed.
fn proof(out: &Out) -> Child {
    let rest = [
        "--size",
        "4096GiB",
        "--sink",
        "discard",
        "--limit-rate",
        "1MiB",
        "--no-control",
        "--quiet",
        "--out",
        &out.text(),
    ];
    let mut command = longhaul(&[&["prove"], &SHAPE[..], &rest[..]].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_proof_that_is_ended_or_killed_leaves_no_cgroup_beyond_the_next_start() {
    let Ok(enclosures) = Enclosures::find() else {
        return skip("this user may not create a cgroup; root may");
    };
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let out = Out::new();
        let mut proof = proof(&out);
        let prefix = format!("longhaul-end-{}-", proof.id());
        let left = || names(enclosures.folder()).iter().filter(|name| name.starts_with(&prefix)).count();
        wait(|| left() == 2);
        kill(Pid::from_raw(proof.id() as i32), signal).unwrap();
        proof.wait().unwrap();
        if signal == Signal::SIGTERM {
            assert_eq!(left(), 0);
        }
        // A worker may outlive its session for a moment.
        wait(|| Enclosures::find().is_ok() && left() == 0);
    }
}
