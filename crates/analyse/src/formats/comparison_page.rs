//! A comparison as a page: worse figures first, then better ones, then figures whose change these runs could not have
//! shown.
//!
//! The page has no scripts. Each change has a small picture of its interval beside the threshold.

use std::fmt::Write as _;

use record::counted;

use super::{
    change_picture::{picture, scale},
    comparison_groups::{self, ChangeRow, Group, Outcome, outcome},
    page::{STYLE, escaped},
};
use crate::{Circumstance, ComparedCase, Comparison, Thresholds};

/// The name of the file with the page.
pub const COMPARISON_PAGE: &str = "compare.html";

/// Returns the page of a comparison of the records in `base` and `candidate`.
pub fn comparison_page(
    comparison: &Comparison,
    thresholds: &Thresholds,
    base: &str,
    candidate: &str,
) -> String {
    let rows = comparison_groups::rows(comparison, thresholds);
    let body = [
        head(comparison, &rows, base, candidate),
        failures(comparison),
        Group::ALL.iter().map(|group| section(*group, &rows)).collect(),
        differences(comparison),
        reading(comparison),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>longhaul compare</title>\n<style>\n{STYLE}</style>\n</head>\n<body class=\"comparison\">\n{}</body>\n</html>\n",
        body.concat()
    )
}

