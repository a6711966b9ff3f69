//! The comparison as text of 80 columns, verdicts in words.

use std::fmt::Write as _;

use super::{
    bootstrap::fewest,
    join::Joined,
    judge::{ALPHA, Change, Judged, Judgement},
};
use crate::record::Record;

/// All there is to say: what was compared, what could not be, and what it amounts to.
pub(super) fn text(joined: &Joined, judged: &[Judged], alpha: f64) -> String {
    let mut text = String::new();
    for line in &joined.circumstances {
        let _ = writeln!(text, "DIFFERENT  {line}");
    }
    for judged in judged {
        let _ = write!(text, "{}", case(judged));
    }
    for name in &joined.missing {
        let _ = writeln!(text, "MISSING  {name}: only the base has it");
    }
    for name in &joined.new {
        let _ = writeln!(text, "NEW  {name}: only the candidate has it");
    }
    text + &summary(judged, alpha)
}

fn case(judged: &Judged) -> String {
    let (base, candidate) = (&judged.pair.base, &judged.pair.candidate);
    let mut text = format!("{} ({} runs, {} now)\n", judged.pair.name, base.len(), candidate.len());
    let failed = |records: &[&Record]| records.iter().filter(|record| record.error.is_some()).count();
    let (before, now) = (failed(base), failed(candidate));
    if before + now > 0 {
        let _ = writeln!(text, "  FAILED  {before} runs of the base, {now} of the candidate");
    }
    for judgement in &judged.judgements {
        let _ = writeln!(text, "{}", figure(judgement));
    }
    text
}

fn figure(Judgement { metric, base, candidate, ratio, change }: &Judgement) -> String {
    let percent = |ratio: f64| format!("{:+.1}", 100.0 * (ratio - 1.0));
    let interval =
        ratio.interval.map_or("-".into(), |(low, high)| format!("[{}, {}]", percent(low), percent(high)));
    let line = format!(
        "  {:<23} {:>7} {:>7} {:>7} % {:>17}  {}",
        metric.name(),
        metric.show(*base),
        metric.show(*candidate),
        percent(ratio.estimate),
        interval,
        change.word(),
    );
    line
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Same => "same",
            Self::Unclear => "unclear",
        }
    }
}

fn summary(judged: &[Judged], alpha: f64) -> String {
    let all = || judged.iter().flat_map(|judged| &judged.judgements);
    let count = |change| all().filter(|judgement| judgement.change == change).count();
    let mut text = format!(
        "{} figures, {} cases: {} worse, {} better, {} same, {} unclear\nall intervals hold in {:.0} of 100 such comparisons\n",
        all().count(),
        judged.len(),
        count(Change::Worse),
        count(Change::Better),
        count(Change::Same),
        count(Change::Unclear),
        100.0 * (1.0 - ALPHA),
    );
    if all().any(|judgement| judgement.ratio.interval.is_none()) {
        let _ = writeln!(
            text,
            "without an interval: too few runs for one, {} on each side would do (--rounds)",
            fewest(alpha)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::{judge, tests::records},
        *,
    };

    #[test]
    fn the_text_fits_80_columns_and_says_verdicts_in_words() {
        let base = records("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let candidate = records("h2", &[300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0]);
        let joined = Joined::of(&base, &candidate);
        let (judged, alpha) = judge::judge(&joined.pairs, Default::default());
        let text = text(&joined, &judged, alpha);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let line = text.lines().find(|line| line.contains("goodput")).unwrap();
        let fields: Vec<_> = line.split_whitespace().collect();
        assert_eq!(fields[..6], ["goodput", "MiB/s", "3030", "303", "-90.0", "%"]);
        assert_eq!(fields.last(), Some(&"WORSE"));
        assert!(text.contains("3 figures, 1 cases: 1 worse, 0 better, 2 same"), "{text}");
    }

    #[test]
    fn too_few_runs_are_told_with_what_would_do() {
        let base = records("h2", &[3000.0, 3010.0, 3020.0]);
        let joined = Joined::of(&base, &base);
        let (judged, alpha) = judge::judge(&joined.pairs, Default::default());
        assert!(text(&joined, &judged, alpha).contains("too few runs for one, 4 on each side would do"));
    }
}
