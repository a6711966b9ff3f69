//! The table of all cases, for a terminal of 80 columns and in Markdown.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::{
    Set,
    summary::{Row, Spread},
};
use crate::size::{gbit_per_s, mib, mib_per_s};

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

/// The columns of a terminal that was never made wider.
const TERMINAL: u16 = 80;

/// The table for stdout.
pub(crate) fn table(set: &Set, is_terminal: bool) -> String {
    if set.is_empty() {
        return "no run came to its end\n".into();
    }
    // A pipe gets a line a case.
    let broken =
        |text: String, at: char| if is_terminal { text.replace(at, &format!("\n{at}")) } else { text };
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join("\n")));
    for row in &set.summary.rows {
        let [case, middle @ .., verdict] = cells(set, row);
        let verdict = broken(verdict, ' ').replace("\n ", "\n");
        table.add_row([vec![broken(case, '+')], middle.to_vec(), vec![verdict]].concat());
    }
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    align(&mut table);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if is_terminal {
        // What does not fit is taken from the names.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TERMINAL);
        for column in table.column_iter_mut().skip(1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let findings: String = set.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let notes: String = set.notes().iter().map(|note| format!("note: {note}\n")).collect();
    format!("{}\n{findings}{notes}", table.trim_fmt())
}

/// The same in Markdown.
pub(super) fn markdown(set: &Set) -> String {
    let mut table = Table::new();
    table.set_header(HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    set.summary.rows.iter().for_each(|row| {
        table.add_row(cells(set, row));
    });
    table.load_style(presets::ASCII_MARKDOWN);
    align(&mut table);
    let findings: String = set.findings.iter().map(|finding| format!("\n- {finding}")).collect();
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

fn cells(set: &Set, row: &Row) -> [String; 7] {
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let goodput = row.goodput.map(|goodput| goodput.median);
    let baseline = match row.of_baseline {
        Some((Spread { median, .. }, baseline)) => format!("{median:.2} {baseline}"),
        None => "-".into(),
    };
    [
        row.case.name.clone(),
        figure(goodput.map(mib_per_s), 0),
        figure(goodput.map(gbit_per_s), 2),
        baseline,
        format!("{}/{}", figure(row.sender_rss.map(mib), 1), figure(row.receiver_rss.map(mib), 1)),
        format!("{}/{}", figure(row.sender_cpu, 2), figure(row.receiver_cpu, 2)),
        verdict(set, row),
    ]
}

/// What is wrong with a case; of those that are well, which is the fastest and the slowest of its direction.
fn verdict(set: &Set, row: &Row) -> String {
    let verdict = set.verdict_of(&row.case.name);
    let rivals = set.summary.rows.iter().filter(|other| other.case.direction == row.case.direction);
    let goodputs: Vec<f64> = rivals.filter_map(|rival| Some(rival.goodput?.median)).collect();
    let own = row.goodput.map(|goodput| goodput.median);
    let is = |extreme: Option<f64>| goodputs.len() > 1 && own.is_some() && own == extreme;
    match verdict {
        "ok" if is(goodputs.iter().copied().max_by(f64::total_cmp)) => "fastest".into(),
        "ok" if is(goodputs.iter().copied().min_by(f64::total_cmp)) => "slowest".into(),
        verdict => verdict.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Record, tests::record},
        report::tests::bad_day,
    };

    fn records() -> Vec<Record> {
        let with = |protocol, goodput| Record { goodput_bytes_per_s: Some(goodput), ..record(protocol) };
        vec![with("tcp", 4e9), with("h2c", 3e9)]
    }

    #[test]
    fn goodput_is_in_both_units_and_beside_the_baseline() {
        let text = table(&Set::of("", &records(), None), false);
        let row = text.lines().find(|line| line.contains("h2c/up")).unwrap();
        let fields: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            fields,
            ["h2c/up/64KiB/2GiB", "2861", "24.00", "0.75", "tcp", "8.0/8.0", "-/-", "slowest"]
        );
    }

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let mut records = records();
        records[0].case.name =
            "quic/down/16MiB/512MiB+c64s8+sink=discard+reader=150MiB+quic-mtu=6400B".into();
        records[1].case.name = "h2c/down/131072B/2147483648B".into();
        records[0].sender.as_mut().unwrap().cpu.s_per_gib = Some(12.345);
        records[0].receiver = records[0].sender.clone();
        records.extend(bad_day());
        let text = table(&Set::of("", &records, None), true);
        let findings = text.lines().take_while(|line| !line.contains("over its budget"));
        assert!(findings.clone().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("fastest"), "{text}");
    }

    #[test]
    fn verdicts_are_words() {
        let records = bad_day();
        let text = table(&Set::of("", &records, None), false);
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
