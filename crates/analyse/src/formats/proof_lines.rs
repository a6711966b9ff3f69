//! A proof on a terminal: one line for each series, with both ends, and details of ends that are not constant.

use record::mib;

use super::{
    findings::with_numbers,
    proof::{absorption, control, figure, name, rounded_up, subjects, verdict},
    screen::{Screen, Tone},
};
use crate::{Finding, Judgement, Proof, Verdict};

/// The titles of the columns.
const TITLES: [&str; 4] = ["sender/receiver", "KiB per GiB", "RSS MiB", "budget %"];

/// The explanation of the columns, which stands above the lines.
const LEGEND: &str =
    "KiB per GiB: upper bound of the growth within a run at 99 %; RSS: highest peak; budget: used share";

/// The most characters of a name that stands in the line of its figures.
const LONGEST: usize = 40;

/// Returns a proof for a terminal.
pub(super) fn text(proof: &Proof, findings: &[Finding], screen: &Screen) -> String {
    let series = series(proof);
    let lines: Vec<[String; 4]> = series.iter().map(|ends| cells(proof, ends)).collect();
    let widths: [usize; 4] = std::array::from_fn(|column| {
        let lengths = lines.iter().map(|cells| cells[column].chars().count());
        let lengths = lengths.filter(|length| column > 0 || *length <= LONGEST);
        lengths.chain([TITLES[column].chars().count()]).max().unwrap_or(0)
    });
    let mut text = subjects(proof).lines().map(|line| screen.wrapped(line)).collect::<String>();
    if !series.is_empty() {
        text += &screen.wrapped(LEGEND);
        text += &line(&TITLES.map(str::to_owned), &widths, "verdict");
    }
    for (ends, cells) in series.iter().zip(&lines) {
        text += &line(cells, &widths, &shared_verdict(ends, screen));
        let open = ends.iter().filter(|judgement| judgement.verdict() != Verdict::Good);
        text.extend(open.map(|judgement| details(judgement, screen)));
    }
    text + &remarks(proof, findings, screen)
}

/// Returns the judgements by series, in the order of their first appearance: those on both ends of a case are
/// neighbours.
fn series(proof: &Proof) -> Vec<Vec<&Judgement>> {
    let mut all: Vec<Vec<&Judgement>> = Vec::new();
    for judgement in &proof.judgements {
        let is_same = |ends: &&mut Vec<&Judgement>| {
            ends.first().is_some_and(|first| first.series.key == judgement.series.key)
        };
        match all.last_mut().filter(is_same) {
            Some(ends) => ends.push(judgement),
            None => all.push(vec![judgement]),
        }
    }
    all
}

fn cells(proof: &Proof, ends: &[&Judgement]) -> [String; 4] {
    let name = ends.first().map_or_else(String::new, |first| name(&first.series, &proof.judgements));
    let of_ends = |figure: &dyn Fn(&Judgement) -> Option<String>| {
        let figures = ends.iter().map(|judgement| figure(judgement).unwrap_or_else(|| "-".into()));
        figures.collect::<Vec<_>>().join("/")
    };
    [
        name,
        of_ends(&|judgement| Some(figure(judgement.bound()?.0 / 1024.0))),
        of_ends(&|judgement| Some(format!("{:.1}", rounded_up(mib(judgement.series.peak_rss_bytes()?))))),
        of_ends(&|judgement| {
            let series = &judgement.series;
            Some(format!("{:.0}", 100.0 * series.growth as f64 / series.budget? as f64))
        }),
    ]
}

/// Returns the worst verdict on the ends of a series, painted.
fn shared_verdict(ends: &[&Judgement], screen: &Screen) -> String {
    let worst = ends.iter().min_by_key(|judgement| judgement.verdict());
    worst.map_or_else(String::new, |worst| screen.paint(tone(worst.verdict()), &worst.word()))
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Good => Tone::Good,
        Verdict::Inconclusive => Tone::Warning,
        _ => Tone::Bad,
    }
}

/// Returns the verdict on an end that is not constant, with its reason.
fn details(judgement: &Judgement, screen: &Screen) -> String {
    let reason = judgement.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    screen.wrapped(&format!("  {}: {}{reason}", judgement.series.end_name(), verdict(judgement)))
}

