//! The proof that memory stays constant, whatever the size of the body.
//!
//! Runs of several sizes become [`MemorySeries`]. The slope of live heap within the runs of the largest body decides
//! the [`Judgement`]. RSS and the budget must agree with it. Controls are ends whose memory behaves in a known way, and
//! most of them grow. A proof that does not notice their growth proves nothing.

mod absorption;
mod constancy;
mod course;
mod judgement;
mod pace;
mod peaks;
mod series;
#[cfg(test)]
mod simulation;
mod standstill;

use record::{ByteSize, End, Record};
use serde::Serialize;

use crate::{Verdict, series::is_control, session_facts};

pub use absorption::Absorption;
pub use constancy::Constancy;
pub use course::{Fit, LevelChange};
pub use judgement::Judgement;
pub use series::MemorySeries;
pub use standstill::bound as standstill_bound;

/// The fewest body sizes for a proof. Two sizes are too few, since two points always lie on a line.
const SIZES: usize = 3;

/// The proof of constant memory: judgements on all ends and controls, and the bytes that proxies absorb.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// The judgements, one per end and series.
    pub judgements: Vec<Judgement>,
    /// The bytes that proxies absorb, one per series.
    pub absorptions: Vec<Absorption>,
    /// The judgements on the controls, whose behaviour is known in advance.
    pub controls: Vec<Judgement>,
    /// True if the session should have had controls, but was interrupted before they ran.
    pub lacks_controls: bool,
    /// True if a session of `prove` ended before all its planned runs, by its time limit or an interruption.
    pub lacks_runs: bool,
}

impl Proof {
    /// Returns the proof in a set of records. `None` unless at least one of these holds: `prove` made some of the
    /// records, a series has bodies of at least three sizes, or there are controls.
    pub fn among(records: &[Record]) -> Option<Self> {
        let proof = Self::of(records);
        let has_sizes = proof.judgements.iter().any(|judgement| judgement.series.sizes() >= SIZES);
        let is_meant = records.iter().any(is_of_proof);
        (is_meant || has_sizes || !proof.controls.is_empty()).then_some(proof)
    }

    /// Judges records that were made for a proof, with any number of body sizes.
    pub fn of(records: &[Record]) -> Self {
        let (controls, measured): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|record| is_control(record, records));
        let judge =
            |records: Vec<&_>| MemorySeries::all(records).into_iter().map(Judgement::of).collect::<Vec<_>>();
        let mut controls = judge(controls);
        // Only the receiver of a control behaves in a known way.
        controls.retain(|control| control.series.end == End::Receiver);
        let lacks_controls = controls.is_empty() && records.iter().any(is_of_proof_with_controls);
        let judgements = judge(measured.clone());
        let absorptions = Absorption::all(&measured, &judgements);
        let lacks_runs = session_facts::lacks_runs_of_proof(records);
        Self { judgements, absorptions, controls, lacks_controls, lacks_runs }
    }

    /// Returns the verdict of the proof. The worst end or series of absorbed bytes decides. A run or a control that is
    /// missing makes the proof inconclusive, and so does a control that does not behave as expected.
    pub fn verdict(&self) -> Verdict {
        let ends = self.judgements.iter().map(Judgement::verdict);
        let controls = self.controls.iter().map(|control| match control.is_as_expected() {
            true => Verdict::Good,
            false => Verdict::Inconclusive,
        });
        let absorbed = self.absorptions.iter().map(Absorption::verdict);
        let missing = (self.lacks_controls || self.lacks_runs).then_some(Verdict::Inconclusive);
        ends.chain(absorbed).chain(controls).chain(missing).min().unwrap_or(Verdict::Inconclusive)
    }

    /// Returns whether a proof about longhaul's own ends has no controls, because the user left them out or planned no
    /// proof.
    pub fn is_without_controls(&self) -> bool {
        self.controls.is_empty() && !self.lacks_controls && self.needs_controls()
    }

    /// Returns whether the proof is about longhaul's own ends. A proof of another program has no controls.
    pub(crate) fn needs_controls(&self) -> bool {
        let of_program = self.judgements.iter().any(|judgement| judgement.series.subject.is_some());
        !of_program && self.absorptions.is_empty()
    }

    /// Returns the size of the largest body, in bytes; `None` without a run.
    pub fn largest(&self) -> Option<ByteSize> {
        let of_ends = self.judgements.iter().map(|judgement| judgement.series.largest());
        let absorbed = self.absorptions.iter().map(Absorption::largest);
        of_ends.chain(absorbed).max().filter(|largest| *largest > 0).map(ByteSize)
    }

    /// Returns the verdict of the proof as a sentence.
    pub fn sentence(&self) -> String {
        let unclear = "Whether memory stays constant is not clear";
        match self.verdict() {
            Verdict::Good => {
                let bodies = self
                    .largest()
                    .map_or_else(String::new, |largest| format!(" with bodies up to {largest}"));
                let controls = if self.is_without_controls() {
                    "; no controls ran, which show that growth is noticed"
                } else {
                    ""
                };
                format!("Memory stays constant{bodies}{controls}.")
            }
            Verdict::MemoryOver => "Memory grows with the body, or exceeds its budget.".to_owned(),
            _ if self.lacks_controls => format!("{unclear}: the controls were not run."),
            _ if self.lacks_runs => format!("{unclear}: not all of its runs were made."),
            _ => format!("{unclear}."),
        }
    }
}

