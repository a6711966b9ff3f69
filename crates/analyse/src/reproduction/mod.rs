//! The comparison of a run with its repetition on another machine, claim by claim.
//!
//! A claim is a statement that does not depend on the machine. It is about the ratio of a row to its baseline, the
//! budget of an end, or the constancy of its memory. Goodputs depend on the machine and are only reported.

mod claims;

use record::{End, Record};
use serde::Serialize;
use stats::{Interval, Ratio};

use crate::Verdict;

/// The comparison of a run with its repetition.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reproduction {
    /// The largest relative difference between ratios that agree: 0.1 is a tenth.
    pub margin: f64,
    /// The claims of the first run, each with the answer of the repetition.
    pub claims: Vec<Claim>,
    /// The goodputs of both runs, which do not influence the verdict.
    pub goodputs: Vec<Goodputs>,
}

/// A claim of the first run, and the answer of the repetition.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Claim {
    /// The name of the case that the claim is about.
    pub case: String,
    /// The subject of the claim.
    pub subject: Subject,
    /// The claim as the first run states it.
    pub there: String,
    /// The corresponding statement of the repetition.
    pub here: String,
    /// The relation of the repetition to the claim.
    pub answer: Answer,
}

/// The subject of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The ratio of a row's goodput to the goodput of its baseline in the same round.
    Ratio {
        /// The name of the baseline's protocol.
        baseline: String,
    },
    /// The statement that the memory of an end stays within its budget.
    Budget {
        /// The end whose memory the claim is about.
        end: End,
    },
    /// The statement that the memory of an end stays constant.
    Constancy {
        /// The end whose memory the claim is about.
        end: End,
    },
}

/// The relation of a repetition to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The repetition confirms the claim.
    Agrees,
    /// The repetition contradicts the claim.
    Disagrees,
    /// The repetition neither confirms nor contradicts the claim.
    CannotTell,
}

/// The median goodputs of a case in both runs, in bytes per second.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Goodputs {
    /// The name of the case.
    pub case: String,
    /// The goodput of the first run; `None` if unknown.
    pub there: Option<f64>,
    /// The goodput of the repetition; `None` if unknown.
    pub here: Option<f64>,
}

impl Reproduction {
    /// Compares the records of a run with the records of its repetition. Ratios agree if they differ by at most the
    /// share `margin`.
    pub fn of(there: &[Record], here: &[Record], margin: f64) -> Self {
        let (claims, goodputs) = claims::compare(there, here, margin);
        Self { margin, claims, goodputs }
    }

    /// Returns the number of claims with the given answer.
    pub fn count(&self, answer: Answer) -> usize {
        self.claims.iter().filter(|claim| claim.answer == answer).count()
    }

    /// Returns the verdict. A contradicted claim about memory decides first, then a contradicted claim about a ratio.
    /// Without one, a claim that cannot be decided makes the verdict inconclusive.
    pub fn verdict(&self) -> Verdict {
        let of = |claim: &Claim| match (claim.answer, &claim.subject) {
            (Answer::Agrees, _) => Verdict::Good,
            (Answer::CannotTell, _) => Verdict::Inconclusive,
            (Answer::Disagrees, Subject::Ratio { .. }) => Verdict::Slower,
            (Answer::Disagrees, Subject::Budget { .. } | Subject::Constancy { .. }) => Verdict::MemoryOver,
        };
        self.claims.iter().map(of).min().unwrap_or(Verdict::Inconclusive)
    }
}

/// Returns the answer about two ratios by the interval of their quotient. The ratios agree if the interval lies wholly
/// within the margin, and disagree if it lies wholly outside.
fn answer(quotient: Option<&Ratio>, margin: f64) -> Answer {
    let Some(Interval { low, high }) = quotient.and_then(|quotient| quotient.interval) else {
        return Answer::CannotTell;
    };
    let (least, most) = (1.0 / (1.0 + margin), 1.0 + margin);
    if least <= low && high <= most {
        Answer::Agrees
    } else if high < least || most < low {
        Answer::Disagrees
    } else {
        Answer::CannotTell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{failed, run, runs, with_peak};

    /// Returns rounds of `tcp`, and of `h2c` at the given share of `tcp`'s goodput. In every other round, `h2c` alone
    /// is slower by `noise`.
    fn records(share: f64, noise: f64, rounds: u32) -> Vec<Record> {
        let goodput = |round: u32| 1000.0 + 10.0 * f64::from(round);
        let tcp: Vec<f64> = (0..rounds).map(goodput).collect();
        let noisy = |round: u32| goodput(round) * share * (1.0 - noise * f64::from(round % 2));
        let h2c: Vec<f64> = (0..rounds).map(noisy).collect();
        [runs("tcp", &tcp), runs("h2c", &h2c)].concat()
    }

    fn ratio_claim(reproduction: &Reproduction) -> &Claim {
        let is_ratio = |claim: &&Claim| matches!(claim.subject, Subject::Ratio { .. });
        reproduction.claims.iter().find(is_ratio).unwrap()
    }

    #[test]
    fn a_ratio_agrees_disagrees_or_leaves_it_open_by_its_interval() {
        let there = records(0.8, 0.01, 8);
        let answer = |here: &[Record]| ratio_claim(&Reproduction::of(&there, here, 0.1)).answer;
        assert_eq!(answer(&records(0.82, 0.01, 8)), Answer::Agrees);
        assert_eq!(answer(&records(0.6, 0.01, 8)), Answer::Disagrees);
        assert_eq!(answer(&records(1.0, 0.01, 8)), Answer::Disagrees, "faster is no agreement either");
        assert_eq!(answer(&records(0.8, 0.2, 8)), Answer::CannotTell, "too wide");
        assert_eq!(answer(&records(0.8, 0.0, 5)), Answer::CannotTell, "too few rounds");
        assert_eq!(answer(&[]), Answer::CannotTell, "nothing was run");
    }

    #[test]
    fn a_machine_of_half_the_speed_agrees_in_ratios_and_reports_its_goodput() {
        let there = records(0.8, 0.01, 8);
        let here: Vec<Record> = records(0.8, 0.01, 8)
            .into_iter()
            .map(|mut record| {
                record.goodput_bytes_per_s = record.goodput_bytes_per_s.map(|goodput| goodput / 2.0);
                record
            })
            .collect();
        let reproduction = Reproduction::of(&there, &here, 0.1);
        assert_eq!(
            (ratio_claim(&reproduction).answer, reproduction.verdict()),
            (Answer::Agrees, Verdict::Good)
        );
        let of = &reproduction.goodputs[0];
        assert_eq!(of.here.unwrap() * 2.0, of.there.unwrap());
    }

    #[test]
    fn a_budget_that_is_kept_there_and_not_here_is_contradicted() {
        let there = vec![run("h2")];
        let of = |here: &[Record]| Reproduction::of(&there, here, 0.1);
        assert_eq!(of(&there).count(Answer::Agrees), 2, "both ends");
        let over = of(&[with_peak(run("h2"), End::Receiver, 30 << 20)]);
        assert_eq!((over.count(Answer::Disagrees), over.verdict()), (1, Verdict::MemoryOver));
        let missing = of(&[failed("h2", record::FaultKind::Timeout)]);
        assert_eq!((missing.count(Answer::CannotTell), missing.verdict()), (1, Verdict::Inconclusive));
    }

    #[test]
    fn records_without_a_claim_prove_nothing() {
        let bare = vec![Record::new("some", record::Case::new("tcp"))];
        assert_eq!(Reproduction::of(&bare, &bare, 0.1).verdict(), Verdict::Inconclusive);
    }
}
