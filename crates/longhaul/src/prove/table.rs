//! Judgements as a table, for a terminal and in Markdown.

use comfy_table::{CellAlignment, Table, presets};

use super::{
    fit::Slope,
    verdict::{Judgement, constancy},
};
use crate::size::mib;

/// The heads of the columns, in two lines on a terminal.
const HEADER: [[&str; 2]; 6] = [
    ["case", ""],
    ["end", ""],
    ["MiB per GiB", "over sizes"],
    ["MiB per GiB", "in a run"],
    ["growth /", "budget MiB"],
    ["verdict", ""],
];

/// The table for stdout.
pub(super) fn text(judgements: &[Judgement], is_terminal: bool) -> String {
    let mut table = rows(judgements, HEADER.map(|lines| lines.join("\n")));
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    format!("{}\n{}", table.trim_fmt(), reasons(judgements, ""))
}

/// The same in Markdown.
pub(super) fn markdown(judgements: &[Judgement]) -> String {
    let mut table = rows(judgements, HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    table.load_style(presets::ASCII_MARKDOWN);
    format!(
        "{table}\n\n{}\nA slope is Theil and Sen's, with its interval of 95 %: of peak RSS against body size over all runs, and of RSS against body bytes within a run of the largest body (the steepest of its rounds, from a quarter of the body on). *growth*: the most that peak RSS was over the baseline. CONSTANT: under 1 MiB per GiB for sure, and within the budget.\n",
        reasons(judgements, "- ")
    )
}

/// A line for each end: its verdict, and how fast its memory grows.
pub(super) fn notes(judgements: &[Judgement]) -> Vec<String> {
    let line = |judgement: &Judgement| {
        let Judgement { series, constancy, .. } = judgement;
        let slope = judgement.over_sizes.map_or("no slope".into(), |slope| {
            format!("{:.2} [{:.2}, {:.2}] MiB per GiB of body", slope.estimate, slope.low, slope.high)
        });
        format!("{constancy}: {} {}, {slope}", series.name, series.end)
    };
    judgements.iter().map(line).collect()
}

fn rows(judgements: &[Judgement], header: [String; 6]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    for judgement in judgements {
        let series = &judgement.series;
        table.add_row([
            series.name.clone(),
            series.end.to_string(),
            slope(judgement.over_sizes),
            slope(judgement.within_run),
            format!("{:.1} / {:.1}", mib(series.growth), mib(series.budget)),
            judgement.constancy.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn slope(slope: Option<Slope>) -> String {
    slope.map_or("-".into(), |s| format!("{:.2} [{:.2}, {:.2}]", s.estimate, s.low, s.high))
}

/// A line for each end that is not constant, and for what a run by itself says otherwise.
fn reasons(judgements: &[Judgement], bullet: &str) -> String {
    let lines = judgements.iter().filter_map(|judgement| {
        let Judgement { series, constancy: verdict, reason, .. } = judgement;
        let reason = reason.as_ref()?;
        let alone = judgement
            .within_run
            .map_or(String::new(), |slope| format!("; a run by itself says {}", constancy(Some(slope))));
        Some(format!("{bullet}{verdict}  {} {}: {reason}{alone}\n", series.name, series.end))
    });
    lines.collect()
}