/// Returns the section of a group; empty without changes in it.
fn section(group: Group, all: &[ChangeRow<'_>]) -> String {
    let rows = group.rows(all);
    if rows.is_empty() {
        return String::new();
    }
    let scale = scale(all.iter().map(|row| (row.change, row.threshold)));
    let [heading, meaning] = group.words();
    let content = format!("<p>{meaning}</p>\n{}", table(&rows, scale));
    let content = if group.is_folded() {
        format!("<details><summary>{}</summary>\n{content}</details>\n", counted(rows.len(), "figure"))
    } else {
        content
    };
    format!(
        "<section>\n<h2>{heading} <span class=\"count\">{}</span></h2>\n{content}</section>\n",
        rows.len()
    )
}

fn head(comparison: &Comparison, rows: &[ChangeRow<'_>], base: &str, candidate: &str) -> String {
    let count = |group| rows.iter().filter(|row| Group::of(row.change) == group).count();
    let Outcome { kind, symbol, sentence } = outcome(comparison, count(Group::Worse));
    let tile = |group: Group, tone: &str| {
        let (number, [heading, _]) = (count(group), group.words());
        let tone = if number > 0 { tone } else { "" };
        format!("<div class=\"tile {tone}\"><dt>{heading}</dt><dd><strong>{number}</strong></dd></div>\n")
    };
    let tiles = [
        tile(Group::Worse, "bad"),
        tile(Group::Better, "good"),
        tile(Group::Unseen, "bad"),
        tile(Group::Unclear, ""),
        tile(Group::Same, ""),
    ];
    let mut text = format!(
        "<header>\n<h1>longhaul compare</h1>\n<p class=\"outcome {kind}\"><span aria-hidden=\"true\">{symbol}</span> {}</p>\n\
         <ul class=\"facts\"><li>base: {}</li><li>candidate: {}</li><li>{} of {}</li></ul>\n\
         <dl class=\"tiles\">\n{}</dl>\n\
         <p>A change is estimated from all pairs of rounds, so it may differ from the ratio of the medians beside it.</p>\n",
        escaped(&sentence),
        escaped(base),
        escaped(candidate),
        counted(rows.len(), "figure"),
        counted(comparison.cases.len(), "case"),
        tiles.concat()
    );
    for Circumstance { fact, base, candidate } in &comparison.differences {
        let _ = writeln!(
            text,
            "<p class=\"notice\">▲ Another {}: {} in the base, {} in the candidate.</p>",
            escaped(fact),
            escaped(&base.join(" and ")),
            escaped(&candidate.join(" and "))
        );
    }
    for weakness in comparison_groups::weaknesses(comparison) {
        let _ = writeln!(text, "<p class=\"notice\">▲ {}</p>", escaped(&weakness));
    }
    text + "</header>\n<main>\n"
}

fn failures(comparison: &Comparison) -> String {
    let item = |case: &ComparedCase| {
        let failures = comparison_groups::failures(case)?;
        Some(format!("<li>{}: {failures}</li>\n", escaped(&case.name)))
    };
    let items: String = comparison.cases.iter().filter_map(item).collect();
    if items.is_empty() {
        items
    } else {
        format!("<section>\n<h2>Failed runs</h2>\n<ul>\n{items}</ul>\n</section>\n")
    }
}

/// The start tag of a region that scrolls a table wider than the page, by keyboard too.
const SCROLLING: &str = "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table\">";

fn table(rows: &[&ChangeRow<'_>], scale: f64) -> String {
    let mut text = format!("{SCROLLING}<table class=\"changes\">\n<thead><tr>");
    let [figure, change, further @ ..] = ChangeRow::HEADS;
    // The picture of the interval has no heading.
    for head in ["case", figure, change, ""].into_iter().chain(further) {
        let _ = write!(text, "<th scope=\"col\">{head}</th>");
    }
    text += "</tr></thead>\n<tbody>\n";
    rows.iter().for_each(|row| text += &line(row, scale));
    text + "</tbody></table></div>\n"
}

fn line(row: &ChangeRow<'_>, scale: f64) -> String {
    let mut cells = ChangeRow::HEADS.into_iter().zip(row.cells()).map(|(head, cell)| {
        // A narrow page shows each cell on a line of its own, with its heading.
        format!("<td data-head=\"{head}\">{cell}</td>")
    });
    let first: String = cells.by_ref().take(2).collect();
    let picture = format!("<td>{}</td>", picture(row.change, row.threshold, scale));
    let cells: String = [first, picture].into_iter().chain(cells).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escaped(&row.case.name))
}

fn differences(comparison: &Comparison) -> String {
    let (unknown, known): (Vec<&Circumstance>, Vec<&Circumstance>) =
        comparison.circumstances.iter().partition(|circumstance| circumstance.is_one_sided());
    let listed = |side: &str, names: &[String]| {
        let items: String = names.iter().map(|name| format!("<li>{}</li>\n", escaped(name))).collect();
        if items.is_empty() {
            return items;
        }
        let cases = counted(names.len(), "case");
        format!("<details><summary>{cases} only in the {side}</summary>\n<ul>\n{items}</ul></details>\n")
    };
    let parts = [
        listed("base", &comparison.missing),
        listed("candidate", &comparison.new),
        if known.is_empty() { String::new() } else { facts(&known) },
        if unknown.is_empty() {
            String::new()
        } else {
            format!(
                "<details><summary>{} that one side alone states</summary>\n{}</details>\n",
                counted(unknown.len(), "fact"),
                facts(&unknown)
            )
        },
    ]
    .concat();
    if parts.is_empty() { parts } else { format!("<section>\n<h2>Differences</h2>\n{parts}</section>\n") }
}

fn facts(circumstances: &[&Circumstance]) -> String {
    let row = |Circumstance { fact, base, candidate }: &&Circumstance| {
        let [base, candidate] = [base, candidate].map(|values| escaped(&values.join(" and ")));
        format!("<tr><th scope=\"row\">{}</th><td>{base}</td><td>{candidate}</td></tr>\n", escaped(fact))
    };
    let rows: String = circumstances.iter().map(row).collect();
    format!(
        "{SCROLLING}<table class=\"facts-table\">\n<thead><tr><th scope=\"col\">fact</th><th scope=\"col\">base</th><th scope=\"col\">candidate</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn reading(comparison: &Comparison) -> String {
    let enough = comparison
        .fewest_runs
        .map_or_else(String::new, |runs| format!(" An interval needs at least {runs} runs on each side."));
    format!(
        "<section>\n<h2>How to read this page</h2>\n\
         <p>A change is the ratio of the candidate to the base, by the estimator of Hodges and Lehmann. Each interval holds \
         in {:.0} of 100; of the changes called worse or better, at most {:.0} of 100 are false.{enough}</p>\n\
         <p>In the pictures, the band is the threshold, the upright line is no change, and the scale is logarithmic and the \
         same in all of them. An arrow at the edge stands for an interval that goes on beyond it. <em>smallest found</em> is \
         the smallest change for the worse that these runs detect in {:.0} of 100 comparisons.</p>\n</section>\n</main>\n",
        100.0 * comparison.confidence,
        100.0 * comparison.alpha,
        100.0 * comparison.power,
    )
}

#[cfg(test)]
mod tests {
    use record::{CoreRoundTrip, Record, Warning};

    use super::*;
    use crate::tests::{STEADY, runs, with};

    fn page(base: &[Record], candidate: &[Record]) -> String {
        let thresholds = Thresholds::default();
        comparison_page(&Comparison::of(base, candidate, &thresholds), &thresholds, "<old>", "new")
    }

    #[test]
    fn what_is_worse_comes_first_and_what_is_better_second() {
        let base = [runs("h1", &STEADY), runs("h2", &STEADY), runs("h2c", &STEADY)].concat();
        let candidate = [
            runs("h1", &STEADY),
            runs("h2", &STEADY.map(|goodput| goodput * 1.5)),
            runs("h2c", &STEADY.map(|goodput| goodput / 2.0)),
        ]
        .concat();
        let page = page(&base, &candidate);
        let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what}: {page}"));
        let order = [
            "1 figure is worse.",
            "<h2>Worse ",
            ">h2c/up",
            "−50.0",
            "<h2>Better ",
            ">h2/up",
            "+50.0",
            "<h2>Same ",
        ];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{page}");
        assert!(page.contains("base: &lt;old>") && !page.contains("<old>"), "{page}");
        assert!(page.contains("−5.0\u{a0}%"), "the threshold: {page}");
    }

    #[test]
    fn comparisons_that_could_not_have_seen_the_threshold_are_named() {
        let noisy = [1000.0, 5000.0, 3000.0, 2000.0, 4000.0, 2500.0, 3500.0];
        let page = page(&runs("h2", &noisy), &runs("h2", &noisy));
        assert!(
            page.contains("could have been missed") && page.contains("<h2>Could not have been seen "),
            "{page}"
        );
        assert!(!page.contains("<h2>Worse") && !page.contains("NaN"), "{page}");
    }

    #[test]
    fn warnings_of_a_machine_and_runs_that_do_not_count_are_at_the_top() {
        let at = |record: Record, ns: u64| {
            with(record, |record| {
                record.core_round_trip = Some(CoreRoundTrip { before_ns: ns, after_ns: ns });
            })
        };
        let mut candidate: Vec<Record> =
            runs("h2", &STEADY).into_iter().map(|record| at(record, 60)).collect();
        candidate[0] = with(at(candidate[0].clone(), 330), |record| {
            record.warnings = vec![Warning::new("load", "other programs are busy", "lower figures")];
            record.disturbed = Some(true);
        });
        let all = 2 * candidate.len();
        let page = page(&runs("h2", &STEADY), &candidate);
        let head = page.split("</header>").next().unwrap();
        assert!(head.contains("In the candidate, other programs are busy. Expect lower figures."), "{head}");
        assert!(head.contains(&format!("1 of {all} runs was disturbed.")), "{head}");
        assert!(head.contains(&format!("1 of {all} runs counts for no speed")), "{head}");
    }

    #[test]
    fn sets_without_a_common_case_are_a_page_too() {
        let page = page(&runs("h1", &STEADY), &runs("h2", &STEADY));
        assert!(
            page.contains("1 case only in the base")
                && page.contains("No case is in both sets: the base has h1/up/64KiB/2GiB"),
            "{page}"
        );
    }
}
