//! The table of all rows, for a terminal of 80 columns and in Markdown.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use record::{gbit_per_s, mib, mib_per_s};

use crate::{Analysis, Rank, Row};

/// The heads of the columns, in two lines on a terminal.
const HEADER: [[&str; 2]; 7] = [
    ["case", ""],
    ["MiB/s", ""],
    ["Gbit/s", ""],
    ["of base", ""],
    ["RSS MiB", "send/recv"],
    ["CPU s/GiB", "send/recv"],
    ["verdict", ""],
];

/// The default width of a terminal, in columns.
const TERMINAL: u16 = 80;

/// The medium that shows the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// A terminal: long cells are broken into lines.
    Terminal,
    /// A pipe or a file: one line per row.
    Pipe,
}

/// The table for stdout, with findings and notes below. `is_terminal` breaks long cells into lines of 80 columns.
pub fn table(analysis: &Analysis<'_>, is_terminal: bool) -> String {
    if analysis.rows.is_empty() {
        return "no run came to its end\n".into();
    }
    let medium = if is_terminal { Medium::Terminal } else { Medium::Pipe };
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join("\n")));
    for row in &analysis.rows {
        let [case, middle @ .., verdict] = cells(analysis, row);
        let verdict = broken(verdict, ' ', medium).replace("\n ", "\n");
        table.add_row([vec![broken(case, '+', medium)], middle.to_vec(), vec![verdict]].concat());
    }
    lay_out(&mut table, medium);
    let findings: String = analysis.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let notes: String = analysis.notes.iter().map(|note| format!("note: {note}\n")).collect();
    format!("{}\n{findings}{notes}", table.trim_fmt())
}

/// A cell with a line break before each `at`, on a terminal.
fn broken(text: String, at: char, medium: Medium) -> String {
    match medium {
        Medium::Terminal => text.replace(at, &format!("\n{at}")),
        Medium::Pipe => text,
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
        // Space that is missing is taken from the names.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TERMINAL);
        for column in table.column_iter_mut().skip(1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// The table in Markdown, with the findings as a list.
pub(super) fn markdown(analysis: &Analysis<'_>) -> String {
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    analysis.rows.iter().for_each(|row| {
        table.add_row(cells(analysis, row));
    });
    table.load_style(presets::ASCII_MARKDOWN);
    align(&mut table);
    let findings: String = analysis.findings.iter().map(|finding| format!("\n- {finding}")).collect();
    format!(
        "{table}\n{findings}\n\n\
         Goodput is the median of the rounds, peak RSS the highest. *of base*: goodput over that of the same bytes without HTTP, round by round.\n"
    )
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn cells(analysis: &Analysis<'_>, row: &Row<'_>) -> [String; 7] {
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let goodput = row.goodput.map(|goodput| goodput.median);
    let baseline = match &row.of_baseline {
        Some(of) => format!("{:.2} {}", of.ratio.median, of.baseline),
        None => "-".into(),
    };
    let (sender, receiver) = (row.ends.sender, row.ends.receiver);
    [
        row.key.to_string(),
        figure(goodput.map(mib_per_s), 0),
        figure(goodput.map(gbit_per_s), 2),
        baseline,
        format!("{}/{}", figure(sender.peak_rss.map(mib), 1), figure(receiver.peak_rss.map(mib), 1)),
        format!("{}/{}", figure(sender.cpu_s_per_gib, 2), figure(receiver.cpu_s_per_gib, 2)),
        verdict(analysis, row).into(),
    ]
}

/// The worst finding about a row, or the rank of a row without findings.
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
            ["h2c/up/64KiB/2GiB", "2861", "24.00", "0.75", "tcp", "8.0/8.0", "-/-", "slowest"]
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
        records.extend(runs("h2c", &[4.0]));
        records.extend(runs("h1c", &[5.0]));
        records.extend(bad_day());
        let text = text(&records, true);
        let findings = text.lines().take_while(|line| !line.contains("over its budget"));
        assert!(findings.clone().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("fastest"), "{text}");
    }

    #[test]
    fn verdicts_are_words() {
        let text = text(&bad_day(), false);
        let verdict = |protocol: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{protocol}/"))).unwrap();
            line.split_whitespace().skip(6).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(["h2", "h3"].map(verdict), ["over budget", "failed"]);
        assert!(text.contains("h3/up/64KiB/2GiB failed (sender): it said \"no\", twice"), "{text}");
        assert!(
            text.contains(
                "h2/up/64KiB/2GiB receiver over its budget: grew by 23.0 MiB, 4.0 MiB were expected"
            ),
            "{text}"
        );
    }
}
