//! The records of a report, and what they amount to.

use super::{
    Summary, conditions,
    finding::{Finding, FindingKind},
    sample::Sample,
};
use crate::{case::SinkKind, ceilings::Ceilings, distinct::distinct, exit::Verdict, record::Record};

/// What all formats are made from.
pub(crate) struct Set<'a> {
    pub(super) title: &'a str,
    pub(super) records: &'a [Record],
    pub(super) ceilings: Option<&'a Ceilings>,
    pub(super) summary: Summary,
    pub(super) findings: Vec<Finding>,
    /// The names of cases that grow on purpose.
    controls: Vec<&'a str>,
    pub(super) conclusion: Option<Conclusion>,
}

/// What a command that looked for something else than goodput has concluded of its records.
#[derive(Clone, Debug)]
pub(crate) struct Conclusion {
    pub(crate) verdict: Verdict,
    /// The verdict as a sentence.
    pub(crate) sentence: String,
    /// Its own table, in Markdown.
    pub(crate) markdown: String,
    /// The same in short lines.
    pub(crate) notes: Vec<String>,
}

impl<'a> Set<'a> {
    /// Records of at least one run.
    pub(crate) fn of(title: &'a str, records: &'a [Record], ceilings: Option<&'a Ceilings>) -> Self {
        let samples: Vec<Sample> = records.iter().map(Sample::from).collect();
        let summary = Summary::of(&samples);
        let controls = controls(records);
        let mut findings: Vec<Finding> =
            summary.rows.iter().flat_map(|row| Finding::all_of(row, ceilings)).collect();
        findings.retain(|Finding { kind, case, .. }| {
            let is_memory = matches!(kind, FindingKind::OverBudget | FindingKind::OverCeiling);
            !is_memory || !controls.contains(&case.as_str())
        });
        Self { title, records, ceilings, summary, findings, controls, conclusion: None }
    }

    pub(crate) fn concluding(self, conclusion: Conclusion) -> Self {
        Self { conclusion: Some(conclusion), ..self }
    }

    /// Whether not even one run came to its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The runs of a case, in their order.
    pub(super) fn runs(&self, name: &str) -> Vec<&'a Record> {
        self.records.iter().filter(|record| record.case.name == name).collect()
    }

    /// What is wrong with a case.
    pub(super) fn findings_of(&self, name: &str) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.case == name)
    }

    /// A case's verdict in a word or two.
    pub(super) fn verdict_of(&self, name: &str) -> &'static str {
        let well = if self.controls.contains(&name) { "control" } else { "ok" };
        self.findings_of(name).map(|finding| finding.kind).min().map_or(well, FindingKind::word)
    }

    /// What all of it amounts to, as a sentence.
    pub(super) fn verdict(&self) -> String {
        match (&self.conclusion, self.findings.is_empty()) {
            (Some(conclusion), true) => conclusion.sentence.clone(),
            (Some(conclusion), false) => format!("{} {}", conclusion.sentence, self.found()),
            (None, true) => "Every run ended well, and every end kept within its memory budget.".into(),
            (None, false) => self.found(),
        }
    }

    /// How much of what is wrong.
    fn found(&self) -> String {
        let count = |kind| self.findings.iter().filter(|finding| finding.kind == kind).count();
        let told = |kind, one: &str, many: &str| match count(kind) {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let parts = [
            told(FindingKind::WrongBytes, "run delivered wrong bytes", "runs delivered wrong bytes"),
            told(
                FindingKind::OverBudget,
                "end took more memory than its budget",
                "ends took more memory than their budgets",
            ),
            told(
                FindingKind::OverCeiling,
                "end took more memory than its ceiling",
                "ends took more memory than their ceilings",
            ),
            told(FindingKind::Failed, "run failed", "runs failed"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ") + "."
    }

    /// What the runs amount to, as a verdict.
    pub(crate) fn amount(&self) -> Verdict {
        let worst = self.findings.iter().map(|finding| finding.kind).min();
        let found = worst.map_or(Verdict::Good, |worst| match worst {
            FindingKind::WrongBytes => Verdict::IntegrityFailed,
            FindingKind::OverBudget | FindingKind::OverCeiling => Verdict::MemoryOver,
            FindingKind::Failed => Verdict::RunFailed,
        });
        self.conclusion.as_ref().map_or(found, |conclusion| conclusion.verdict.min(found))
    }

    /// What is not wrong and should be known all the same.
    pub(super) fn notes(&self) -> Vec<String> {
        let concluded = self.conclusion.iter().flat_map(|conclusion| conclusion.notes.clone());
        concluded.chain(conditions::distance(self.records)).collect()
    }

    /// The command lines that made the records, each once.
    pub(super) fn commands(&self) -> Vec<&'a str> {
        distinct(self.records.iter().filter_map(|record| record.command.as_deref()))
    }
}

/// The cases of a proof that grow on purpose: an end that collects the body, and beside it h3 as it comes.
fn controls(records: &[Record]) -> Vec<&str> {
    let collects = |record: &&Record| record.case.sink == SinkKind::Collect;
    if !records.iter().any(|record| collects(&record)) {
        return Vec::new();
    }
    let stock = |record: &&Record| record.case.name.contains("+h3-recv=stock");
    distinct(records.iter().filter(|r| collects(r) || stock(r)).map(|record| record.case.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fault, FaultKind, tests::record};

    fn over(protocol: &str, axis: &str, sink: SinkKind) -> Record {
        let mut over = record(protocol);
        over.case.name.push_str(axis);
        over.case.sink = sink;
        if let Some(end) = &mut over.receiver {
            end.memory.peak_rss_bytes = Some(300 << 20);
            end.memory.within_budget = Some(false);
        }
        over
    }

    #[test]
    fn wrong_bytes_before_memory_before_failure() {
        let mut failed = record("h2");
        let fault = |kind| Some(Fault { kind, message: String::new(), end: None });
        failed.error = fault(FaultKind::Timeout);
        assert_eq!(Set::of("", &[failed.clone()], None).amount(), Verdict::RunFailed);
        let worse = [failed.clone(), over("h1", "", SinkKind::Verify)];
        assert_eq!(Set::of("", &worse, None).amount(), Verdict::MemoryOver);
        failed.error = fault(FaultKind::Integrity);
        let worst = [failed, over("h1", "", SinkKind::Verify)];
        assert_eq!(Set::of("", &worst, None).amount(), Verdict::IntegrityFailed);
    }

    #[test]
    fn what_grows_on_purpose_is_no_breach_but_only_in_a_proof() {
        let stock = over("h3", "+h3-recv=stock", SinkKind::Verify);
        let alone = [stock.clone()];
        let set = Set::of("", &alone, None);
        assert_eq!((set.findings.len(), set.amount()), (1, Verdict::MemoryOver));

        let proof = [record("h1"), over("h1c", "+sink=collect", SinkKind::Collect), stock];
        let set = Set::of("", &proof, None);
        let verdicts: Vec<_> = proof.iter().map(|record| set.verdict_of(&record.case.name)).collect();
        assert_eq!((set.findings.len(), verdicts), (0, vec!["ok", "control", "control"]));
    }

    #[test]
    fn a_conclusion_speaks_first() {
        let records = [record("h1")];
        let conclusion = Conclusion {
            verdict: Verdict::Inconclusive,
            sentence: "Not clear.".into(),
            markdown: String::new(),
            notes: Vec::new(),
        };
        let set = Set::of("", &records, None).concluding(conclusion);
        assert_eq!((set.verdict().as_str(), set.amount()), ("Not clear.", Verdict::Inconclusive));
    }
}
