//! What holding records against ceilings has found.

use std::fmt;

use super::drift::Drifted;
use crate::{
    ceilings::{Ceiling, Ceilings},
    exit::Verdict,
    prove::{Constancy, Evidence, Judgement, Slope},
    record::{End, EndRecord, Record},
    size::mib,
};

#[derive(Debug, Default)]
pub(super) struct Findings {
    held: usize,
    over: Vec<String>,
    unclear: Vec<String>,
    failed: Vec<String>,
    without: Vec<String>,
    drifted: Drifted,
}

impl Findings {
    pub(super) fn of(records: &[Record], ceilings: &Ceilings) -> Self {
        let mut findings = Self::default();
        let mut used = Vec::new();
        for record in records {
            let (name, round) = (&record.case.name, record.round);
            if let Some(fault) = &record.error {
                findings.failed.push(format!("FAILED  {name} round {round}: {}", fault.message));
                continue;
            }
            for end in [End::Sender, End::Receiver] {
                match ceilings.of(&record.case, end) {
                    Some((number, ceiling)) => {
                        used.push(number);
                        findings.hold(&format!("{name} round {round} {end}"), record.end(end), ceiling);
                    }
                    None => findings.without.push(format!("NO CEILING  {name} {end}")),
                }
            }
        }
        findings.hold_slopes(records, ceilings);
        let unused = ceilings.unused(&used);
        findings
            .without
            .extend(unused.iter().map(|line| format!("NO CASE  the ceiling of line {line} matches nothing")));
        findings
    }

    /// Holds the peak of one end of one run, and its growth.
    fn hold(&mut self, which: &str, end: Option<&EndRecord>, ceiling: &Ceiling) {
        let memory = end.map(|end| &end.memory);
        if let Some(most) = ceiling.peak_rss {
            let peak = memory.and_then(|memory| memory.peak_rss_bytes);
            self.judge(which, "at most", most.0, peak);
        }
        if ceiling.budget {
            let budget = memory.and_then(|memory| memory.budget_bytes);
            let growth = memory.and_then(|memory| memory.growth());
            self.judge(which, "to grow by at most", budget.unwrap_or(0), growth);
        }
    }

    fn judge(&mut self, which: &str, how: &str, most: u64, measured: Option<u64>) {
        let expected = format!("expected {how} {:.1} MiB", mib(most));
        match measured {
            Some(bytes) if bytes <= most => self.held += 1,
            Some(bytes) => {
                self.over.push(format!("OVER  {which}: {expected}, measured {:.1} MiB", mib(bytes)))
            }
            None => self.over.push(format!("OVER  {which}: {expected}, measured nothing")),
        }
    }

    /// Holds the slope of each case over all sizes of its body.
    fn hold_slopes(&mut self, records: &[Record], ceilings: &Ceilings) {
        let mut evidence = Evidence::default();
        records.iter().for_each(|record| evidence.add(record));
        for series in evidence.0 {
            let (name, end) = (series.name.clone(), series.end);
            let case = records.iter().map(|record| &record.case).find(|case| case.series() == name);
            let ceiling = case.and_then(|case| ceilings.of(case, end));
            let Some(most) = ceiling.and_then(|(_, ceiling)| ceiling.slope) else { continue };
            let most = mib(most.0);
            let which = format!("{name} {end}: expected at most {most:.2} MiB per GiB of body");
            let slope = Judgement::of(series).over_sizes;
            let told = slope
                .map_or("too few sizes and rounds for a slope".into(), |Slope { estimate, low, high }| {
                    format!("measured {estimate:.2} [{low:.2}, {high:.2}]")
                });
            match slope.map_or(Constancy::Inconclusive, |slope| slope.against(most)) {
                Constancy::Constant => self.held += 1,
                Constancy::Growing => self.over.push(format!("OVER  {which}, {told}")),
                Constancy::Inconclusive => self.unclear.push(format!("UNCLEAR  {which}, {told}")),
            }
        }
    }

    pub(super) fn add_drift(&mut self, drifted: Drifted) {
        self.drifted = drifted;
    }

    pub(super) fn verdict(&self) -> Verdict {
        let is_over = !self.over.is_empty() || !self.drifted.outside.is_empty();
        match (is_over, self.failed.is_empty(), self.unclear.is_empty()) {
            (true, _, _) => Verdict::MemoryOver,
            (false, false, _) => Verdict::RunFailed,
            (false, true, false) => Verdict::Inconclusive,
            (false, true, true) => Verdict::Good,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drifted { compared, outside, unmatched } = &self.drifted;
        let all = [&self.over, outside, &self.unclear, &self.failed, &self.without, unmatched];
        for line in all.into_iter().flatten() {
            writeln!(f, "{line}")?;
        }
        let [over, unclear, without, failed] =
            [&self.over, &self.unclear, &self.without, &self.failed].map(Vec::len);
        write!(
            f,
            "ceilings: {} held, {over} exceeded, {unclear} unclear, {without} without a counterpart; {failed} failed runs",
            self.held
        )?;
        if *compared > 0 {
            write!(f, "; drift: {compared} compared, {} outside the band", outside.len())?;
        }
        writeln!(f)
    }
}