/// Returns a line: a name, figures aligned right, and a verdict. A name that is too long has a line of its own.
fn line(cells: &[String; 4], widths: &[usize; 4], verdict: &str) -> String {
    let [name, slope, rss, budget] = cells;
    let [first, slopes, peaks, budgets] = *widths;
    let lead = if name.chars().count() > first {
        format!("{name}\n{:first$}", "")
    } else {
        format!("{name:first$}")
    };
    format!("{lead}  {slope:>slopes$}  {rss:>peaks$}  {budget:>budgets$}  {verdict}\n")
}

/// Returns the absorbed bytes of proxies, the controls, and the findings that are not about memory.
fn remarks(proof: &Proof, findings: &[Finding], screen: &Screen) -> String {
    let absorbed = proof.absorptions.iter().map(|series| screen.wrapped(&absorption(series)));
    let unexpected = proof.controls.iter().filter(|control| !control.is_as_expected());
    let unexpected = unexpected.map(|judgement| screen.headed(Tone::Bad, "unnoticed", &control(judgement)));
    let failed = with_numbers(findings.iter().filter(|finding| !finding.kind.is_memory()));
    let failed = failed.iter().map(|(_, text)| screen.headed(Tone::Bad, "FAILED", text));
    absorbed.chain(unexpected).chain([controls(proof, screen)]).chain(failed).collect()
}

/// Returns a sentence with the number of controls that behave as their cases demand; empty without controls.
fn controls(proof: &Proof, screen: &Screen) -> String {
    let all = proof.controls.len();
    if all == 0 {
        return String::new();
    }
    let expected = proof.controls.iter().filter(|control| control.is_as_expected()).count();
    let so = if expected == all { ", so growth is noticed" } else { "" };
    screen.wrapped(&format!("controls: {expected} of {all} behave as expected{so}"))
}

#[cfg(test)]
mod tests {
    use record::End;

    use super::*;
    use crate::MemorySeries;

    fn judged(end: End, slope: u64) -> Judgement {
        let peaks = [1, 2, 4, 1, 2, 4].map(|gib| (gib << 30, 10 << 20)).to_vec();
        let heap = (1..=64).map(|i| (i << 26, (1 << 20) + (i << slope)));
        Judgement::of(MemorySeries::synthetic(end, peaks, 4 << 20).with_heap(heap))
    }

    fn proof(judgements: Vec<Judgement>, controls: Vec<Judgement>) -> Proof {
        Proof { judgements, absorptions: Vec::new(), controls, lacks_controls: false, lacks_runs: false }
    }

    #[test]
    fn a_constant_series_has_one_line_for_both_ends_within_80_columns() {
        let proof =
            proof(vec![judged(End::Sender, 0), judged(End::Receiver, 0)], vec![judged(End::Receiver, 15)]);
        let text = text(&proof, &[], &Screen::terminal(80));
        let line = text.lines().find(|line| line.starts_with("h2/up/64KiB ")).unwrap();
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[2..], ["10.0/10.0", "25/25", "CONSTANT"], "{text}");
        assert!(text.ends_with("controls: 1 of 1 behave as expected, so growth is noticed\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn flat_memory_over_its_budget_is_called_so() {
        let mut over = judged(End::Sender, 0);
        over.series.growth = 21 << 20;
        let over = Judgement::of(over.series);
        let text = text(&proof(vec![over], Vec::new()), &[], &Screen::terminal(80).coloured());
        assert!(text.contains("\x1b[31mover budget\x1b[0m\n  sender: over budget: peak RSS is"), "{text}");
        assert!(!text.contains("INCONCLUSIVE"), "{text}");
    }

    #[test]
    fn growth_and_unnoticed_controls_have_details() {
        let proof =
            proof(vec![judged(End::Sender, 0), judged(End::Receiver, 15)], vec![judged(End::Receiver, 0)]);
        let text = text(&proof, &[], &Screen::terminal(80).coloured());
        assert!(text.contains("\x1b[31mGROWING\x1b[0m\n  receiver: GROWING: "), "{text}");
        assert!(text.contains("\x1b[31munnoticed\x1b[0m: control h2/up/64KiB: CONSTANT"), "{text}");
        assert!(text.ends_with("controls: 0 of 1 behave as expected\n"), "{text}");
    }
}
