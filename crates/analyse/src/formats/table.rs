//! The table of all rows, for standard output and in Markdown.

use comfy_table::{CellAlignment, Table, presets};
use record::{gbit_per_s, mib_per_s, three_digits};

use super::{
    cells::{figure, pair, peak, range, rate, verdict},
    findings, framing, grouped, limits,
    markdown_text::plain,
    programs,
    screen::{Screen, Tone},
    tuning,
};
use crate::{Analysis, BaselineRatio, Finding, FindingKind, Row, Verdict};

/// The number of columns.
const COLUMNS: usize = 8;

/// The headings of the columns, which are two lines in a pipe.
const HEADER: [[&str; 2]; COLUMNS] = [
    ["case", ""],
    ["MiB/s", "Gbit/s"],
    ["MiB/s", "range"],
    ["of a", "plain loop"],
    ["of", "ceiling"],
    ["RSS", "MiB"],
    ["CPU", "s/GiB"],
    ["verdict", ""],
];

/// The explanation of the ranges, which stands below the table.
const LEGEND: &str = "medians; [a, b]: interval of 95 %, a..b: least and most of under six runs\n\
    RSS and CPU: of the sender and of the receiver\n";

/// The explanation of the ranks, which stands below the table.
const RANKS: &str = "fastest, slowest: among HTTP rows of the same bodies with disjoint intervals\n";

/// Returns the table for standard output, with findings and notes. On a terminal, its lines fit the width. Warnings,
/// notes and findings that fail no command then stand above the table, so that the table stays in sight.
pub fn table(analysis: &Analysis<'_>, screen: &Screen) -> String {
    if analysis.rows.is_empty() {
        return "no run was finished\n".into();
    }
    let warnings: String =
        analysis.warnings.iter().map(|warning| screen.headed(Tone::Warning, "Warning", warning)).collect();
    let early: String =
        analysis.interruption.iter().map(|early| screen.paint(Tone::Warning, early) + "\n").collect();
    let (bad, remarkable): (Vec<&Finding>, Vec<&Finding>) =
        analysis.findings.iter().partition(|finding| finding.kind.verdict() != Verdict::Good);
    let [findings, remarkable] = [bad, remarkable].map(|findings| {
        findings::with_numbers(findings).iter().map(|found| line(found, screen)).collect::<String>()
    });
    let notes: String =
        analysis.notes.iter().map(|note| screen.headed(Tone::Warning, "note", note)).collect();
    let packets = analysis.packets.as_ref().map_or_else(String::new, |packets| screen.wrapped(packets));
    let (untuned, framing) = (tuning::text(&analysis.untuned), framing::text(&analysis.rows));
    let peers = programs::legend(analysis);
    let limits: String = limits::lines(&analysis.rows).iter().map(|line| screen.wrapped(line)).collect();
    if let Some(width) = screen.columns() {
        let rows = grouped::text(analysis, screen, width);
        return format!(
            "{warnings}{notes}{remarkable}{packets}{limits}{peers}{rows}{untuned}{framing}{findings}{early}"
        );
    }
    let ranks = if analysis.rows.iter().any(|row| row.rank.is_some()) { RANKS } else { "" };
    let rows = rows(analysis);
    format!(
        "{rows}\n{LEGEND}{ranks}{limits}{peers}{packets}{findings}{remarkable}{warnings}{notes}{untuned}{framing}{early}"
    )
}

/// Returns the brief answer for standard output, which stands below a table.
pub fn answer(analysis: &Analysis<'_>, screen: &Screen) -> String {
    analysis.answer().lines().iter().map(|line| screen.wrapped(line)).collect()
}

fn line((kind, text): &(FindingKind, String), screen: &Screen) -> String {
    let tone = match kind.verdict() {
        Verdict::Good | Verdict::Inconclusive => Tone::Warning,
        _ => Tone::Bad,
    };
    screen.paint(tone, screen.wrapped(text).trim_end()) + "\n"
}

/// Returns the rows for a pipe, one line each.
fn rows(analysis: &Analysis<'_>) -> String {
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join("\n").trim_end().to_owned()));
    for row in &analysis.rows {
        table.add_row(cells(analysis, row));
    }
    table.load_style(presets::NOTHING);
    align(&mut table);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// Returns the table in Markdown, with the findings as a list.
