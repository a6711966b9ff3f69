//! The parts of the page that need no script: the verdict, the answers, the warnings and a short table.

use std::fmt::Write as _;

use stats::Interval;

use super::{
    super::{Report, findings, programs, proof, warned},
    escaped,
    tiles::{Tile, rate, tiles},
};

/// Returns the content of the page without its scripts, as HTML. The scripts replace it.
pub(super) fn content(report: &Report<'_>) -> String {
    let analysis = report.analysis;
    let proof = analysis.proof.as_ref().map(proof::notes).unwrap_or_default();
    let remarks: Vec<String> = warned(analysis).chain(proof).chain(analysis.notes.iter().cloned()).collect();
    let findings =
        findings::with_numbers(&analysis.findings).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    format!(
        "<h1>{}</h1>\n<p><strong>{}</strong></p>\n{}{}{}{}",
        escaped(report.title),
        escaped(&analysis.sentence()),
        answers(&tiles(analysis)),
        list("Findings", &findings),
        list("Notes", &remarks),
        table(report),
    )
}

fn answers(tiles: &[Tile]) -> String {
    let answer = |tile: &Tile| {
        let command = tile
            .command
            .as_ref()
            .map_or_else(String::new, |command| format!(" <code>{}</code>", escaped(command)));
        format!(
            "<dt>{}</dt><dd><strong>{}</strong>. {}{command}</dd>\n",
            escaped(&tile.title),
            escaped(&tile.answer),
            escaped(&tile.detail)
        )
    };
    if tiles.is_empty() {
        String::new()
    } else {
        format!("<dl>\n{}</dl>\n", tiles.iter().map(answer).collect::<String>())
    }
}

/// The most items of a list, and the most rows of the table, so that a page of many cases stays small.
const MOST: usize = 100;

fn list(heading: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let lines: String = items.iter().take(MOST).map(|item| format!("<li>{}</li>\n", escaped(item))).collect();
    format!("<h2>{heading}</h2>\n<ul>\n{lines}</ul>\n")
}

fn table(report: &Report<'_>) -> String {
    let rows = &report.analysis.rows;
    if rows.is_empty() {
        return String::new();
    }
    let mut text = String::from("<h2>Cases</h2>\n<div class=\"scroll\"><table>\n<tr>");
    for head in ["case", "MiB/s", "range", "peak RSS of sender and receiver, MiB", "verdict"] {
        let _ = write!(text, "<th>{head}</th>");
    }
    text += "</tr>\n";
    for row in rows.iter().take(MOST) {
        let goodput = row.goodput.map_or_else(|| "–".to_owned(), |goodput| rate(goodput.median));
        let range = row.goodput.map_or_else(
            || "–".to_owned(),
            |goodput| {
                let Interval { low, high } = goodput.range();
                match goodput.interval {
                    Some(_) => format!("[{}, {}]", rate(low), rate(high)),
                    None => format!("{} to {}", rate(low), rate(high)),
                }
            },
        );
        let peak = |peak: Option<stats::Spread>| {
            peak.map_or_else(|| "–".to_owned(), |peak| format!("{:.1}", record::mib(peak.median as u64)))
        };
        let peaks = format!("{}, {}", peak(row.ends.sender.peak_rss), peak(row.ends.receiver.peak_rss));
        let control = if row.is_control { "control" } else { "ok" };
        let verdict = report.analysis.worst_of(row).map_or(control, |kind| kind.word());
        let name = programs::name(row).join(" ");
        let _ = writeln!(
            text,
            "<tr><th>{}</th><td>{goodput}</td><td>{range}</td><td>{peaks}</td><td>{verdict}</td></tr>",
            escaped(name.trim_end())
        );
    }
    let more = rows.len().saturating_sub(MOST);
    text += "</table></div>\n";
    if more > 0 {
        let _ = writeln!(
            text,
            "<p>And {more} more cases, in the table that a browser shows with JavaScript.</p>"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Analysis,
        tests::{STEADY, runs},
    };

    #[test]
    fn intervals_are_in_brackets_and_extremes_are_not() {
        let records = [runs("h1c", &STEADY), runs("h2c", &[4000.0, 4100.0])].concat();
        let analysis = Analysis::of(&records);
        let content = content(&Report::new("", &records, &analysis));
        assert!(content.contains("<td>[3,000, 3,060]</td>"), "{content}");
        assert!(content.contains("<td>4,000 to 4,100</td>"), "{content}");
    }
}
