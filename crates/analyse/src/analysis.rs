//! The analysis of records: rows, findings and, if the records hold one, a proof.

use std::collections::HashMap;

use record::Record;

use crate::{
    BriefAnswer, Ceilings, Finding, FindingKind, Gate, Proof, Row, Untuned, Verdict, conditions, disturbed,
    rank, session_facts, tuning,
};

/// All conclusions from one set of records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Analysis<'a> {
    /// The rows, one per series, in the order of the matrix.
    pub rows: Vec<Row<'a>>,
    /// The findings, grouped by row.
    pub findings: Vec<Finding>,
    /// The proof of constant memory, if the records hold one.
    pub proof: Option<Proof>,
    /// The rows that are not tuned, each compared with its tuned row. Empty unless a library ran with its own defaults.
    pub untuned: Vec<Untuned>,
    /// A remark for tables on the sizes of segments and packets; `None` unless there are rows of both TCP and QUIC.
    pub packets: Option<String>,
    /// A sentence if the records hold fewer runs than their sessions planned: "Interrupted: 2 of 12 runs."; `None`
    /// otherwise.
    pub interruption: Option<String>,
    /// The conditions of the machine, seen before the runs, that spoil the figures. Each warning states the expected
    /// effect.
    pub warnings: Vec<String>,
    /// Remarks on the conditions of the runs.
    pub notes: Vec<String>,
    /// The positions in `findings`, by the name of the case.
    by_case: HashMap<String, Vec<usize>>,
}

impl<'a> Analysis<'a> {
    /// Analyses records without comparing them with ceilings.
    pub fn of(records: &'a [Record]) -> Self {
        Self::against(records, None)
    }

