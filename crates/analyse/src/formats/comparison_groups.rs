//! The changes of a comparison, grouped by conclusion. The page and Markdown share this view.

use crate::{Change, ComparedCase, Comparison, MetricChange, Thresholds, Verdict};

/// One change of one figure of one case.
pub(super) struct ChangeRow<'a> {
    pub(super) case: &'a ComparedCase,
    pub(super) change: &'a MetricChange,
    pub(super) threshold: f64,
}

/// A group of changes with a table of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Worse,
    Better,
    Unseen,
    Unclear,
    Same,
    NotJudged,
}

impl Group {
    /// All groups, in the order of the page.
    pub(super) const ALL: [Self; 6] =
        [Self::Worse, Self::Better, Self::Unseen, Self::Unclear, Self::Same, Self::NotJudged];

    /// Returns the group of a change.
    pub(super) fn of(change: &MetricChange) -> Self {
        match change.change {
            Change::Worse => Self::Worse,
            Change::Better => Self::Better,
            Change::Same => Self::Same,
            Change::Incomparable => Self::NotJudged,
            Change::Unclear if change.is_conclusive => Self::Unclear,
            Change::Unclear => Self::Unseen,
        }
    }

    /// Returns the heading and the explanation of the group.
    pub(super) fn words(self) -> [&'static str; 2] {
        match self {
            Self::Worse => ["Worse", "The change is significant, and may be over the threshold."],
            Self::Better => ["Better", "The change is significant, and may be over the threshold."],
            Self::Unseen => [
                "Could not have been seen",
                "A change for the worse by the threshold was neither found nor ruled out. More rounds narrow the interval.",
            ],
            Self::Unclear => [
                "Unclear",
                "No change reaches the threshold for certain. One for the worse that does is ruled out, or would probably have been found.",
            ],
            Self::Same => ["Same", "The whole interval lies within the threshold."],
            Self::NotJudged => {
                ["Not judged", "The figure depends on conditions that differ between the two sides."]
            }
        }
    }

    /// Returns the rows of the group. Among worse and better figures, the largest change comes first.
    pub(super) fn rows<'r, 'a>(self, rows: &'r [ChangeRow<'a>]) -> Vec<&'r ChangeRow<'a>> {
        let mut rows: Vec<&ChangeRow<'_>> = rows.iter().filter(|row| Self::of(row.change) == self).collect();
        let size = |row: &ChangeRow<'_>| row.change.ratio.estimate.ln().abs();
        if matches!(self, Self::Worse | Self::Better) {
            rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
        }
        rows
    }

    /// Returns whether the group is collapsed at first, because its changes need no attention.
    pub(super) fn is_folded(self) -> bool {
        matches!(self, Self::Same | Self::NotJudged)
    }
}

/// Returns all changes, in the order of the cases.
pub(super) fn rows<'a>(comparison: &'a Comparison, thresholds: &Thresholds) -> Vec<ChangeRow<'a>> {
    comparison
        .cases
        .iter()
        .flat_map(|case| case.changes.iter().map(move |change| (case, change)))
        .map(|(case, change)| ChangeRow { case, change, threshold: thresholds.of(change.metric) })
        .collect()
}

impl ChangeRow<'_> {
    /// The headings of the cells.
    pub(super) const HEADS: [&'static str; 7] =
        ["figure", "change", "interval", "threshold", "base", "candidate", "smallest found"];

    /// Returns the cells below [`HEADS`](Self::HEADS), as text.
    pub(super) fn cells(&self) -> [String; 7] {
        let MetricChange { metric, base, candidate, ratio, smallest_change, .. } = self.change;
        let interval = ratio.interval.map_or_else(
            || "too few runs".to_owned(),
            |interval| format!("[{}, {}]", percent(interval.low - 1.0), percent(interval.high - 1.0)),
        );
        let sign = if metric.more_is_better { "−" } else { "+" };
        let share = |share: f64| format!("{sign}{:.1}\u{a0}%", 100.0 * share);
        [
            metric.name.to_owned(),
            percent(ratio.estimate - 1.0),
            interval,
            share(self.threshold),
            metric.show(*base),
            metric.show(*candidate),
            smallest_change.map_or_else(|| "–".to_owned(), share),
        ]
    }
}

/// Returns a change with its sign: "+1.2 %".
fn percent(change: f64) -> String {
    let (sign, size) = (if change < 0.0 { '−' } else { '+' }, format!("{:.1}", 100.0 * change.abs()));
    let sign = if size == "0.0" { String::new() } else { sign.to_string() };
    format!("{sign}{size}\u{a0}%")
}

/// The outcome of a comparison.
pub(super) struct Outcome {
    /// The class of the outcome in the page's style.
    pub(super) kind: &'static str,
    pub(super) symbol: char,
    pub(super) sentence: String,
}