/// Returns whether `prove` made a record, according to its command line.
fn is_of_proof(record: &Record) -> bool {
    record.command.as_ref().is_some_and(|command| command.split_whitespace().nth(1) == Some("prove"))
}

/// Returns whether `prove` made a record in a session with controls.
fn is_of_proof_with_controls(record: &Record) -> bool {
    let is_without = |command: &String| command.split_whitespace().any(|flag| flag == "--no-control");
    record.subject.is_none() && is_of_proof(record) && !record.command.as_ref().is_some_and(is_without)
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

    fn proof(judgements: Vec<Judgement>, controls: Vec<Judgement>) -> Proof {
        Proof { judgements, absorptions: Vec::new(), controls, lacks_controls: false, lacks_runs: false }
    }

    fn verdict(judgements: &[Judgement], controls: &[Judgement]) -> Verdict {
        let (judgements, controls) = (judgements.to_vec(), controls.to_vec());
        proof(judgements, controls).verdict()
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

    #[test]
    fn a_proof_of_another_program_needs_no_controls() {
        let of = |subject| Proof::of(&[with(run("h1c"), |record| record.subject = subject)]);
        assert!(of(None).needs_controls());
        let foreign = of(Some(record::Subject::Client));
        assert!(!foreign.needs_controls() && !foreign.is_without_controls());
    }

    #[test]
    fn a_proof_that_was_stopped_before_its_controls_is_inconclusive() {
        let of = |command: &str| with(run("h2"), |record| record.command = Some(command.into()));
        assert!(Proof::of(&[of("longhaul prove --rounds 1")]).lacks_controls);
        assert!(!Proof::of(&[of("longhaul prove --no-control")]).lacks_controls);
        assert!(!Proof::of(&[of("longhaul bench")]).lacks_controls);
        let judgements = vec![judgement(Constancy::Constant, 1)];
        let proof = Proof { lacks_controls: true, ..proof(judgements, Vec::new()) };
        assert_eq!(proof.verdict(), Verdict::Inconclusive);
        assert!(proof.sentence().contains("controls were not run"));
        let without = Proof { lacks_controls: false, ..proof.clone() };
        assert!(without.sentence().ends_with("no controls ran, which show that growth is noticed."));
        let controls = vec![judgement(Constancy::Growing, 1 << 30)];
        let with = Proof { lacks_controls: false, controls, ..proof };
        assert_eq!(with.sentence(), "Memory stays constant with bodies up to 1GiB.");
    }
    #[test]
    fn a_proof_of_constant_memory_without_all_its_runs_is_inconclusive() {
        let of = |command: &str, planned: u64| {
            let record = with(run("h2"), |record| {
                (record.command, record.planned_runs) = (Some(command.into()), Some(planned));
            });
            Proof::of(&[record]).lacks_runs
        };
        assert!(of("longhaul prove --max-time 3s", 6) && of("longhaul prove --client", 6));
        assert!(!of("longhaul prove", 1) && !of("longhaul bench --max-time 3s", 6));
        let constant = vec![judgement(Constancy::Constant, 1)];
        let early = Proof { lacks_runs: true, ..proof(constant, Vec::new()) };
        assert_eq!(early.verdict(), Verdict::Inconclusive);
        assert!(early.sentence().ends_with("is not clear: not all of its runs were made."));
        let growing = vec![judgement(Constancy::Growing, 1)];
        assert_eq!(Proof { lacks_runs: true, ..proof(growing, Vec::new()) }.verdict(), Verdict::MemoryOver);
    }
}
