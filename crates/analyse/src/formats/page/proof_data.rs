//! The data of the page about a proof: a slope with its interval and its limit for each end. A missing figure is null.

use serde::Serialize;
use stats::Slope;

use super::super::proof;
use crate::{Fit, Judgement, Proof};

/// A proof of constant memory.
#[derive(Serialize)]
pub(super) struct ProofData {
    /// The ends under proof, then the controls.
    ends: Vec<ProofEnd>,
    /// True if the controls were not run, although the session has some.
    lacks_controls: bool,
    /// False for a proof of another program, which has no controls.
    needs_controls: bool,
    /// The bytes that proxies absorb, one line per series.
    absorbed: Vec<String>,
}

/// The judgement on one end. Slopes are in KiB per GiB of body.
#[derive(Serialize)]
struct ProofEnd {
    /// The name of the series, without the size of the body.
    series: String,
    end: String,
    is_control: bool,
    /// True if the reader of the body stands still for a time, which has a limit of its own.
    is_stalled: bool,
    /// True if a control behaves as its case demands; always true for other ends.
    is_as_expected: bool,
    word: String,
    /// The verdict with its figures, in words.
    text: String,
    reason: Option<String>,
    /// The deciding slope, with the ends of its interval: of 99 % within runs, or of 95 % over the sizes of bodies.
    slope: Option<[f64; 3]>,
    /// The kind of memory whose slope decides.
    memory: Option<&'static str>,
    /// The slope that counts as growth.
    limit: f64,
    /// The upper bound of the slope, in bytes per chunk.
    bound_per_chunk: Option<f64>,
    growth_bytes: u64,
    budget_bytes: Option<u64>,
}

impl ProofData {
    pub(super) fn of(proof: &Proof) -> Self {
        let of = |is_control| move |judgement: &Judgement| ProofEnd::of(judgement, is_control);
        Self {
            ends: proof.judgements.iter().map(of(false)).chain(proof.controls.iter().map(of(true))).collect(),
            lacks_controls: proof.lacks_controls,
            needs_controls: proof.needs_controls(),
            absorbed: proof.absorptions.iter().map(proof::absorption).collect(),
        }
    }
}

impl ProofEnd {
    fn of(judgement: &Judgement, is_control: bool) -> Self {
        let series = &judgement.series;
        let in_kib = |Slope { estimate, low, high }: Slope| [estimate, low, high].map(|mib| mib * 1024.0);
        let within = match judgement.heap {
            Some(fit) => Some((fit, "live heap")),
            None => judgement.anon.map(|fit| (fit, "anonymous RSS")),
        };
        // If only peak RSS over the sizes of bodies shows growth, that slope is shown.
        let is_decided_by_sizes = |fit: &Fit| judgement.constancy.is_growth() && !fit.constancy.is_growth();
        let within = within.filter(|(fit, _)| judgement.over_sizes.is_none() || !is_decided_by_sizes(fit));
        let over_sizes = judgement.over_sizes.map(|slope| (slope, "peak RSS over sizes"));
        let deciding = within.map(|(fit, memory)| (fit.slope, memory)).or(over_sizes);
        Self {
            series: series.key.to_string(),
            end: series.end_name(),
            is_control,
            is_stalled: series.is_stalled(),
            is_as_expected: !is_control || judgement.is_as_expected(),
            word: judgement.word(),
            text: proof::statement(judgement, "; "),
            reason: judgement.reason.clone(),
            slope: deciding.map(|(slope, _)| in_kib(slope)),
            memory: deciding.map(|(_, memory)| memory),
            limit: series.limit_bytes as f64 / 1024.0,
            bound_per_chunk: judgement.bound().map(|bound| bound.1).filter(|_| series.subject.is_none()),
            growth_bytes: series.growth,
            budget_bytes: series.budget,
        }
    }
}