/// Returns the outcome of a comparison, of which `worse` figures are worse.
pub(super) fn outcome(comparison: &Comparison, worse: usize) -> Outcome {
    let (kind, symbol, sentence) = match comparison.verdict() {
        Verdict::Inconclusive if comparison.cases.is_empty() => ("unclear", '?', disjoint(comparison)),
        Verdict::Good => (
            "good",
            '✓',
            format!("No figure is worse, and a slowdown by the threshold {}.", seen(comparison)),
        ),
        Verdict::Inconclusive => {
            let lacking = match comparison.lacking_goodputs() {
                0 => String::new(),
                1 => " 1 goodput of the base has no counterpart.".to_owned(),
                more => format!(" {more} goodputs of the base have no counterpart."),
            };
            let missed = "No figure is worse, but a slowdown by the threshold could have been missed.";
            ("unclear", '?', format!("{missed}{lacking}"))
        }
        Verdict::IntegrityFailed => ("integrity", '≠', "The candidate delivered wrong bytes.".into()),
        Verdict::RunFailed => {
            let is_new = comparison.cases.iter().any(|case| !case.new_failures.is_empty());
            let sentence = if is_new {
                "Runs of the candidate failed in a new way."
            } else {
                "All runs of a case failed in the candidate."
            };
            let slower = if worse > 0 { format!(" {}", are_worse(worse)) } else { String::new() };
            ("failed", '✗', format!("{sentence}{slower}"))
        }
        _ => ("memory", '▲', are_worse(worse)),
    };
    Outcome { kind, symbol, sentence }
}

fn are_worse(figures: usize) -> String {
    match figures {
        1 => "1 figure is worse.".to_owned(),
        figures => format!("{figures} figures are worse."),
    }
}

/// Returns the predicate of a sentence about a slowdown by the threshold, for a comparison that is conclusive.
fn seen(comparison: &Comparison) -> String {
    match comparison.goodputs().all(|goodput| goodput.is_decided) {
        true => "is ruled out".to_owned(),
        false => {
            format!("is ruled out or would be found in {:.0} of 100 comparisons", 100.0 * comparison.power)
        }
    }
}

/// Returns the numbers of failed runs of a case in words, and the kinds of failures that the base does not have; `None`
/// if no run failed.
pub(super) fn failures(case: &ComparedCase) -> Option<String> {
    let (before, now) = case.failed;
    // The kinds have the names that records use.
    let kinds: Vec<String> = case
        .new_failures
        .iter()
        .filter_map(|kind| Some(serde_json::to_value(kind).ok()?.as_str()?.to_owned()))
        .collect();
    let new = match kinds.as_slice() {
        [] => String::new(),
        [kind] => format!(", of a new kind ({kind})"),
        kinds => format!(", of new kinds ({})", kinds.join(", ")),
    };
    let all = if case.is_lost { ": all of them" } else { "" };
    (before + now > 0).then(|| format!("{before} runs of the base, {now} of the candidate{new}{all}"))
}

/// Returns the sentence for two sets without a common case, with an example of each.
pub(super) fn disjoint(comparison: &Comparison) -> String {
    let first = |names: &[String]| names.first().map_or_else(|| "no case".to_owned(), Clone::clone);
    let (base, candidate) = (first(&comparison.missing), first(&comparison.new));
    format!("No case is in both sets: the base has {base}, the candidate has {candidate}.")
}

/// Returns the conditions that weaken a comparison, as sentences: warnings of the machines, runs that count for no
/// speed, disturbed runs, and cases that were not run in turns.
pub(super) fn weaknesses(comparison: &Comparison) -> Vec<String> {
    let sides = ["base", "candidate"].into_iter().zip(&comparison.warnings);
    let warnings =
        sides.flat_map(|(side, texts)| texts.iter().map(move |text| format!("In the {side}, {text}")));
    let all: usize = comparison.cases.iter().map(|case| case.runs.0 + case.runs.1).sum();
    let runs = |of: fn(&ComparedCase) -> (usize, usize)| -> usize {
        comparison.cases.iter().map(of).map(|(base, candidate)| base + candidate).sum()
    };
    let (far, disturbed) = (runs(|case| case.left_out), runs(|case| case.disturbed));
    let apart = comparison.cases.iter().filter(|case| !case.in_turns).count();
    let one_sided = comparison.cases.iter().filter(|case| case.distances_differ).count();
    let numbers = [
        (one_sided > 0).then(|| {
            let cases = comparison.cases.len();
            format!("In {one_sided} of {cases} cases, the cores of the two ends were far apart on one side alone.")
        }),
        (far > 0).then(|| {
            let count = if far == 1 { "counts" } else { "count" };
            format!("{far} of {all} runs {count} for no speed: the cores of the two ends were far apart.")
        }),
        (disturbed > 0).then(|| {
            let were = if disturbed == 1 { "was" } else { "were" };
            format!("{disturbed} of {all} runs {were} disturbed.")
        }),
        (apart > 0).then(|| {
            let cases = comparison.cases.len();
            format!("{apart} of {cases} cases were not run in turns: their ratios include the drift of the machine.")
        }),
    ];
    warnings.chain(numbers.into_iter().flatten()).collect()
}