pub(super) fn markdown(analysis: &Analysis<'_>) -> String {
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    analysis.rows.iter().for_each(|row| {
        table.add_row(cells(analysis, row).map(|cell| plain(&cell)));
    });
    table.load_style(presets::ASCII_MARKDOWN);
    align(&mut table);
    let findings = findings::with_numbers(&analysis.findings);
    let findings: String = findings.iter().map(|(_, text)| format!("\n- {}", plain(text))).collect();
    let packets = analysis.packets.as_ref().map_or_else(String::new, |packets| format!("\n\n{packets}."));
    let untuned = tuning::untuned_markdown(&analysis.untuned);
    let peers = programs::legend(analysis);
    let peers = if peers.is_empty() { String::new() } else { format!("\n{peers}") };
    let untuned = if untuned.is_empty() { untuned } else { format!("\n## Stock beside tuned\n\n{untuned}") };
    let framing = framing::markdown(&analysis.rows);
    let limits = limits::lines(&analysis.rows);
    let limits: String = limits.iter().map(|line| format!("\n- {}", plain(line))).collect();
    format!(
        "{table}{packets}\n{findings}{limits}\n\n\
         Goodput, peak RSS and CPU are medians of the rounds; RSS and CPU of the sender and of the receiver. \
         [a, b] is the interval of 95 % of a median; a..b are the least and the most of fewer than six runs. \
         *of a plain loop*: goodput over that of the same bytes without HTTP, round by round. \
         *of ceiling*: over the most that the carrier gives on this machine, likewise. \
         *fastest*, *slowest*: of the HTTP rows that move the same bodies, if its interval parts from those of \
         all others.\n{peers}{untuned}{framing}"
    )
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1).take(COLUMNS - 2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn cells(analysis: &Analysis<'_>, row: &Row<'_>) -> [String; COLUMNS] {
    let goodput = row.goodput.map(|goodput| goodput.median);
    let (sender, receiver) = (row.ends.sender, row.ends.receiver);
    [
        programs::name(row).join(" ").trim_end().to_owned(),
        format!("{} {}", rate(goodput.map(mib_per_s)), rate(goodput.map(gbit_per_s))),
        row.goodput
            .map_or_else(|| "-".into(), |goodput| range(&goodput, |rate| three_digits(mib_per_s(rate)))),
        row.of_baseline.as_ref().map_or_else(|| "-".into(), |of| ratio(of, &format!(" {}", of.baseline))),
        row.of_ceiling.as_ref().map_or_else(|| "-".into(), |of| ratio(of, "")),
        pair(peak(&sender), peak(&receiver)),
        pair(figure(sender.cpu_s_per_gib, 2), figure(receiver.cpu_s_per_gib, 2)),
        verdict(analysis, row).to_owned(),
    ]
}

/// Returns the cell of a ratio to another row, whose name comes between the median and the range.
fn ratio(of: &BaselineRatio, name: &str) -> String {
    format!("{:.2}{name} {}", of.ratio.median, range(&of.ratio, |ratio| format!("{ratio:.2}")))
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::tests::{bad_day, run, with};

    fn text(records: &[Record]) -> String {
        table(&Analysis::of(records), &Screen::pipe())
    }

    #[test]
    fn goodput_is_in_both_units_and_beside_the_baseline() {
        let with =
            |protocol, goodput| with(run(protocol), |record| record.goodput_bytes_per_s = Some(goodput));
        let text = text(&[with("tcp", 4e9), with("h2c", 3e9), with("h1c", 3.5e9)]);
        let row = text.lines().find(|line| line.contains("h2c/up")).unwrap();
        let fields: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            fields,
            [
                "h2c/up/64KiB/2GiB",
                "2861",
                "24.0",
                "2861..2861",
                "0.75",
                "tcp",
                "0.75..0.75",
                "-",
                "8.0/8.0",
                "-/-",
                "ok"
            ]
        );
    }

    #[test]
    fn verdicts_are_words() {
        let text = text(&bad_day());
        let verdict = |protocol: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{protocol}/"))).unwrap();
            line.split_once("-/-").unwrap().1.trim().to_owned()
        };
        assert_eq!(["h2", "h3"].map(verdict), ["over budget", "failed"]);
        assert!(text.contains("h3/up/64KiB/2GiB failed (sender): it said \"no\", twice"), "{text}");
        assert!(
            text.contains(
                "h2/up/64KiB/2GiB receiver over its budget: grew by 23.0 MiB, expected at most 4.0 MiB"
            ),
            "{text}"
        );
    }
}
