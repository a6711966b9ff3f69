//! The table, for a terminal and in Markdown.

use comfy_table::{CellAlignment, Table, presets};

use super::{
    gbit_per_s, mib, mib_per_s,
    summary::{Row, Summary},
};
use crate::{build::Build, host::Host};

/// The heads of the columns, in two lines on a terminal.
const HEADER: [[&str; 2]; 6] = [
    ["case", ""],
    ["MiB/s", ""],
    ["Gbit/s", ""],
    ["of base", ""],
    ["peak RSS MiB", "send / recv"],
    ["CPU s/GiB", "send / recv"],
];

/// The table for stdout.
pub(crate) fn table(summary: &Summary, is_terminal: bool) -> String {
    let mut table = rows(summary, HEADER.map(|lines| lines.join("\n")));
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    format!("{}{}", table.trim_fmt(), faults(summary, ""))
}

/// The same in Markdown.
pub(crate) fn markdown(summary: &Summary) -> String {
    let mut table = rows(summary, HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    table.load_style(presets::ASCII_MARKDOWN);
    format!(
        "{table}\n{}\n\
         Goodput is the median of the rounds, peak RSS the highest. *of base*: goodput over that of the same bytes without HTTP, round by round.\n",
        faults(summary, "- ")
    )
}

/// A `summary.md`: a table, and how it was made.
pub(crate) fn page(title: &str, table: &str, command: &str, host: &Host, build: &Build) -> String {
    let unknown = || "unknown".to_owned();
    let memory = host.memory_bytes.map_or_else(unknown, |bytes| format!("{:.0} GiB", mib(bytes) / 1024.0));
    let versions: Vec<_> = build.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "# {title}\n\n{table}\n\
         - command: `{command}`\n- machine: {cpu}, {cores} cores, {memory}, {os} {kernel}\n\
         - build: longhaul {version} ({commit}, {profile}), {allocator}\n- versions: {versions}\n",
        cpu = host.cpu.clone().unwrap_or_else(unknown),
        cores = host.cores.map_or_else(unknown, |cores| cores.to_string()),
        os = host.os,
        kernel = host.kernel.clone().unwrap_or_else(unknown),
        version = build.version,
        commit = build.commit.clone().unwrap_or_else(unknown),
        profile = build.profile,
        allocator = build.allocator,
        versions = versions.join(", "),
    )
}

fn rows(summary: &Summary, header: [String; 6]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    for row in &summary.rows {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &Row) -> [String; 6] {
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let baseline = match row.of_baseline {
        Some((ratio, baseline)) => format!("{ratio:.2} {baseline}"),
        None => "-".into(),
    };
    let goodput =
        if row.faults.len() == row.runs { "failed".into() } else { figure(row.goodput.map(mib_per_s), 0) };
    [
        row.case.name.clone(),
        goodput,
        figure(row.goodput.map(gbit_per_s), 2),
        baseline,
        format!("{} / {}", figure(row.sender_rss.map(mib), 1), figure(row.receiver_rss.map(mib), 1)),
        format!("{} / {}", figure(row.sender_cpu, 2), figure(row.receiver_cpu, 2)),
    ]
}

/// A line for every run that failed, and for every end that grew past its budget.
fn faults(summary: &Summary, bullet: &str) -> String {
    let lines = summary.rows.iter().flat_map(|row| {
        row.faults.iter().map(move |fault| {
            let end = fault.end.map_or(String::new(), |end| format!(" ({end})"));
            format!("\n{bullet}{} failed{end}: {}", row.case.name, fault.message)
        })
    });
    let over = summary.rows.iter().flat_map(|row| {
        row.over.iter().map(move |(end, growth, budget)| {
            let (growth, budget) = (mib(*growth), mib(*budget));
            format!("\n{bullet}{} {end} over its budget: grew by {growth:.1} MiB, {budget:.1} MiB were expected at most", row.case.name)
        })
    });
    lines.chain(over).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::summary::tests::sample, *};

    fn summary() -> Summary {
        Summary::of(&[sample("tcp", 0, 4e9, 5 << 20), sample("h2c", 0, 3e9, 6 << 20)])
    }

    #[test]
    fn goodput_is_in_both_units_and_beside_the_baseline() {
        let text = table(&summary(), false);
        let row = text.lines().find(|line| line.contains("h2c/up")).unwrap();
        let fields: Vec<_> = row.split_whitespace().collect();
        let expected =
            ["h2c/up/64KiB/2GiB", "2861", "24.00", "0.75", "tcp", "6.0", "/", "6.0", "0.25", "/", "0.25"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let text = table(&summary(), true);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn markdown_tells_how_it_was_made() {
        let text = page("A run", &markdown(&summary()), "longhaul bench", &Host::here(), &Build::this());
        assert!(text.contains("| h2c/up/64KiB/2GiB") && text.contains("`longhaul bench`"), "{text}");
        assert!(text.contains("hyper "), "{text}");
    }
}
