//! `longhaul prove`: that memory stays constant, whatever the size of the body.
//!
//! The way of a proof: runs of several sizes, with a fast and with a slow reader, become [`series`]; a line is
//! [`fit`] through each; its slope and the budget decide the [`verdict`]. The [`control`] grows on purpose: an
//! instrument that does not notice proves nothing.

mod control;
mod fit;
mod series;
mod table;
mod verdict;

use std::io::{self, IsTerminal as _};

use crate::{
    bench::{Stage, Stop},
    budget,
    case::{Case, Rates},
    cli::{Defaults, ProveArgs},
    exit::Verdict,
    report::{Conclusion, Set, Summary},
    size::ByteSize,
    stdout::print,
};
pub(crate) use fit::Slope;
pub(crate) use series::Evidence;
use series::Series;
pub(crate) use verdict::{Constancy, Judgement};

/// A slow reader takes a body at this part of the goodput of a fast one.
const SLOW: f64 = 0.25;

/// What slow rates are rounded down to, so that a case has a name that people can read.
const STEP: u64 = 1 << 20;

/// Runs the command.
pub(crate) fn main(args: &ProveArgs) -> anyhow::Result<Verdict> {
    let matrix = args.runs.matrix(&Defaults::PROVE)?;
    let asked = matrix.rates;
    let fast = crate::matrix::Matrix { rates: Rates { reader: None, ..asked }, ..matrix }.cases()?;
    if args.runs.explain_memory {
        fast.iter().try_for_each(|case| print(&budget::explain(case)))?;
        return Ok(Verdict::Good);
    }
    let mut proof = Proof::of(args, &fast)?;
    proof.prove(&fast)?;
    let slow: Vec<Case> = fast.iter().filter_map(|case| proof.slowed(case, asked.reader)).collect();
    proof.prove(&slow)?;
    proof.control()?;
    proof.close()
}

/// A proof under way.
struct Proof<'a> {
    args: &'a ProveArgs,
    stage: Stage<'a>,
    stop: Stop,
    evidence: Evidence,
    controls: Evidence,
}

impl<'a> Proof<'a> {
    fn of(args: &'a ProveArgs, cases: &[Case]) -> anyhow::Result<Self> {
        let controls = if args.no_control { 0 } else { 6 * u64::from(control::ROUNDS) };
        let runs = 2 * cases.len() as u64 * u64::from(args.runs.rounds) + controls;
        let stage = Stage::set(&args.runs, cases, runs)?;
        let (evidence, controls) = (Evidence::default(), Evidence::default());
        Ok(Self { args, stage, stop: Stop::Done, evidence, controls })
    }

    /// Runs cases, unless that was interrupted before.
    fn prove(&mut self, cases: &[Case]) -> anyhow::Result<()> {
        if self.stop == Stop::Done {
            let evidence = &mut self.evidence;
            self.stop = self.stage.run(cases, self.args.runs.rounds, &mut |record| evidence.add(record))?;
        }
        Ok(())
    }

    /// The same case with a slow reader: as slow as was asked for, or a quarter of its goodput so far, which
    /// is the same for all its sizes.
    fn slowed(&self, case: &Case, asked: Option<ByteSize>) -> Option<Case> {
        let reader = match asked {
            Some(rate) => rate,
            None => {
                let goodput = Summary::of(self.stage.samples()).goodput_of(&case.series())?;
                // Each body has a reader of its own.
                let bodies = u64::from(case.connections) * u64::from(case.streams);
                let rate = (SLOW * goodput) as u64 / bodies;
                ByteSize((rate / STEP * STEP).max(STEP))
            }
        };
        Some(Case { rates: Rates { reader: Some(reader), ..case.rates }, ..case.clone() })
    }

    fn control(&mut self) -> anyhow::Result<()> {
        if self.args.no_control || self.stop != Stop::Done {
            return Ok(());
        }
        for matrix in control::matrices()? {
            let controls = &mut self.controls;
            self.stop =
                self.stage.run(&matrix.cases()?, control::ROUNDS, &mut |record| controls.add(record))?;
            if self.stop != Stop::Done {
                break;
            }
        }
        Ok(())
    }

