//! The table of all rows, for a terminal of 80 columns and in Markdown.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use record::{gbit_per_s, mib, mib_per_s};
use stats::{Interval, Spread};

use super::{framing, programs, tuning};
use crate::{Analysis, BaselineRatio, EndRow, Rank, Row};

/// The number of columns.
const COLUMNS: usize = 8;

/// The headings of the columns, which are two lines on a terminal.
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

/// A cell of two parts, which are two lines on a terminal and one line elsewhere.
pub(super) struct Cell {
    parts: [String; 2],
    /// The text between the two parts if they are in one line.
    between: &'static str,
}

/// The default width of a terminal, in columns.
pub(super) const TERMINAL: u16 = 80;

/// The medium that shows the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// A terminal: long cells are broken into lines.
    Terminal,
    /// A pipe or a file: one line per row.
    Pipe,
}

/// Returns the table for standard output, with findings and notes below. If `is_terminal`, long cells are broken so
/// that the table fits 80 columns.
pub fn table(analysis: &Analysis<'_>, is_terminal: bool) -> String {
    if analysis.rows.is_empty() {
        return "no run was finished\n".into();
    }
    let medium = if is_terminal { Medium::Terminal } else { Medium::Pipe };
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join("\n").trim_end().to_owned()));
    for row in &analysis.rows {
        let cells = cells(analysis, row).map(|cell| cell.text(medium));
        table.add_row(cells);
    }
    lay_out(&mut table, medium);
    let findings: String = analysis.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let notes: String = analysis.notes.iter().map(|note| format!("note: {note}\n")).collect();
    let packets = analysis.packets.as_ref().map_or_else(String::new, |packets| format!("{packets}\n"));
    let ranks = if analysis.rows.iter().any(|row| row.rank.is_some()) { RANKS } else { "" };
    let peers = programs::legend(analysis);
    let (untuned, framing) = (tuning::text(&analysis.untuned, medium), framing::text(&analysis.rows));
    format!("{}\n{LEGEND}{ranks}{peers}{packets}{findings}{notes}{untuned}{framing}", table.trim_fmt())
}

impl Cell {
    fn of(first: impl Into<String>, between: &'static str, second: impl Into<String>) -> Self {
        Self { parts: [first.into(), second.into()], between }
    }

    /// Creates a cell whose text is broken before each `at` on a terminal.
    fn breaking(text: String, at: char) -> Self {
        match text.split_once(at) {
            Some((first, second)) if at == ' ' => Self::of(first, " ", second),
            Some((first, second)) => {
                Self::of(first, "", format!("{at}{}", second.replace(at, &format!("\n{at}"))))
            }
            None => Self::of(text, "", ""),
        }
    }

    pub(super) fn text(self, medium: Medium) -> String {
        let [first, second] = self.parts;
        match medium {
            Medium::Pipe => format!("{first}{}{}", self.between, second.replace('\n', "")),
            Medium::Terminal if second.is_empty() => first,
            Medium::Terminal => format!("{first}{}\n{second}", self.between.trim_end_matches(['/', ' '])),
        }
    }
}

