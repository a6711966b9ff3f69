//! A comparison as text for 80 columns.

use std::fmt::Write as _;

use record::{counted, mib_per_s, three_digits};

use super::comparison_groups::{disjoint, failures};
use crate::{Change, Circumstance, ComparedCase, Comparison, MetricChange};

/// The most cases of one side that have a line each.
const LISTED: usize = 8;

/// Returns a comparison as text: one block per case, the worse cases first, then the counts, and at the end the facts
/// that differ.
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut cases: Vec<&ComparedCase> = comparison.cases.iter().collect();
    cases.sort_by_key(|case| urgency(case));
    let blocks: String = cases.into_iter().map(block).collect();
    blocks + &summary(comparison) + &differences(comparison)
}

/// Returns the place of a case among all: worse cases, better cases, cases with an inconclusive change, then the rest.
fn urgency(case: &ComparedCase) -> u8 {
    let has = |change| case.changes.iter().any(|other| other.change == change);
    match () {
        () if case.verdict().is_some() => 0,
        () if has(Change::Better) => 1,
        () if case.lacks_goodput || case.changes.iter().any(|change| !change.is_conclusive) => 2,
        () => 3,
    }
}

/// Returns the conditions that make speeds incomparable, the cases that only one side has, and all facts that differ.
fn differences(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for Circumstance { fact, base, candidate } in &comparison.differences {
        let [base, candidate] = [base, candidate].map(|values| values.join(" and "));
        let judged = if is_judged(comparison) {
            "speeds are compared all the same"
        } else {
            "speeds are not compared"
        };
        let fact = fact.to_uppercase();
        let _ = writeln!(text, "OTHER {fact}  {judged}\n  base: {base}\n  candidate: {candidate}");
    }
    let apart = comparison.cases.iter().filter(|case| !case.in_turns).count();
    if apart > 0 {
        let all = comparison.cases.len();
        let _ = writeln!(text, "NOT IN TURNS  {apart} of {all} cases: the ratios include the drift");
    }
    for (side, warnings) in ["base", "candidate"].into_iter().zip(&comparison.warnings) {
        warnings.iter().for_each(|warning| text += &format!("WARNING  in the {side}, {warning}\n"));
    }
    text += &one_sided("MISSING", "base", &comparison.missing);
    text += &one_sided("NEW", "candidate", &comparison.new);
    let (unknown, known): (Vec<&Circumstance>, Vec<&Circumstance>) =
        comparison.circumstances.iter().partition(|circumstance| circumstance.is_one_sided());
    for circumstance in known {
        let _ = writeln!(text, "DIFFERENT  {circumstance}");
    }
    if !unknown.is_empty() {
        let facts = counted(unknown.len(), "fact");
        let _ = writeln!(text, "UNKNOWN  one side alone states {facts} (--json lists them)");
    }
    text
}

/// Returns the cases that only one side has: a line for each if they are few, a line for all if they are many.
fn one_sided(word: &str, side: &str, names: &[String]) -> String {
    match names {
        [first, .., last] if names.len() > LISTED => {
            format!(
                "{word}  {} cases from {first} to {last}: only the {side} has them (--json lists them)\n",
                names.len()
            )
        }
        _ => names.iter().map(|name| format!("{word}  {name}: only the {side} has it\n")).collect(),
    }
}

/// Returns whether conclusions about speed are drawn in spite of differences.
fn is_judged(comparison: &Comparison) -> bool {
    comparison.goodputs().any(|goodput| goodput.change != Change::Incomparable)
}

