//! The table of steps.

use std::time::Duration;

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use super::{
    Context, answers, features, framing, fuzz, h2spec, hostile, interop, kubernetes, limited_by, load,
    oldest, outcome::Outcome, platforms, release, simulation, slurm, soak, times, watching,
};

/// One step: an entry of [`STEPS`].
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The time limit of the step in seconds, without the time that flags add.
    allowance: u64,
    /// Returns the time that flags add to the limit, in seconds.
    asked: fn(&Context<'_>) -> u64,
    pub(super) run: fn(&Context<'_>) -> Result<Outcome>,
}

/// All steps, in the order in which they run.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "load",
        about: "500 simultaneous uploads of 64 MiB over each protocol",
        allowance: 30 * 60,
        asked: |_| 0,
        run: load::run,
    },
    Step {
        name: "hostile",
        about: "1,000 hostile connections of all kinds together",
        allowance: 5 * 60,
        asked: |_| 0,
        run: hostile::run,
    },
    Step {
        name: "soak",
        about: "mixed traffic for minutes against one server",
        allowance: 5 * 60,
        // Traffic for a tenth of the time precedes the soak, so that everything has been used once.
        asked: |context| context.soak_minutes * 66,
        run: soak::run,
    },
    Step {
        name: "interop",
        about: "256 MiB both ways with programs of other projects",
        allowance: 30 * 60,
        asked: |_| 0,
        run: interop::run,
    },
    Step {
        name: "answers",
        about: "proofs of programs of other projects whose answer is known",
        allowance: 75 * 60,
        asked: |_| 0,
        run: answers::run,
    },
    Step {
        name: "repeats",
        about: "fifty proofs of the same program, which must say the same word",
        allowance: 60 * 60,
        asked: |_| 0,
        run: answers::repeats::run,
    },
    Step {
        name: "conform",
        about: "cases of backpressure for the same programs",
        allowance: 45 * 60,
        asked: |_| 0,
        run: answers::conform::run,
    },
    Step {
        name: "framing",
        about: "the framing that receivers observe, beside a capture by tshark",
        allowance: 5 * 60,
        asked: |_| 0,
        run: framing::run,
    },
    Step {
        name: "h2spec",
        about: "h2spec against the server, in cleartext and over TLS",
        allowance: 15 * 60,
        asked: |_| 0,
        run: h2spec::run,
    },
    Step {
        name: "watching",
        about: "the processor time that prove takes to watch a program",
        allowance: 3 * 60,
        asked: |_| 0,
        run: watching::run,
    },
    Step {
        name: "limited-by",
        about: "runs that are limited on purpose, whose records must name the cause",
        allowance: 20 * 60,
        asked: |_| 0,
        run: limited_by::run,
    },
    Step {
        name: "oldest",
        about: "the libraries for Rust 1.85 with Rust 1.85",
        allowance: 15 * 60,
        asked: |_| 0,
        run: oldest::run,
    },
    Step {
        name: "features",
        about: "the tests of the cargo features that no default build has",
        allowance: 30 * 60,
        asked: |_| 0,
        run: features::run,
    },
    Step {
        name: "platforms",
        about: "the crates without C for macOS and Windows, by the compiler alone",
        allowance: 30 * 60,
        asked: |_| 0,
        run: platforms::run,
    },
    Step {
        name: "release",
        about: "all that a release gives away, each installed into an empty place and used there",
        allowance: 90 * 60,
        asked: |_| 0,
        run: release::run,
    },
    Step {
        name: "slurm",
        about: "a fleet of senders on three nodes of Slurm, also with a late sender and a dead node",
        allowance: 15 * 60,
        asked: |_| 0,
        run: slurm::run,
    },
    Step {
        name: "kubernetes",
        about: "the manifests of a fleet, rendered by kubectl and validated against schemas",
        allowance: 5 * 60,
        asked: |_| 0,
        run: kubernetes::run,
    },
    Step {
        name: "times",
        about: "bench, prove and the quick benches without flags, against their time limits",
        allowance: 60 * 60,
        asked: |_| 0,
        run: times::run,
    },
    Step {
        name: "simulation",
        about: "verdicts of proofs on 2,000 synthetic series of each shape",
        allowance: 20 * 60,
        asked: |_| 0,
        run: simulation::run,
    },
    Step {
        name: "fuzz",
        about: "every fuzz target",
        allowance: 20 * 60,
        asked: |context| context.fuzz_seconds * fuzz::targets().len() as u64,
        run: fuzz::run,
    },
];

impl Step {
    /// Returns the time after which the step is ended.
    pub(super) fn limit(&self, context: &Context<'_>) -> Duration {
        Duration::from_secs(self.allowance + (self.asked)(context))
    }
}

/// Returns a parser of the names of steps.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| step.name))
}