fn lay_out(table: &mut Table, medium: Medium) {
    let is_terminal = medium == Medium::Terminal;
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    align(table);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if is_terminal {
        // If the table is too wide, the column of names becomes narrower.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TERMINAL);
        for column in table.column_iter_mut().skip(1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Returns the table in Markdown, with the findings as a list.
pub(super) fn markdown(analysis: &Analysis<'_>) -> String {
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    analysis.rows.iter().for_each(|row| {
        table.add_row(cells(analysis, row).map(|cell| cell.text(Medium::Pipe)));
    });
    table.load_style(presets::ASCII_MARKDOWN);
    align(&mut table);
    let findings: String = analysis.findings.iter().map(|finding| format!("\n- {finding}")).collect();
    let packets = analysis.packets.as_ref().map_or_else(String::new, |packets| format!("\n\n{packets}."));
    let untuned = tuning::untuned_markdown(&analysis.untuned);
    let peers = programs::legend(analysis);
    let peers = if peers.is_empty() { String::new() } else { format!("\n{peers}") };
    let untuned = if untuned.is_empty() { untuned } else { format!("\n## Stock beside tuned\n\n{untuned}") };
    let framing = framing::markdown(&analysis.rows);
    format!(
        "{table}{packets}\n{findings}\n\n\
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

fn cells(analysis: &Analysis<'_>, row: &Row<'_>) -> [Cell; COLUMNS] {
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let goodput = row.goodput.map(|goodput| goodput.median);
    let peak = |end: &EndRow<'_>| figure(end.peak_rss.map(|peak| mib(peak.median as u64)), 1);
    let (sender, receiver) = (row.ends.sender, row.ends.receiver);
    [
        name(row),
        Cell::of(figure(goodput.map(mib_per_s), 0), " ", figure(goodput.map(gbit_per_s), 2)),
        row.goodput.map_or_else(none, |goodput| range(&goodput, |rate| format!("{:.0}", mib_per_s(rate)))),
        of_other(row.of_baseline.as_ref(), Some(())),
        of_other(row.of_ceiling.as_ref(), None),
        Cell::of(peak(&sender), "/", peak(&receiver)),
        Cell::of(figure(sender.cpu_s_per_gib, 2), "/", figure(receiver.cpu_s_per_gib, 2)),
        Cell::breaking(verdict(analysis, row).to_owned(), ' '),
    ]
}

/// Returns the cell of the case, with the programs of its two ends if one of them is not longhaul.
fn name(row: &Row<'_>) -> Cell {
    let [case, programs] = programs::name(row);
    if programs.is_empty() { Cell::breaking(case, '+') } else { Cell::of(case, " ", programs) }
}

fn none() -> Cell {
    Cell::of("-", "", "")
}

/// Returns the range of a figure as text: its interval in brackets, or the least and the greatest value if runs are
/// few.
pub(super) fn range(spread: &Spread, text: impl Fn(f64) -> String) -> Cell {
    let Interval { low, high } = spread.range();
    match spread.interval {
        Some(_) => Cell::of(format!("[{},", text(low)), " ", format!("{}]", text(high))),
        None => Cell::of(format!("{}..", text(low)), "", text(high)),
    }
}

/// Returns the cell of a ratio to a baseline or a ceiling. The name of the other protocol is included if `named` is
/// set.
fn of_other(of: Option<&BaselineRatio>, named: Option<()>) -> Cell {
    let Some(of) = of else { return none() };
    let [low, high] = range(&of.ratio, |ratio| format!("{ratio:.2}")).parts;
    let space = if of.ratio.interval.is_some() { " " } else { "" };
    let name = named.map_or_else(String::new, |()| format!(" {}", of.baseline));
    Cell::of(format!("{:.2}{name}", of.ratio.median), " ", format!("{low}{space}{high}"))
}

/// Returns the verdict on a row: the worst finding, or the rank of a row without findings.
fn verdict(analysis: &Analysis<'_>, row: &Row<'_>) -> &'static str {
    match (analysis.worst_of(row), row.rank) {
        (Some(kind), _) => kind.word(),
        (None, _) if row.is_control => "control",
        (None, Some(Rank::Fastest)) => "fastest",
        (None, Some(Rank::Slowest)) => "slowest",
        (None, None) => "ok",
    }
}

#[cfg(test)]
mod tests {
    use record::{ByteSize, ChunkSize, Direction, LimitValue, QUIC_MTU, Record, SinkKind};

    use super::*;
    use crate::tests::{bad_day, run, runs, with};

    fn text(records: &[Record], is_terminal: bool) -> String {
        table(&Analysis::of(records), is_terminal)
    }

    #[test]
    fn goodput_is_in_both_units_and_beside_the_baseline() {
        let with =
            |protocol, goodput| with(run(protocol), |record| record.goodput_bytes_per_s = Some(goodput));
        let text = text(&[with("tcp", 4e9), with("h2c", 3e9), with("h1c", 3.5e9)], false);
        let row = text.lines().find(|line| line.contains("h2c/up")).unwrap();
        let fields: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            fields,
            [
                "h2c/up/64KiB/2GiB",
                "2861",
                "24.00",
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
    fn the_table_fits_a_terminal_of_80_columns() {
        let mut long = record::Case::new("quic");
        long.direction = Direction::Down;
        (long.chunk, long.body) = (ChunkSize::try_from(16 << 20).unwrap(), ByteSize(512 << 20));
        (long.connections, long.streams, long.sink) = (64, 8, SinkKind::Discard);
        long.limits.set(&QUIC_MTU, LimitValue::Bytes(6400)).unwrap();
        let mut records = vec![with(run("quic"), |record| {
            record.case = long;
            for end in [&mut record.sender, &mut record.receiver] {
                end.as_mut().unwrap().cpu.s_per_gib = Some(12.345);
            }
        })];
        for (protocol, goodput) in
            [("tcp", 6000.0), ("tcp-ceiling", 12_000.0), ("h2c", 4000.0), ("h1c", 5000.0)]
        {
            records
                .extend(runs(protocol, &[0.97, 0.98, 0.99, 1.01, 1.02, 1.03].map(|share| share * goodput)));
        }
        records.extend(bad_day());
        let text = text(&records, true);
        let findings = text.lines().take_while(|line| !line.contains("over its budget"));
        assert!(findings.clone().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("fastest") && text.contains("[0.83, 2.37]"), "{text}");
    }

    #[test]
    fn verdicts_are_words() {
        let text = text(&bad_day(), false);
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