fn block(case: &ComparedCase) -> String {
    let order = if case.in_turns { "in turns" } else { "not in turns" };
    let mut text = format!("{} ({} runs, {} now, {order})\n", case.name, case.runs.0, case.runs.1);
    if case.lacks_goodput {
        text += "  NO GOODPUT  the goodput of the base has no counterpart\n";
    }
    if let Some(failures) = failures(case) {
        let _ = writeln!(text, "  FAILED  {failures}");
    }
    let (before, now) = case.left_out;
    if case.distances_differ {
        text += "  FAR CORES  the cores of the ends were far apart on one side alone\n";
    } else if before + now > 0 {
        let _ = writeln!(
            text,
            "  FAR CORES  {before} runs of the base, {now} of the candidate count for no speed"
        );
    }
    for change in &case.changes {
        let _ = writeln!(text, "{}", line(change));
    }
    text + &disturbed(case) + &smallest(case)
}

/// Returns the line of one figure: its values, the change in percent with its interval, and the conclusion.
pub(super) fn line(change: &MetricChange) -> String {
    let percent = |ratio: f64| format!("{:+.1}", 100.0 * (ratio - 1.0));
    let interval = change
        .ratio
        .interval
        .map_or("-".into(), |interval| format!("[{}, {}]", percent(interval.low), percent(interval.high)));
    format!(
        "  {:<23} {:>7} {:>7} {:>7} % {interval:>17}  {}",
        change.metric.name,
        change.metric.show(change.base),
        change.metric.show(change.candidate),
        percent(change.ratio.estimate),
        word(change.change),
    )
}

/// Returns the median goodputs without disturbed runs; an empty text if no run was disturbed.
fn disturbed(case: &ComparedCase) -> String {
    let ((before, now), (base, candidate)) = (case.disturbed, case.undisturbed_goodputs);
    if before + now == 0 {
        return String::new();
    }
    let of = |runs: usize, all: usize, goodput: Option<f64>| match (runs, goodput) {
        (0, _) => "unchanged".to_owned(),
        (runs, Some(goodput)) => format!("{} without {runs} of {all}", three_digits(mib_per_s(goodput))),
        (runs, None) => format!("{runs} of {all}"),
    };
    let (base, candidate) = (of(before, case.runs.0, base), of(now, case.runs.1, candidate));
    format!("  disturbed runs: goodput of base {base}, of candidate {candidate}\n")
}

