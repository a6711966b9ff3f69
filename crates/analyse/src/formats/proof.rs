//! A proof as a table, for a terminal and in Markdown.

use comfy_table::{CellAlignment, Table, presets};
use record::{ByteSize, mib};
use stats::Slope;

use crate::{Constancy, Finding, Fit, Judgement, Proof};

/// The headings of the columns, which are two lines on a terminal.
const HEADER: [[&str; 2]; 7] = [
    ["case", ""],
    ["end", ""],
    ["heap, KiB per GiB", "in a run"],
    ["anonymous RSS,", "KiB per GiB in a run"],
    ["peak RSS, MiB per", "GiB over sizes"],
    ["growth /", "budget MiB"],
    ["verdict", ""],
];

/// Returns a proof as a table for standard output, with reasons, controls and findings below.
pub fn proof_text(proof: &Proof, findings: &[Finding], is_terminal: bool) -> String {
    let mut table = rows(&proof.judgements, HEADER.map(|lines| lines.join("\n")), "\n");
    table.load_style(if is_terminal { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    format!("{}\n{}{}", table.trim_fmt(), reasons(&proof.judgements, ""), remarks(proof, findings))
}

/// Returns a proof as a table in Markdown.
pub(super) fn markdown(proof: &Proof, findings: &[Finding]) -> String {
    let mut table = rows(&proof.judgements, HEADER.map(|lines| lines.join(" ").trim_end().to_owned()), "; ");
    table.load_style(presets::ASCII_MARKDOWN);
    format!(
        "{table}\n\n{}\nA slope within a run is that of the live heap, or of anonymous RSS, against body bytes: from a quarter of the largest body on, with its interval of 99 %, which holds for autocorrelated samples. Over sizes, it is Theil and Sen's through peak RSS, with an interval of 95 %. *growth*: the most that peak RSS was over the baseline. CONSTANT: the heap's interval is within the limit (`--slope-limit`), RSS agrees, and the growth is within the budget. *RSS ≤, kernel ≤*: the highest peak RSS, and the most memory that the kernel kept for the end, of all runs.\n\n{}",
        reasons(&proof.judgements, "- "),
        remarks(proof, findings)
    )
}

/// Returns one line per end, and then one per control. A line has the verdict, and the bound or the slope if it is
/// known.
pub(super) fn notes(proof: &Proof) -> Vec<String> {
    let line = |judgement: &Judgement| {
        let Judgement { series, reason, .. } = judgement;
        let reason = reason.as_ref().map_or_else(String::new, |reason| format!("; {reason}"));
        format!("{} {}: {}{reason}", series.key, series.end, statement(judgement, "; "))
    };
    proof.judgements.iter().map(line).chain(proof.controls.iter().map(control)).collect()
}

fn rows(judgements: &[Judgement], header: [String; 7], separator: &str) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    for judgement in judgements {
        let series = &judgement.series;
        table.add_row([
            series.key.to_string(),
            series.end.to_string(),
            judgement.heap.map_or("-".into(), within_run),
            judgement.anon.map_or("-".into(), within_run),
            judgement.over_sizes.map_or("-".into(), |slope| interval(slope, 1.0, 2)),
            format!("{:.1} / {:.1}", mib(series.growth), mib(series.budget)),
            statement(judgement, separator),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Returns the verdict on an end and its measurements, with `separator` between them.
pub(super) fn statement(judgement: &Judgement, separator: &str) -> String {
    let parts = [Some(verdict(judgement)), measured(judgement)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(separator)
}

/// Returns the slope of memory per chunk with the half width of its interval, and the peak of each kind of memory.
fn measured(judgement: &Judgement) -> Option<String> {
    let (fit, series) = (judgement.deciding()?, &judgement.series);
    let what = if judgement.heap.is_some() { "heap" } else { "anonymous RSS" };
    let per_chunk = |mib_per_gib: f64| mib_per_gib * u64::from(series.case.chunk) as f64 / 1024.0;
    let Slope { estimate, low, high } = fit.slope;
    let (estimate, half) = (per_chunk(estimate), per_chunk((high - estimate).max(estimate - low)));
    let most = |what: &str, bytes: Option<u64>| {
        bytes.map_or_else(String::new, |bytes| format!(", {what} ≤ {:.1} MiB", rounded_up(mib(bytes))))
    };
    Some(format!(
        "{what} {} ± {} B per chunk up to {}{}{}",
        signed(estimate),
        figure(half),
        ByteSize(series.largest()),
        most("RSS", series.peak_rss_bytes()),
        most("kernel", series.kernel_bytes())
    ))
}

/// Rounds a bound up to one decimal.
fn rounded_up(value: f64) -> f64 {
    (value * 10.0).ceil() / 10.0
}

/// Returns the verdict in words: with the bound if memory is constant, and with the slope if memory grows.
fn verdict(judgement: &Judgement) -> String {
    let chunk = u64::from(judgement.series.case.chunk);
    let per_chunk = |kib_per_gib: f64| kib_per_gib * chunk as f64 / f64::from(1 << 20);
    match (judgement.constancy, judgement.bound(), judgement.deciding()) {
        (Constancy::Constant, Some((per_gib, per_chunk)), _) => format!(
            "CONSTANT: at most {} KiB per GiB, {} B per chunk",
            figure(per_gib / 1024.0),
            figure(per_chunk)
        ),
        (growth, _, Some(fit)) if growth.is_growth() && fit.constancy.is_growth() => {
            let kib = fit.slope.estimate * 1024.0;
            format!("{growth}: {}, {} B per chunk", per_gib(kib), figure(per_chunk(kib)))
        }
        (constancy, ..) => constancy.to_string(),
    }
}

/// Returns a slope per GiB of body as text, in a unit that suits the value.
fn per_gib(kib: f64) -> String {
    if kib.abs() >= 10_000.0 {
        return format!("{} MiB per GiB", figure(kib / 1024.0));
    }
    format!("{} KiB per GiB", figure(kib))
}

/// Returns a value as text with two significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 9.95 => format!("{value:.0}"),
        magnitude if magnitude >= 0.995 => format!("{value:.1}"),
        magnitude if magnitude >= 0.005 => format!("{value:.2}"),
        _ => "0".into(),
    }
}

/// Returns a value that may be negative as text, without a sign before zero.
fn signed(value: f64) -> String {
    let magnitude = figure(value.abs());
    if value < 0.0 && magnitude != "0" { format!("-{magnitude}") } else { magnitude }
}

fn within_run(fit: Fit) -> String {
    interval(fit.slope, 1024.0, 1)
}

fn interval(Slope { estimate, low, high }: Slope, scale: f64, digits: usize) -> String {
    // A value that is rounded to zero has no minus sign.
    let shown = |value: f64| {
        let text = format!("{:.digits$}", value * scale);
        if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        }
    };
    format!("{} [{}, {}]", shown(estimate), shown(low), shown(high))
}

/// Returns one line per end whose judgement has a reason.
fn reasons(judgements: &[Judgement], bullet: &str) -> String {
    let lines = judgements.iter().filter_map(|judgement| {
        let Judgement { series, constancy, reason, .. } = judgement;
        Some(format!("{bullet}{constancy}  {} {}: {}\n", series.key, series.end, reason.as_ref()?))
    });
    lines.collect()
}

/// Returns the controls and the failed runs, one line each.
fn remarks(proof: &Proof, findings: &[Finding]) -> String {
    let controls = proof.controls.iter().map(|judgement| format!("{}\n", control(judgement)));
    let failed = findings.iter().filter(|finding| !finding.kind.is_memory());
    controls.chain(failed.map(|finding| format!("FAILED  {finding}\n"))).collect()
}

fn control(control: &Judgement) -> String {
    let slope = match (control.deciding(), control.over_sizes) {
        (Some(fit), _) if fit.constancy == control.expected() => {
            format!("{} in a run", per_gib(fit.slope.estimate * 1024.0))
        }
        (_, Some(slope)) => format!("{} MiB per GiB over sizes", interval(slope, 1.0, 0)),
        _ => "no slope".into(),
    };
    let (name, expected) = (&control.series.key, control.expected());
    if control.is_as_expected() {
        return format!("control {name}: {expected}, as it must: {slope}");
    }
    format!(
        "control {name}: {}, but it is {expected} on purpose: {slope}. The instrument does not notice, so nothing is proven",
        control.constancy
    )
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

    #[test]
    fn a_constant_end_states_its_bound_per_gib_and_per_chunk() {
        let flat = (1..=64_u64).map(|i| (i << 26, 1 << 20));
        let series = MemorySeries::synthetic(End::Receiver, vec![(4 << 30, 10 << 20)], 4 << 20);
        let series = series.with_heap(flat).with_kernel(&[Some(3 << 20), Some(4_000_000)]);
        let stated = |series: MemorySeries| statement(&Judgement::of(series), "; ");
        let bound = "CONSTANT: at most 0 KiB per GiB, 0 B per chunk";
        let heap = "heap 0 ± 0 B per chunk up to 4GiB, RSS ≤ 10.0 MiB";
        assert_eq!(stated(series.clone()), format!("{bound}; {heap}, kernel ≤ 3.9 MiB"));
        assert_eq!(
            stated(series.with_kernel(&[Some(1), None])),
            format!("{bound}; {heap}"),
            "not of all runs"
        );
        let figures = [0.0, 0.004, 0.0123, 1.26, 19.7, 1234.0].map(figure);
        assert_eq!(figures, ["0", "0", "0.01", "1.3", "20", "1234"]);
        assert_eq!([-0.2, -0.001, 0.2].map(signed), ["-0.20", "0", "0.20"]);
        let slope = Slope { estimate: -0.00001, low: -0.5, high: 0.26 };
        assert_eq!(interval(slope, 1.0, 1), "0.0 [-0.5, 0.3]");
    }
}