    /// Analyses records, and checks them against ceilings.
    pub fn against(records: &'a [Record], ceilings: Option<&Ceilings>) -> Self {
        let mut rows = Row::all(records);
        let of_row =
            |row: &Row<'_>| row.findings().into_iter().chain(row.beats_ceiling()).collect::<Vec<_>>();
        let mut findings: Vec<Finding> = rows.iter().flat_map(of_row).collect();
        if let Some(ceilings) = ceilings {
            let gate = Gate::over(&rows, records, ceilings);
            findings.extend(gate.findings.into_iter().filter(|finding| {
                // These findings are already there, because they need no ceilings.
                let is_known = matches!(
                    finding.kind,
                    FindingKind::WrongBytes | FindingKind::OverBudget | FindingKind::Failed
                );
                !is_known && finding.kind.verdict() != Verdict::Good
            }));
        }
        rank::rank(&mut rows, &findings);
        let proof = Proof::among(records);
        // A proof draws no conclusion about speed, so it has no remark on disturbed runs.
        let disturbed = if proof.is_none() { disturbed::note(&rows) } else { None };
        let notes = [
            session_facts::selection(records),
            conditions::other_machines(records),
            conditions::core_distance(records),
            conditions::some_observed(records),
        ];
        let notes = notes.into_iter().flatten();
        let notes = conditions::hosts(records).into_iter().chain(notes).chain(disturbed).collect();
        let (untuned, packets) = (tuning::beside(&rows), conditions::packets(records));
        let mut by_case: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, finding) in findings.iter().enumerate() {
            by_case.entry(finding.case.clone()).or_default().push(index);
        }
        let (interruption, warnings) =
            (session_facts::interruption(records), session_facts::warnings(records));
        Self { rows, findings, untuned, proof, packets, interruption, warnings, notes, by_case }
    }

    /// Returns the findings about a row.
    pub fn findings_of<'s>(&'s self, row: &Row<'_>) -> impl Iterator<Item = &'s Finding> + use<'s, 'a> {
        let (case, series) = (row.key.to_string(), row.key.without_body().to_string());
        let names = if case == series { vec![case] } else { vec![case, series] };
        let mut of_row: Vec<usize> =
            names.iter().filter_map(|name| self.by_case.get(name)).flatten().copied().collect();
        of_row.sort_unstable();
        of_row.into_iter().filter_map(|index| self.findings.get(index))
    }

    /// Returns the kind of the worst finding about a row; `None` without findings.
    pub fn worst_of(&self, row: &Row<'_>) -> Option<FindingKind> {
        self.findings_of(row).map(|finding| finding.kind).min()
    }

    /// Returns the brief answer: the fastest HTTP protocols, the smallest chunk that suffices, and memory.
    pub fn answer(&self) -> BriefAnswer {
        BriefAnswer::of(self)
    }

    /// Returns the verdict on all runs, without the verdict of the proof.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.kind.verdict()).min().unwrap_or(Verdict::Good)
    }

    /// Returns the verdict on all runs and on the proof, if there is one.
    pub fn verdict_with_proof(&self) -> Verdict {
        self.proof.iter().map(Proof::verdict).fold(self.verdict(), Verdict::min)
    }

    /// Returns the verdict as a sentence: an early end of the runs first, then the verdict of the proof, then the number
    /// of findings of each kind.
    pub fn sentence(&self) -> String {
        let early = self.interruption.iter().cloned();
        early.chain([self.conclusion()]).collect::<Vec<_>>().join(" ")
    }

    /// Returns the verdict as a sentence, without a remark on an early end. The number of findings of each kind follows
    /// the verdict.
    fn conclusion(&self) -> String {
        let is_good = self.verdict() == Verdict::Good && !self.rows.is_empty();
        let conclusion = match &self.proof {
            Some(proof) => Some(proof.sentence()),
            None => is_good.then(|| self.well()),
        };
        let found = (!self.findings.is_empty()).then(|| self.count());
        let parts: Vec<String> = conclusion.into_iter().chain(found).collect();
        if parts.is_empty() { "No run was finished.".into() } else { parts.join(" ") }
    }

    /// Returns the sentence for a good verdict.
    fn well(&self) -> String {
        let has_unbounded = self.rows.iter().any(|row| row.case.is_stock() || row.peer_end().is_some());
        let ends = if has_unbounded {
            "end with a memory budget kept within it"
        } else {
            "end kept within its memory budget"
        };
        let run = if self.interruption.is_some() { "finished run" } else { "run" };
        format!("Every {run} ended well, and every {ends}.")
    }

    /// Returns the number of findings of each kind, as a sentence.
    fn count(&self) -> String {
        let count = |kinds: &[FindingKind], one: &str, many: &str| match self
            .findings
            .iter()
            .filter(|finding| kinds.contains(&finding.kind))
            .count()
        {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        use FindingKind::*;
        let parts = [
            count(&[WrongBytes], "run delivered wrong bytes", "runs delivered wrong bytes"),
            count(
                &[OverBudget],
                "end took more memory than its budget",
                "ends took more memory than their budgets",
            ),
            count(
                &[OverCeiling, OverSlope],
                "end took more memory than its ceiling",
                "ends took more memory than their ceilings",
            ),
            count(&[Unclear], "ceiling is unclear", "ceilings are unclear"),
            count(&[Failed], "run failed", "runs failed"),
            count(&[BeatsCeiling], "row is faster than its ceiling", "rows are faster than their ceilings"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ") + "."
    }
}

#[cfg(test)]
mod tests {
    use record::{End, FaultKind, Purpose};

    use super::*;
    use crate::tests::{failed, run, with, with_peak};

    fn over(protocol: &str) -> Record {
        with_peak(run(protocol), End::Receiver, 300 << 20)
    }

    #[test]
    fn wrong_bytes_count_before_memory_and_memory_before_failure() {
        let timeout = failed("h2", FaultKind::Timeout);
        assert_eq!(Analysis::of(std::slice::from_ref(&timeout)).verdict(), Verdict::RunFailed);
        assert_eq!(Analysis::of(&[timeout, over("h1")]).verdict(), Verdict::MemoryOver);
        let wrong = [failed("h2", FaultKind::Integrity), over("h1")];
        assert_eq!(Analysis::of(&wrong).verdict(), Verdict::IntegrityFailed);
    }

    #[test]
    fn ceilings_do_not_repeat_what_is_found_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ceilings.toml");
        std::fs::write(&path, "[[ceiling]]\nprotocol = \"*\"\nbudget = true\n").unwrap();
        let ceilings = Ceilings::read(&path, &[]).unwrap();
        let records = [failed("h2", FaultKind::Integrity), failed("h2", FaultKind::Timeout), over("h1")];
        let [alone, against] = [None, Some(&ceilings)].map(|ceilings| Analysis::against(&records, ceilings));
        assert_eq!(against.findings, alone.findings);
    }

    #[test]
    fn an_end_that_grows_on_purpose_is_no_finding() {
        let control = with(over("h1c"), |record| record.purpose = Some(Purpose::Control));
        let records = [run("h2"), control];
        let analysis = Analysis::of(&records);
        assert_eq!((analysis.findings.len(), analysis.rows[0].is_control), (0, true));
        assert_eq!(Analysis::of(&[over("h1c")]).verdict(), Verdict::MemoryOver);
    }

    #[test]
    fn the_sentence_counts_what_was_found() {
        let records = [over("h2"), failed("h3", FaultKind::Protocol)];
        let sentence = Analysis::of(&records).sentence();
        assert_eq!(sentence, "1 end took more memory than its budget, 1 run failed.");
        let early = with(run("h2"), |record| record.planned_runs = Some(12));
        assert!(
            Analysis::of(&[early])
                .sentence()
                .contains("bench --resume makes the others. Every finished run ended")
        );
        assert!(Analysis::of(&[run("h2")]).sentence().starts_with("Every run ended well"));
        assert_eq!(Analysis::of(&[]).sentence(), "No run was finished.");
    }
}
