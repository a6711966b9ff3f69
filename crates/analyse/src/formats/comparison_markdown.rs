//! A comparison as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use record::counted;

use super::{
    comparison_groups::{self, ChangeRow, Group, outcome},
    markdown_text::plain,
};
use crate::{Circumstance, Comparison, Thresholds};

/// Returns a comparison of the records in `base` and `candidate` as GitHub's Markdown. Worse figures come first, then
/// better ones, then figures whose change these runs could not have shown. Unchanged and incomparable figures are
/// collapsed.
pub fn comparison_markdown(
    comparison: &Comparison,
    thresholds: &Thresholds,
    base: &str,
    candidate: &str,
) -> String {
    let rows = comparison_groups::rows(comparison, thresholds);
    let counts: Vec<String> = Group::ALL
        .iter()
        .map(|group| (group.words()[0].to_lowercase(), group.rows(&rows).len()))
        .filter(|(_, count)| *count > 0)
        .map(|(words, count)| format!("{count} {words}"))
        .collect();
    let outcome = outcome(comparison, Group::Worse.rows(&rows).len());
    let mut text = format!(
        "# longhaul compare\n\n{} **{}**\n\n- base: {}\n- candidate: {}\n- {} of {}: {}\n",
        outcome.symbol,
        plain(&outcome.sentence),
        plain(base),
        plain(candidate),
        counted(rows.len(), "figure"),
        counted(comparison.cases.len(), "case"),
        if counts.is_empty() { "none to compare".to_owned() } else { counts.join(", ") }
    );
    text += &failures(comparison);
    text += &conditions(comparison);
    Group::ALL.iter().for_each(|group| text += &section(*group, &rows));
    text + &differences(comparison) + &reading(comparison)
}

fn failures(comparison: &Comparison) -> String {
    let line = |case: &crate::ComparedCase| {
        let failures = comparison_groups::failures(case)?;
        Some(format!("- failed: {}: {failures}\n", plain(&case.name)))
    };
    comparison.cases.iter().filter_map(line).collect()
}

/// Returns the conditions that make speeds incomparable or their comparison weaker.
fn conditions(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for Circumstance { fact, base, candidate } in &comparison.differences {
        let [base, candidate] = [base, candidate].map(|values| plain(&values.join(" and ")));
        let _ =
            writeln!(text, "- **another {}**: {base} in the base, {candidate} in the candidate", plain(fact));
    }
    for weakness in comparison_groups::weaknesses(comparison) {
        let _ = writeln!(text, "- {}", plain(&weakness));
    }
    text
}

fn section(group: Group, all: &[ChangeRow<'_>]) -> String {
    let rows = group.rows(all);
    if rows.is_empty() {
        return String::new();
    }
    let [heading, meaning] = group.words();
    let mut table = format!("| case | {} |\n|---|---|", ChangeRow::HEADS.join(" | "));
    table += &"---:|".repeat(ChangeRow::HEADS.len() - 1);
    table.push('\n');
    for row in &rows {
        let _ = writeln!(table, "| {} | {} |", plain(&row.case.name), row.cells().join(" | "));
    }
    match group.is_folded() {
        true => folded(&format!("{heading}: {}", rows.len()), &format!("{meaning}\n\n{table}")),
        false => format!("\n## {heading}: {}\n\n{meaning}\n\n{table}", rows.len()),
    }
}

/// Returns the cases that only one side has and all facts that differ, collapsed.
fn differences(comparison: &Comparison) -> String {
    let cases = |side: &str, names: &[String]| -> String {
        names.iter().map(|name| format!("- only the {side} has {}\n", plain(name))).collect()
    };
    let facts = comparison.circumstances.iter().map(|Circumstance { fact, base, candidate }| {
        let [base, candidate] = [base, candidate].map(|values| plain(&values.join(" and ")));
        format!("- {}: {base} in the base, {candidate} in the candidate\n", plain(fact))
    });
    let lists =
        [cases("base", &comparison.missing), cases("candidate", &comparison.new), facts.collect::<String>()]
            .concat();
    if lists.is_empty() { lists } else { folded("Differences", &lists) }
}

/// Returns content that is collapsed below a summary. GitHub reads Markdown within HTML only after an empty line.
fn folded(summary: &str, content: &str) -> String {
    format!("\n<details><summary>{summary}</summary>\n\n{content}\n</details>\n")
}

fn reading(comparison: &Comparison) -> String {
    format!(
        "\nEach interval holds in {:.0} of 100; of changes found, at most {:.0} of 100 are false. *smallest found* is the \
         smallest change for the worse that these runs detect in {:.0} of 100 comparisons.\n",
        100.0 * comparison.confidence,
        100.0 * comparison.alpha,
        100.0 * comparison.power
    )
}

#[cfg(test)]
mod tests {
    use record::{FaultKind, Record};

    use super::*;
    use crate::tests::{STEADY, failed, runs, with};

    fn markdown(base: &[Record], candidate: &[Record]) -> String {
        let thresholds = Thresholds::default();
        comparison_markdown(&Comparison::of(base, candidate, &thresholds), &thresholds, "old|<b>", "new")
    }

    #[test]
    fn what_is_worse_comes_first_and_what_is_the_same_is_folded() {
        let base = [runs("h1", &STEADY), runs("h2", &STEADY)].concat();
        let candidate =
            [runs("h1", &STEADY.map(|goodput| goodput / 2.0)), runs("h2", &STEADY.map(|it| it * 1.5))]
                .concat();
        let text = markdown(&base, &candidate);
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}: {text}"));
        let order = [
            "▲ **1 figure is worse.**",
            "- base: old\\|&lt;b>",
            "6 figures of 2 cases: 1 worse, 1 better, 4 same",
            "- 2 of 2 cases were not run in turns",
            "\n## Worse: 1\n",
            "| h1/up/64KiB/2GiB | goodput MiB/s | −50.0\u{a0}% | [",
            "\n## Better: 1\n",
            "\n<details><summary>Same: 4</summary>\n\n",
            "Each interval holds in 95 of 100",
        ];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
    }

    #[test]
    fn the_first_line_names_failed_runs_before_worse_figures() {
        let slow = runs("h2", &STEADY.map(|goodput| goodput / 2.0));
        let candidate = [slow, vec![failed("h2", FaultKind::Timeout)]].concat();
        let text = markdown(&runs("h2", &STEADY), &candidate);
        let first = "✗ **Runs of the candidate failed in a new way. 1 figure is worse.**";
        assert!(text.contains(first) && text.contains("of a new kind (timeout)"), "{text}");
    }

    #[test]
    fn each_line_of_a_table_has_the_columns_of_its_heading() {
        let labelled = |records: Vec<Record>| -> Vec<Record> {
            records.into_iter().map(|r| with(r, |r| r.label = Some("a|b\nc".into()))).collect()
        };
        let text = markdown(&labelled(runs("h2", &STEADY)), &labelled(runs("h2", &STEADY)));
        let unescaped = |line: &str| line.replace("\\|", "").matches('|').count();
        let columns: Vec<usize> = text.lines().filter(|line| line.starts_with('|')).map(unescaped).collect();
        assert!(columns.len() > 2 && columns.iter().all(|columns| *columns == 9), "{columns:?} {text}");
    }

    #[test]
    fn sets_without_a_common_case_are_a_text_too() {
        let text = markdown(&runs("h1", &STEADY), &runs("h2", &STEADY));
        assert!(text.contains("? **") && text.contains("none to compare"), "{text}");
        assert!(text.contains("- only the base has h1/up/64KiB/2GiB\n"), "{text}");
    }
}
