//! A proof as a table, for standard output and in Markdown.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};
use record::{ByteSize, Subject, counted, mib};
use stats::Slope;

use super::{Screen, findings::with_numbers, markdown_text::plain, proof_lines};
use crate::{Absorption, Constancy, Finding, Fit, Judgement, MemorySeries, Proof};

/// The headings of the columns, which are two lines on standard output.
const HEADER: [[&str; 2]; 7] = [
    ["case", ""],
    ["end", ""],
    ["heap, KiB per GiB", "in a run"],
    ["anonymous RSS,", "KiB per GiB in a run"],
    ["peak RSS, MiB per", "GiB over sizes"],
    ["growth /", "budget MiB"],
    ["verdict", ""],
];

/// Returns a proof for standard output. In a pipe, it is a table with reasons, controls and findings below. On a
/// terminal, it has one line per series, fitted to the width.
pub fn proof_text(proof: &Proof, findings: &[Finding], screen: &Screen) -> String {
    if screen.columns().is_some() {
        return proof_lines::text(proof, findings, screen);
    }
    let cells = proof.judgements.iter().map(|judgement| cells(judgement, &proof.judgements, "\n"));
    let mut table = table(HEADER.map(|lines| lines.join("\n")), cells);
    table.load_style(presets::NOTHING);
    format!(
        "{}{}\n{}{}",
        subjects(proof),
        if proof.judgements.is_empty() { String::new() } else { table.trim_fmt() },
        reasons(&proof.judgements),
        remarks(proof, findings)
    )
}

/// Returns a proof as a table in Markdown.
pub(super) fn markdown(proof: &Proof, findings: &[Finding]) -> String {
    let all = &proof.judgements;
    let cells = all.iter().map(|judgement| cells(judgement, all, "; ").map(|cell| plain(&cell)));
    let mut table = table(HEADER.map(|lines| lines.join(" ").trim_end().to_owned()), cells);
    table.load_style(presets::ASCII_MARKDOWN);
    let lines = |text: String, start: &str, end: &str| -> String {
        text.lines().map(|line| format!("{start}{}{end}", plain(line))).collect()
    };
    format!(
        "{}{table}\n\n{}\nA slope within a run is that of the live heap, or of anonymous RSS, against body bytes: from a quarter of the largest body on, with its interval of 99 %, which holds for autocorrelated samples. Over sizes, it is Theil and Sen's through peak RSS, with an interval of 95 %. *growth*: the most that peak RSS was over the baseline. CONSTANT: the heap's interval is within the limit (`--slope-limit`), RSS agrees, and the growth is within the budget. *RSS ≤, kernel ≤*: the highest peak RSS, and the most memory that the kernel kept for the end, of all runs.\n\n{}",
        lines(subjects(proof), "", "\n\n"),
        lines(reasons(all), "- ", "\n"),
        lines(remarks(proof, findings), "", "\n")
    )
}

/// Returns one line per end, one per series of absorbed bytes, and one per control. A line has the verdict, and the
/// bound or the slope if it is known.
pub(super) fn notes(proof: &Proof) -> Vec<String> {
    let line = |judgement: &Judgement| {
        let Judgement { series, reason, .. } = judgement;
        let reason = reason.as_ref().map_or_else(String::new, |reason| format!("; {reason}"));
        format!("{} {}: {}{reason}", series.key, series.end_name(), statement(judgement, "; "))
    };
    let absorbed = proof.absorptions.iter().map(absorption);
    proof.judgements.iter().map(line).chain(absorbed).chain(proof.controls.iter().map(control)).collect()
}

/// Returns one line for each program under proof: its role and its command line.
pub(super) fn subjects(proof: &Proof) -> String {
    let programs = proof.judgements.iter().filter_map(|judgement| {
        let series = &judgement.series;
        series.subject.zip(series.key.peer.as_deref())
    });
    let proxies =
        proof.absorptions.iter().filter_map(|series| Some((Subject::Proxy, series.key.peer.as_deref()?)));
    let programs: BTreeSet<(Subject, &str)> = programs.chain(proxies).collect();
    programs.iter().map(|(role, command)| format!("{role}: {command}\n")).collect()
}

/// Returns the name of a series in a table of `all`. If all of them belong to one program under proof, the name omits
/// its command line, which a line above the table states.
pub(super) fn name(series: &MemorySeries, all: &[Judgement]) -> String {
    let mut key = series.key.clone();
    let is_only = series.subject.is_some() && all.iter().all(|other| other.series.key.peer == key.peer);
    key.peer = key.peer.filter(|_| !is_only);
    key.to_string()
}