/// Returns the smallest changes for the worse that the runs of a case detect, one for each kind of figure.
fn smallest(case: &ComparedCase) -> String {
    let mut kinds: Vec<(&str, f64, bool)> = Vec::new();
    for change in &case.changes {
        let Some(smallest) = change.smallest_change else { continue };
        let (kind, rises) = (change.metric.threshold, !change.metric.more_is_better);
        match kinds.iter_mut().find(|known| known.0 == kind) {
            // Both ends share a kind. The larger of their smallest changes counts.
            Some(known) => known.1 = known.1.max(smallest),
            None => kinds.push((kind, smallest, rises)),
        }
    }
    let shown = kinds.iter().map(|(kind, smallest, rises)| {
        let sign = if *rises { '+' } else { '-' };
        format!("{kind} {sign}{:.1} %", 100.0 * smallest)
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { String::new() } else { format!("  smallest change found: {}\n", shown.join(", ")) }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Better => "better",
        Change::Worse => "WORSE",
        Change::Same => "same",
        Change::Unclear => "unclear",
        Change::Incomparable => "not judged",
    }
}

fn summary(comparison: &Comparison) -> String {
    if comparison.cases.is_empty() {
        return disjoint(comparison) + "\n";
    }
    let count = |change| comparison.changes().filter(|other| other.change == change).count();
    let mut text = format!(
        "{}, {}: {} worse, {} better, {} same, {} unclear\n",
        counted(comparison.changes().count(), "figure"),
        counted(comparison.cases.len(), "case"),
        count(Change::Worse),
        count(Change::Better),
        count(Change::Same),
        count(Change::Unclear),
    );
    let goodputs = comparison.goodputs().count() + comparison.lacking_goodputs();
    text += &decided(comparison, goodputs);
    let _ = writeln!(
        text,
        "each interval holds in {:.0} of 100; of changes found, at most {:.0} of 100 are false",
        100.0 * comparison.confidence,
        100.0 * comparison.alpha,
    );
    let not_judged = count(Change::Incomparable);
    if not_judged > 0 {
        let _ = writeln!(text, "{not_judged} figures of speed not compared: the conditions differ");
    }
    if comparison.changes().any(|change| change.ratio.interval.is_none()) {
        let enough =
            comparison.fewest_runs.map_or_else(String::new, |runs| format!(", {runs} on each side suffice"));
        let _ = writeln!(text, "without an interval: too few runs count for one{enough} (--rounds)");
    }
    text
}

/// Returns the number of goodputs that are decided, of all `goodputs`, and the number of other goodputs whose slowdown
/// by the threshold would be found.
fn decided(comparison: &Comparison, goodputs: usize) -> String {
    let count = |of: fn(&MetricChange) -> bool| comparison.goodputs().filter(|goodput| of(goodput)).count();
    let decided = count(|goodput| goodput.is_decided);
    let would_be_found = count(|goodput| goodput.is_conclusive) - decided;
    let power = 100.0 * comparison.power;
    let mut text =
        format!("a slowdown by the threshold is found or ruled out in {decided} of {goodputs} goodputs\n");
    if would_be_found > 0 {
        let _ =
            writeln!(text, "in {would_be_found} more, it would be found in {power:.0} of 100 comparisons");
    }
    text
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Comparing, Machines, Thresholds,
        tests::{run, runs, with},
    };

    #[test]
    fn the_text_fits_80_columns_and_says_changes_in_words() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let candidate = runs("h2", &[300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0]);
        let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
        let text = comparison_text(&comparison);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let line = text.lines().find(|line| line.contains("goodput")).unwrap();
        let fields: Vec<_> = line.split_whitespace().collect();
        assert_eq!(fields[..6], ["goodput", "MiB/s", "3030", "303", "-90.0", "%"]);
        assert_eq!(fields.last(), Some(&"WORSE"));
        assert!(text.contains("3 figures, 1 case: 1 worse, 0 better, 2 same"), "{text}");
        assert!(text.contains("NOT IN TURNS  1 of 1 cases: the ratios include the drift"), "{text}");
        assert!(text.contains("  smallest change found: goodput -1.4 %, rss +0.0 %"), "{text}");
        assert!(text.contains("found or ruled out in 1 of 1 goodputs"), "{text}");
    }

    #[test]
    fn a_slowdown_that_would_be_found_is_not_called_ruled_out() {
        let steady = runs("h2", &[3000.0; 7]);
        let mut comparison = Comparison::of(&steady, &steady, &Thresholds::default());
        let decided = "a slowdown by the threshold is found or ruled out in 1 of 1 goodputs\neach interval";
        assert!(comparison_text(&comparison).contains(decided));
        comparison.cases[0].changes[0].is_decided = false;
        let text = comparison_text(&comparison);
        let would_be_found = "found or ruled out in 0 of 1 goodputs\n\
            in 1 more, it would be found in 80 of 100 comparisons\n";
        assert!(text.contains(would_be_found), "{text}");
    }

    #[test]
    fn goodput_without_disturbed_runs_is_shown_beside_that_of_all() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let mut candidate = base.clone();
        candidate[6].disturbed = Some(true);
        let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
        let text = comparison_text(&comparison);
        let expected = "  disturbed runs: goodput of base unchanged, of candidate 3025 without 1 of 7\n";
        assert!(text.contains(expected), "{text}");
        let json = serde_json::to_value(&comparison).unwrap();
        let mib = f64::from(1 << 20);
        assert_eq!(json["cases"][0]["disturbed"], serde_json::json!([0, 1]));
        assert_eq!(json["cases"][0]["undisturbed_goodputs"], serde_json::json!([null, 3025.0 * mib]));
        let text = comparison_text(&Comparison::of(&base, &base, &Thresholds::default()));
        assert!(!text.contains("disturbed"), "{text}");
    }

    #[test]
    fn another_machine_is_named_and_not_called_worse() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let mut candidate = runs("h2", &[300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0]);
        let named = |records: &[Record], name: &str| -> Vec<Record> {
            records.iter().cloned().map(|r| with(r, |r| r.host.name = Some(name.into()))).collect()
        };
        candidate = named(&candidate, "laptop");
        let (base, thresholds) = (named(&base, "server"), Thresholds::default());
        let comparison = Comparison::of(&base, &candidate, &thresholds);
        let text = comparison_text(&comparison);
        let other = "OTHER MACHINE  speeds are not compared\n  base: server\n  candidate: laptop\n";
        assert!(text.contains(other), "{text}");
        assert!(text.contains("not judged") && !text.contains("WORSE"), "{text}");
        let mut comparing = Comparing::default();
        base.iter().for_each(|record| comparing.add_base(record));
        candidate.iter().for_each(|record| comparing.add_candidate(record));
        let text = comparison_text(&comparing.finish(&thresholds, Machines::Any));
        assert!(text.contains("OTHER MACHINE  speeds are compared all the same\n"), "{text}");
        assert!(text.contains("WORSE") && !text.contains("not judged"), "{text}");
    }

    #[test]
    fn figures_come_first_the_worse_ones_before_all_and_differences_last() {
        let steady = [3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0];
        let slow = [300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0];
        let base = [runs("h1", &steady), runs("h2", &steady)].concat();
        let candidate: Vec<Record> = [runs("h1", &steady), runs("h2", &slow)]
            .concat()
            .into_iter()
            .map(|record| {
                with(record, |record| {
                    record.build.commit = Some("beef".into());
                    record.host.clock_source = Some("tsc".into());
                })
            })
            .collect();
        let text = comparison_text(&Comparison::of(&base, &candidate, &Thresholds::default()));
        assert!(text.starts_with("h2/up/64KiB/2GiB "), "{text}");
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}: {text}"));
        assert!(at("h1/up") < at(" figures, ") && at(" figures, ") < at("NOT IN TURNS"), "{text}");
        assert!(text.ends_with("UNKNOWN  one side alone states 2 facts (--json lists them)\n"), "{text}");
    }

    #[test]
    fn sets_without_a_common_case_are_counted_and_not_listed() {
        let chunks = |protocol: &str| -> Vec<Record> {
            let sizes = (1..=9_u64).map(|chunk| {
                with(run(protocol), |record| record.case.chunk = (chunk << 10).try_into().unwrap())
            });
            sizes.collect()
        };
        let text = comparison_text(&Comparison::of(&chunks("h1"), &[run("h2")], &Thresholds::default()));
        let expected = [
            "No case is in both sets: the base has h1/up/1KiB/2GiB, the candidate has h2/up/64KiB/2GiB.",
            "MISSING  9 cases from h1/up/1KiB/2GiB to h1/up/9KiB/2GiB: only the base has them (--json lists them)",
            "NEW  h2/up/64KiB/2GiB: only the candidate has it",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_goodput_of_the_base_without_a_counterpart_is_counted() {
        let steady = [3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0];
        let (h1, h2) = (runs("h1", &steady), runs("h2", &steady));
        let without = |record: Record| with(record, |record| record.goodput_bytes_per_s = None);
        let without: Vec<Record> = h2.iter().cloned().map(without).collect();
        let text = |base: &[Record], candidate: &[Record]| {
            comparison_text(&Comparison::of(base, candidate, &Thresholds::default()))
        };
        let two = text(&[h1.clone(), h2.clone()].concat(), &[h1, without.clone()].concat());
        assert!(two.contains("found or ruled out in 1 of 2 goodputs"), "{two}");
        let one = text(&h2, &without);
        assert!(one.contains("found or ruled out in 0 of 1 goodputs"), "{one}");
    }

    #[test]
    fn too_few_runs_are_pointed_out_with_the_number_that_suffices() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0]);
        let text = comparison_text(&Comparison::of(&base, &base, &Thresholds::default()));
        assert!(text.contains("too few runs count for one, 4 on each side suffice"), "{text}");
    }
}
