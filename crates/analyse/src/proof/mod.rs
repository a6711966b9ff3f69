//! The proof that memory stays constant, whatever the size of the body.
//!
//! Runs of several sizes become [`MemorySeries`]; a line is fitted through the peaks of each, and its slope and the
//! budget decide the [`Judgement`]. Controls are ends that grow on purpose: a proof that does not notice them proves
//! nothing.

mod judgement;
mod series;

use record::{End, Record};
use serde::Serialize;

use crate::{Verdict, series::is_control};

pub use judgement::{Constancy, Judgement};
pub use series::MemorySeries;

/// The fewest body sizes for a proof: two points always lie on a line.
const SIZES: usize = 3;

/// The judgements on all ends, and on the controls beside them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// One judgement per end and series.
    pub judgements: Vec<Judgement>,
    /// The judgements on the ends that grow on purpose.
    pub controls: Vec<Judgement>,
}

impl Proof {
    /// The proof among records. `None` unless `prove` made some of them, a series has bodies of at least three sizes, or
    /// there are controls.
    pub fn among(records: &[Record]) -> Option<Self> {
        let proof = Self::of(records);
        let has_sizes = proof.judgements.iter().any(|judgement| judgement.series.sizes() >= SIZES);
        let is_meant = records.iter().any(is_of_proof);
        (is_meant || has_sizes || !proof.controls.is_empty()).then_some(proof)
    }

    /// The judgements on records that were made for a proof, with any number of sizes.
    pub fn of(records: &[Record]) -> Self {
        let (controls, measured): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|record| is_control(record, records));
        let judge =
            |records: Vec<&_>| MemorySeries::all(records).into_iter().map(Judgement::of).collect::<Vec<_>>();
        let mut controls = judge(controls);
        // The end of a control that grows on purpose is the receiver.
        controls.retain(|control| control.series.end == End::Receiver);
        Self { judgements: judge(measured), controls }
    }

    /// The verdict: the worst end decides, and a control that goes unnoticed makes everything inconclusive.
    pub fn verdict(&self) -> Verdict {
        let ends = self.judgements.iter().map(Judgement::verdict);
        let controls = self.controls.iter().map(|control| match control.constancy {
            Constancy::Growing => Verdict::Good,
            Constancy::Constant | Constancy::Inconclusive => Verdict::Inconclusive,
        });
        ends.chain(controls).min().unwrap_or(Verdict::Inconclusive)
    }

    /// The verdict as a sentence.
    pub fn sentence(&self) -> &'static str {
        match self.verdict() {
            Verdict::Good => "Memory stays constant, whatever the size of the body.",
            Verdict::MemoryOver => "Memory grows with the body, or exceeds its budget.",
            _ => "Whether memory stays constant is not clear.",
        }
    }
}

/// Whether `prove` made a record, according to its command line.
fn is_of_proof(record: &Record) -> bool {
    record.command.as_ref().is_some_and(|command| command.split_whitespace().nth(1) == Some("prove"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with};

    fn judgement(constancy: Constancy, growth: u64) -> Judgement {
        let mut judgement =
            Judgement::of(MemorySeries::synthetic(End::Receiver, vec![(1 << 30, 10 << 20)], 4 << 20));
        judgement.series.growth = growth;
        judgement.constancy = constancy;
        judgement
    }

    fn verdict(judgements: &[Judgement], controls: &[Judgement]) -> Verdict {
        Proof { judgements: judgements.to_vec(), controls: controls.to_vec() }.verdict()
    }

    #[test]
    fn a_control_that_does_not_grow_makes_everything_inconclusive() {
        let good = [judgement(Constancy::Constant, 1)];
        assert_eq!(verdict(&good, &[judgement(Constancy::Growing, 1 << 30)]), Verdict::Good);
        for unnoticed in [Constancy::Constant, Constancy::Inconclusive] {
            let controls = [judgement(Constancy::Growing, 1 << 30), judgement(unnoticed, 1)];
            assert_eq!(verdict(&good, &controls), Verdict::Inconclusive);
        }
    }

    #[test]
    fn the_worst_end_decides() {
        let growing = [judgement(Constancy::Constant, 1), judgement(Constancy::Growing, 1)];
        assert_eq!(verdict(&growing, &[]), Verdict::MemoryOver);
        assert_eq!(verdict(&[judgement(Constancy::Constant, 5 << 20)], &[]), Verdict::MemoryOver);
        let unclear = [judgement(Constancy::Constant, 1), judgement(Constancy::Inconclusive, 1)];
        assert_eq!(verdict(&unclear, &[]), Verdict::Inconclusive);
        assert_eq!(verdict(&[], &[]), Verdict::Inconclusive);
    }

    #[test]
    fn records_of_one_size_hold_no_proof() {
        assert!(Proof::among(&[run("h2")]).is_none());
    }

    #[test]
    fn records_of_prove_hold_a_proof_with_any_number_of_sizes() {
        let by = |command: &str| with(run("h2"), |record| record.command = Some(command.into()));
        let proof = Proof::among(&[by("longhaul prove --size 1GiB")]);
        assert_eq!(proof.map(|proof| proof.verdict()), Some(Verdict::Inconclusive));
        assert!(Proof::among(&[by("longhaul bench --label prove"), by("longhaul bench")]).is_none());
    }
}
