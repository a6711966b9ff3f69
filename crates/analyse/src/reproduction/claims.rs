//! The claims of a run, with the corresponding statements of its repetition.

use record::{CaseKey, End, Record};
use stats::{Ratio, median, paired_ratio, quotient};

use super::{Answer, Claim, Goodputs, Subject, answer};
use crate::{Constancy, Proof, Series, baseline::paired, series::is_control};

/// The confidence of the interval of each ratio.
const CONFIDENCE: f64 = 0.95;

/// Both ends of a body, in the order of claims.
const ENDS: [End; 2] = [End::Sender, End::Receiver];

/// The runs of longhaul's own ends in a set of records, except controls, by case. Labels and peers do not separate
/// runs.
struct Runs<'r>(Vec<(CaseKey, Vec<&'r Record>)>);

impl<'r> Runs<'r> {
    fn among(records: &'r [Record]) -> Self {
        let is_own = |record: &&Record| record.peer_program.is_none() && !is_control(record, records);
        let measured = records.iter().filter(is_own);
        let mut runs: Vec<(CaseKey, Vec<&Record>)> = Vec::new();
        for series in Series::all(measured) {
            let Series { key, records } = series;
            match runs.iter_mut().find(|(case, _)| *case == key.case) {
                Some((_, known)) => known.extend(records),
                None => runs.push((key.case, records)),
            }
        }
        Self(runs)
    }

    fn of(&self, case: &CaseKey) -> &[&'r Record] {
        self.0.iter().find(|(known, _)| known == case).map_or(&[], |(_, records)| records)
    }

    /// Returns the ratio of a case to its baseline; `None` without pairs of runs.
    fn ratio(&self, case: &CaseKey, baseline: &str) -> Option<Ratio> {
        let (_, base) = self.0.iter().find(|(known, _)| {
            known.protocol.as_deref() == Some(baseline) && known.without_protocol() == case.without_protocol()
        })?;
        paired_ratio(&paired(base, self.of(case)), CONFIDENCE)
    }

    fn goodput(&self, case: &CaseKey) -> Option<f64> {
        let well = self.of(case).iter().filter(|record| record.is_ok());
        median(&well.filter_map(|record| record.goodput_bytes_per_s).collect::<Vec<_>>())
    }

    /// Returns whether an end stayed within its budget in every run that states it. `None` if no run states it.
    fn keeps_budget(&self, case: &CaseKey, end: End) -> Option<bool> {
        let ends = self.of(case).iter().filter_map(|record| record.end(end));
        ends.filter_map(|end| Some(end.memory.over_budget().is_none() && end.memory.within_budget?))
            .reduce(|all, one| all && one)
    }
}

/// Compares the claims of the first run, `there`, with its repetition, `here`. Returns the claims, and the goodputs of
/// both runs.
pub(super) fn compare(there: &[Record], here: &[Record], margin: f64) -> (Vec<Claim>, Vec<Goodputs>) {
    let (before, after) = (Runs::among(there), Runs::among(here));
    let (mut claims, mut goodputs) = (Vec::new(), Vec::new());
    for (case, records) in &before.0 {
        let baseline = records.first().and_then(|record| record.facts().baseline);
        claims.extend(baseline.and_then(|baseline| ratio_claim(&before, &after, case, &baseline, margin)));
        claims.extend(ENDS.iter().filter_map(|end| budget_claim(&before, &after, case, *end)));
        let (there, here) = (before.goodput(case), after.goodput(case));
        goodputs.push(Goodputs { case: case.to_string(), there, here });
    }
    claims.extend(constancy_claims(there, here));
    (claims, goodputs)
}

fn ratio_claim(
    there: &Runs<'_>,
    here: &Runs<'_>,
    case: &CaseKey,
    baseline: &str,
    margin: f64,
) -> Option<Claim> {
    let claimed = there.ratio(case, baseline)?;
    let found = here.ratio(case, baseline);
    let quotient = found.as_ref().and_then(|found| quotient(&claimed, found));
    Some(Claim {
        case: case.to_string(),
        subject: Subject::Ratio { baseline: baseline.to_owned() },
        there: stated(Some(&claimed)),
        here: stated(found.as_ref()),
        answer: answer(quotient.as_ref(), margin),
    })
}

/// Returns a ratio with its interval, in words.
fn stated(ratio: Option<&Ratio>) -> String {
    match ratio {
        None => "no ratio".into(),
        Some(Ratio { estimate, interval: None }) => format!("{estimate:.2}, too few rounds for an interval"),
        Some(Ratio { estimate, interval: Some(interval) }) => {
            format!("{estimate:.2} [{:.2}, {:.2}]", interval.low, interval.high)
        }
    }
}

fn budget_claim(there: &Runs<'_>, here: &Runs<'_>, case: &CaseKey, end: End) -> Option<Claim> {
    let claimed = there.keeps_budget(case, end)?;
    let found = here.keeps_budget(case, end);
    let word = |keeps: bool| if keeps { "within its budget" } else { "over its budget" };
    Some(Claim {
        case: case.to_string(),
        subject: Subject::Budget { end },
        there: word(claimed).into(),
        here: found.map_or("not measured", word).into(),
        answer: match found {
            None => Answer::CannotTell,
            Some(found) if found == claimed => Answer::Agrees,
            Some(_) => Answer::Disagrees,
        },
    })
}

/// Returns the claims of a proof; empty if the records of the first run hold no proof.
fn constancy_claims(there: &[Record], here: &[Record]) -> Vec<Claim> {
    let Some(claimed) = Proof::among(there) else { return Vec::new() };
    let found = Proof::of(here);
    let same = |end: End, case: &CaseKey| {
        let mut ends = found.judgements.iter();
        let same = ends.find(|other| other.series.end == end && other.series.key.case == *case);
        same.map(|judgement| judgement.constancy)
    };
    let claim = |judgement: &crate::Judgement| {
        let (end, case) = (judgement.series.end, &judgement.series.key.case);
        let found = same(end, case);
        Claim {
            case: case.to_string(),
            subject: Subject::Constancy { end },
            there: judgement.constancy.to_string(),
            here: found.map_or_else(|| "not measured".into(), |found| found.to_string()),
            answer: match found {
                Some(found)
                    if judgement.constancy == Constancy::Inconclusive || found == Constancy::Inconclusive =>
                {
                    Answer::CannotTell
                }
                Some(found) if found == judgement.constancy => Answer::Agrees,
                Some(_) => Answer::Disagrees,
                None => Answer::CannotTell,
            },
        }
    };
    claimed.judgements.iter().map(claim).collect()
}