    /// Shows the judgements; says what they amount to.
    fn close(self) -> anyhow::Result<Verdict> {
        let Self { stage, stop, evidence, controls, .. } = self;
        let failed = Summary::of(stage.samples()).faults();
        let judgements: Vec<_> = evidence.0.into_iter().map(Judgement::of).collect();
        // Of a control, the end that is made to grow is the receiver.
        let grown = controls.0.into_iter().filter(|series: &Series| series.end == transport::End::Receiver);
        let controls: Vec<_> = grown.map(Judgement::of).collect();
        let told =
            told(&controls) + &failed.iter().map(|fault| format!("FAILED  {fault}\n")).collect::<String>();
        let text = table::text(&judgements, io::stdout().is_terminal()) + &told;
        let verdict = amount(&judgements, &controls);
        let conclusion = Conclusion {
            verdict,
            sentence: sentence(verdict).into(),
            markdown: table::markdown(&judgements) + "\n" + &told,
            notes: table::notes(&judgements).into_iter().chain(told.lines().map(str::to_owned)).collect(),
        };
        let records = stage.records()?;
        stage.close(&Set::of("longhaul prove", &records, None).concluding(conclusion), &text)?;
        Ok(match stop {
            Stop::Interrupted => Verdict::Interrupted,
            Stop::Done if !failed.is_empty() => Verdict::RunFailed.min(verdict),
            Stop::Done => verdict,
        })
    }
}

/// What all judgements amount to.
fn amount(judgements: &[Judgement], controls: &[Judgement]) -> Verdict {
    let each = judgements.iter().map(|judgement| match judgement.constancy {
        _ if judgement.is_over_budget() => Verdict::MemoryOver,
        Constancy::Growing => Verdict::MemoryOver,
        Constancy::Inconclusive => Verdict::Inconclusive,
        Constancy::Constant => Verdict::Good,
    });
    let controls = controls.iter().map(|control| match control.constancy {
        Constancy::Growing => Verdict::Good,
        Constancy::Constant | Constancy::Inconclusive => Verdict::Inconclusive,
    });
    each.chain(controls).min().unwrap_or(Verdict::Inconclusive)
}

fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "Memory stays constant, whatever the size of the body.",
        Verdict::MemoryOver => "Memory grows with the body, or exceeds its budget.",
        _ => "Whether memory stays constant is not clear.",
    }
}

/// What the controls showed, a line each.
fn told(controls: &[Judgement]) -> String {
    let line = |control: &Judgement| {
        let slope = control.over_sizes.map_or("no slope".into(), |slope| {
            format!("{:.0} MiB per GiB [{:.0}, {:.0}]", slope.estimate, slope.low, slope.high)
        });
        let name = &control.series.name;
        match control.constancy {
            Constancy::Growing => format!("control {name}: GROWING, as it must: {slope}\n"),
            other => format!(
                "control {name}: {other}, but it grows on purpose: {slope}. The instrument does not notice, so nothing is proven\n"
            ),
        }
    };
    controls.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(constancy: Constancy, growth: u64) -> Judgement {
        let (peaks, courses) = (vec![(1 << 30, 10 << 20)], Vec::new());
        let series = Series {
            name: "h2/up/64KiB".into(),
            end: transport::End::Receiver,
            peaks,
            growth,
            budget: 4 << 20,
            courses,
            unknown: 0,
        };
        Judgement { series, over_sizes: None, within_run: None, constancy, reason: None }
    }

    #[test]
    fn a_control_that_does_not_grow_makes_everything_inconclusive() {
        let good = [judgement(Constancy::Constant, 1)];
        assert_eq!(amount(&good, &[judgement(Constancy::Growing, 1 << 30)]), Verdict::Good);
        for silent in [Constancy::Constant, Constancy::Inconclusive] {
            let controls = [judgement(Constancy::Growing, 1 << 30), judgement(silent, 1)];
            assert_eq!(amount(&good, &controls), Verdict::Inconclusive);
            assert!(told(&controls).contains("nothing is proven"));
        }
    }

    #[test]
    fn the_worst_end_decides() {
        let growing = [judgement(Constancy::Constant, 1), judgement(Constancy::Growing, 1)];
        assert_eq!(amount(&growing, &[]), Verdict::MemoryOver);
        assert_eq!(amount(&[judgement(Constancy::Constant, 5 << 20)], &[]), Verdict::MemoryOver);
        let unclear = [judgement(Constancy::Constant, 1), judgement(Constancy::Inconclusive, 1)];
        assert_eq!(amount(&unclear, &[]), Verdict::Inconclusive);
        assert_eq!(amount(&[], &[]), Verdict::Inconclusive);
    }
}