/// Returns the cells of an end below [`HEADER`], in a table of `all`, with `separator` between verdict and measurements.
fn cells(judgement: &Judgement, all: &[Judgement], separator: &str) -> [String; 7] {
    let series = &judgement.series;
    [
        name(series, all),
        series.end_name(),
        judgement.heap.map_or("-".into(), within_run),
        judgement.anon.map_or("-".into(), within_run),
        judgement.over_sizes.map_or("-".into(), |slope| interval(slope, 1.0, 2)),
        growth(series),
        statement(judgement, separator),
    ]
}

fn table(header: [String; 7], rows: impl Iterator<Item = [String; 7]>) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    rows.for_each(|cells| {
        table.add_row(cells);
    });
    for column in table.column_iter_mut().skip(2).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Returns the growth over the baseline and the budget, in MiB; `-` for a program under proof without a budget. Such a
/// program may have read its whole input before the baseline, and has a budget only if its reader stands still.
fn growth(series: &MemorySeries) -> String {
    if series.subject.is_some() && series.budget.is_none() {
        return "-".into();
    }
    let budget = series.budget.map_or_else(|| "-".into(), |budget| format!("{:.1}", mib(budget)));
    format!("{:.1} / {budget}", mib(series.growth))
}

/// Returns the verdict on an end and its measurements, with `separator` between them.
pub(super) fn statement(judgement: &Judgement, separator: &str) -> String {
    let parts = [Some(verdict(judgement)), measured(judgement)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(separator)
}

/// Returns the slope of memory with the larger half of its interval, and the peak of each kind of memory. The slope is
/// per chunk, or per GiB for a program under proof, whose chunks are unknown.
fn measured(judgement: &Judgement) -> Option<String> {
    let (fit, series) = (judgement.deciding()?, &judgement.series);
    let what = if judgement.heap.is_some() { "heap" } else { "anonymous RSS" };
    let (scale, unit) = match series.subject {
        None => (u64::from(series.case.chunk) as f64 / 1024.0, "B per chunk"),
        Some(_) => (1024.0, "KiB per GiB"),
    };
    let Slope { estimate, low, high } = fit.slope;
    let (estimate, half) = (scale * estimate, scale * (high - estimate).max(estimate - low));
    let most = |what: &str, bytes: Option<u64>| {
        bytes.map_or_else(String::new, |bytes| format!(", {what} ≤ {:.1} MiB", rounded_up(mib(bytes))))
    };
    let rss = if series.has_sampled_peaks { "RSS by samples" } else { "RSS" };
    Some(format!(
        "{what} {} ± {} {unit} up to {}{}{}",
        signed(estimate),
        figure(half),
        ByteSize(series.largest()),
        most(rss, series.peak_rss_bytes()),
        most("kernel", series.kernel_bytes())
    ))
}

/// Rounds a bound up to one decimal.
pub(super) fn rounded_up(value: f64) -> f64 {
    (value * 10.0).ceil() / 10.0
}

/// Returns the verdict in words: with the bound if memory is constant, and with the slope if memory grows.
pub(super) fn verdict(judgement: &Judgement) -> String {
    let (constancy, series) = (judgement.constancy, &judgement.series);
    if series.is_stalled() && constancy.is_growth() && judgement.is_over_budget() {
        return format!("{constancy}: by {:.0} MiB beside a reader that stands still", mib(series.growth));
    }
    match (judgement.bound(), judgement.deciding(), judgement.over_sizes) {
        _ if !constancy.is_growth() && judgement.is_over_budget() => judgement.word(),
        (Some((bytes, _)), ..) if constancy == Constancy::Constant => {
            let kib = bytes / 1024.0;
            format!("CONSTANT: at most {} KiB per GiB{}", figure(kib), per_chunk(&judgement.series, kib))
        }
        (_, Some(fit), _) if constancy.is_growth() && fit.constancy.is_growth() => {
            let kib = fit.slope.estimate * 1024.0;
            format!("{constancy}: {}{}", per_gib(kib), per_chunk(&judgement.series, kib))
        }
        (.., Some(slope)) if constancy.is_growth() => {
            format!("{constancy}: {} over sizes", per_gib(slope.estimate * 1024.0))
        }
        _ => judgement.word(),
    }
}

/// Returns a slope in KiB per GiB as bytes per chunk, after a comma. The chunks of a program under proof are unknown.
fn per_chunk(series: &MemorySeries, kib_per_gib: f64) -> String {
    if series.subject.is_some() {
        return String::new();
    }
    let bytes = kib_per_gib * u64::from(series.case.chunk) as f64 / f64::from(1 << 20);
    format!(", {} B per chunk", figure(bytes))
}

/// Returns a slope per GiB of body as text, in a unit that suits the value.
fn per_gib(kib: f64) -> String {
    if kib.abs() >= 10_000.0 {
        return format!("{} MiB per GiB", figure(kib / 1024.0));
    }
    format!("{} KiB per GiB", figure(kib))
}

/// Returns a value as text with two significant digits.
pub(super) fn figure(value: f64) -> String {
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
fn reasons(judgements: &[Judgement]) -> String {
    let lines = judgements.iter().filter_map(|judgement| {
        let Judgement { series, reason, .. } = judgement;
        Some(format!(
            "{}  {} {}: {}\n",
            judgement.word(),
            name(series, judgements),
            series.end_name(),
            reason.as_ref()?
        ))
    });
    lines.collect()
}

/// Returns the absorbed bytes, the controls, and the findings that are not about memory, one line each.
fn remarks(proof: &Proof, findings: &[Finding]) -> String {
    let controls = proof.controls.iter().map(|judgement| format!("{}\n", control(judgement)));
    let absorbed = proof.absorptions.iter().map(|series| format!("{}\n", absorption(series)));
    let failed = with_numbers(findings.iter().filter(|finding| !finding.kind.is_memory()));
    let failed = failed.iter().map(|(_, text)| format!("FAILED  {text}\n"));
    absorbed.chain(controls).chain(failed).collect()
}

/// Returns the bytes that a proxy absorbs, in one line.
pub(super) fn absorption(series: &Absorption) -> String {
    let mut key = series.key.clone();
    key.peer = None;
    let slope =
        series.slope.map_or_else(String::new, |slope| format!(", {} MiB per GiB", interval(slope, 1.0, 0)));
    let most = series
        .most()
        .map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} MiB", rounded_up(mib(bytes))));
    let conclusion = match series.constancy {
        Constancy::Constant => {
            format!("CONSTANT: at most {most} of bodies up to {}", ByteSize(series.largest()))
        }
        _ if series.is_spooled => format!("SPOOLED: up to {most}{slope}, which its memory does not hold"),
        Constancy::Growing | Constancy::GrowingSlowly => format!("GROWING: up to {most}{slope}"),
        Constancy::Inconclusive if series.unknown > 0 => {
            format!("INCONCLUSIVE: {} failed", counted(series.unknown, "run"))
        }
        Constancy::Inconclusive => format!("INCONCLUSIVE: up to {most}{slope}: use more rounds"),
    };
    format!("absorbed while the reader stands still  {key}: {conclusion}")
}

pub(super) fn control(control: &Judgement) -> String {
    let slope = match (control.deciding(), control.over_sizes) {
        (Some(fit), _) if fit.constancy == control.expected() => {
            format!("{} in a run", per_gib(fit.slope.estimate * 1024.0))
        }
        (_, Some(slope)) => format!("{} MiB per GiB over sizes", interval(slope, 1.0, 0)),
        _ => "no slope".into(),
    };
    let (name, expected) = (&control.series.key, control.expected());
    if control.is_as_expected() {
        return format!("control {name}: {expected}, as expected: {slope}");
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
        let proof = Proof {
            judgements: Vec::new(),
            absorptions: Vec::new(),
            controls: vec![silent],
            lacks_controls: false,
            lacks_runs: false,
        };
        assert!(proof_text(&proof, &[], &Screen::pipe()).contains("nothing is proven"));
        assert!(notes(&proof)[0].starts_with("control h2/up/64KiB: INCONCLUSIVE"));
    }

    #[test]
    fn the_command_of_a_sole_program_stands_once_and_those_of_several_beside_their_rows() {
        let of = |command: &str| {
            let mut series = MemorySeries::synthetic(End::Sender, vec![(1 << 30, 10 << 20)], 4 << 20);
            (series.subject, series.key.peer) = (Some(Subject::Client), Some(command.into()));
            Judgement::of(series)
        };
        let text = |judgements: Vec<Judgement>| {
            let proof = Proof {
                judgements,
                absorptions: Vec::new(),
                controls: Vec::new(),
                lacks_controls: false,
                lacks_runs: false,
            };
            proof_text(&proof, &[], &Screen::pipe())
        };
        let sole = text(vec![of("curl {url}"), of("curl {url}")]);
        assert!(sole.starts_with("client: curl {url}\n") && sole.matches("curl").count() == 1, "{sole}");
        let several = text(vec![of("curl {url}"), of("wget {url}")]);
        assert!(several.starts_with("client: curl {url}\nclient: wget {url}\n"), "{several}");
        assert!(several.contains("h2/up/64KiB wget {url}  client"), "{several}");
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
