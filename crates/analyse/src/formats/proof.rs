//! A proof as a table, for a terminal and in Markdown.

use comfy_table::{CellAlignment, Table, presets};
use record::mib;
use stats::Slope;

use crate::{Constancy, Finding, Judgement, Proof};

/// The heads of the columns, in two lines on a terminal.
const HEADER: [[&str; 2]; 6] = [
    ["case", ""],
    ["end", ""],
    ["MiB per GiB", "over sizes"],
    ["MiB per GiB", "in a run"],
    ["growth /", "budget MiB"],
    ["verdict", ""],
];

/// The table for stdout, with reasons, controls and findings below.
pub fn proof_text(proof: &Proof, findings: &[Finding], is_terminal: bool) -> String {
    let mut table = rows(&proof.judgements, HEADER.map(|lines| lines.join("\n")));
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    format!("{}\n{}{}", table.trim_fmt(), reasons(&proof.judgements, ""), remarks(proof, findings))
}

/// The table in Markdown.
pub(super) fn markdown(proof: &Proof, findings: &[Finding]) -> String {
    let mut table = rows(&proof.judgements, HEADER.map(|lines| lines.join(" ").trim_end().to_owned()));
    table.load_style(presets::ASCII_MARKDOWN);
    format!(
        "{table}\n\n{}\nA slope is Theil and Sen's, with its interval of 95 %: of peak RSS against body size over all runs, and of RSS against body bytes within a run of the largest body (the steepest of its rounds, from a quarter of the body on). *growth*: the most that peak RSS was over the baseline. CONSTANT: the whole interval is under 1 MiB per GiB, and the growth is within the budget.\n\n{}",
        reasons(&proof.judgements, "- "),
        remarks(proof, findings)
    )
}

/// One line per end: its verdict, and the slope of its memory; then the controls.
pub(super) fn notes(proof: &Proof) -> Vec<String> {
    let line = |judgement: &Judgement| {
        let slope = judgement.over_sizes.map_or("no slope".into(), |slope| {
            format!("{:.2} [{:.2}, {:.2}] MiB per GiB of body", slope.estimate, slope.low, slope.high)
        });
        format!("{}: {} {}, {slope}", judgement.constancy, judgement.series.key, judgement.series.end)
    };
    proof.judgements.iter().map(line).chain(proof.controls.iter().map(control)).collect()
}

fn rows(judgements: &[Judgement], header: [String; 6]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    for judgement in judgements {
        let series = &judgement.series;
        table.add_row([
            series.key.to_string(),
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

/// One line per end that is not constant, with the behaviour within a run beside the reason.
fn reasons(judgements: &[Judgement], bullet: &str) -> String {
    let lines = judgements.iter().filter_map(|judgement| {
        let Judgement { series, constancy, reason, .. } = judgement;
        let reason = reason.as_ref()?;
        let within = judgement.within_run.map_or_else(String::new, |_| {
            format!("; a run by itself says {}", judgement.constancy_within_run())
        });
        Some(format!("{bullet}{constancy}  {} {}: {reason}{within}\n", series.key, series.end))
    });
    lines.collect()
}

/// The controls and the failed runs, one line each.
fn remarks(proof: &Proof, findings: &[Finding]) -> String {
    let controls = proof.controls.iter().map(|judgement| format!("{}\n", control(judgement)));
    let failed = findings.iter().filter(|finding| !finding.kind.is_memory());
    controls.chain(failed.map(|finding| format!("FAILED  {finding}\n"))).collect()
}

fn control(control: &Judgement) -> String {
    let slope = control.over_sizes.map_or("no slope".into(), |slope| {
        format!("{:.0} MiB per GiB [{:.0}, {:.0}]", slope.estimate, slope.low, slope.high)
    });
    let name = &control.series.key;
    match control.constancy {
        Constancy::Growing => format!("control {name}: GROWING, as it must: {slope}"),
        other => format!(
            "control {name}: {other}, but it grows on purpose: {slope}. The instrument does not notice, so nothing is proven"
        ),
    }
}

#[cfg(test)]
mod tests {
    use record::End;

    use super::*;
    use crate::MemorySeries;

    #[test]
    fn an_unnoticed_control_is_said_to_prove_nothing() {
        let peaks = vec![(1 << 30, 10 << 20)];
        let silent = Judgement::of(MemorySeries::synthetic(End::Receiver, peaks, 4 << 20));
        let proof = Proof { judgements: Vec::new(), controls: vec![silent], lacks_controls: false };
        assert!(proof_text(&proof, &[], false).contains("nothing is proven"));
        assert!(notes(&proof)[0].starts_with("control h2/up/64KiB: INCONCLUSIVE"));
    }
}
