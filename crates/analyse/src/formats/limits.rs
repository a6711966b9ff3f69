//! The causes that limited goodput: one line for each cause, for a terminal and in Markdown.

use std::collections::BTreeMap;

use record::Cause;

use super::programs;
use crate::{Limitation, Row};

/// The most cases that the line of a cause names.
const NAMED: usize = 3;

/// Returns one line for each cause that limited rows; empty if no record states a cause.
pub(super) fn lines(rows: &[Row<'_>]) -> Vec<String> {
    let mut causes: BTreeMap<Cause, Vec<(&Row<'_>, Limitation<'_>)>> = BTreeMap::new();
    for row in rows {
        if let Some(limit) = row.limited_by {
            causes.entry(limit.typical.cause).or_default().push((row, limit));
        }
    }
    causes.into_iter().map(|(cause, cases)| line(cause, &cases)).collect()
}

fn line(cause: Cause, cases: &[(&Row<'_>, Limitation<'_>)]) -> String {
    let named = cases.iter().take(NAMED).map(|(row, limit)| {
        let name = programs::name(row).join(" ").trim_end().to_owned();
        let remark = limit.remark().map_or_else(String::new, |remark| format!(", {remark}"));
        format!("{name} ({}{remark})", limit.typical.evidence)
    });
    let further = match cases.len().saturating_sub(NAMED) {
        0 => String::new(),
        further => format!(", and {further} more"),
    };
    format!("limited by {cause}: {}{further}", named.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Analysis,
        limitation::tests::limited,
        tests::{run, runs},
    };

    #[test]
    fn each_cause_has_a_line_that_names_few_cases() {
        let tls = ["tcp", "h1c", "h2c", "tls"].map(|name| limited(run(name), "sender-cpu", "works 97 %"));
        let records: Vec<Record> =
            tls.into_iter().chain([limited(run("h3"), "path-rate", "8.0 Mbit/s"), run("h1")]).collect();
        let lines = lines(&Analysis::of(&records).rows);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("limited by sender CPU: tcp/up/64KiB/2GiB (works 97 %), "), "{lines:?}");
        assert!(lines[0].ends_with(", and 1 more"), "{lines:?}");
        assert_eq!(lines[1], "limited by path rate: h3/up/64KiB/2GiB (8.0 Mbit/s)");
        assert!(super::lines(&Analysis::of(&runs("h2", &[1.0])).rows).is_empty());
    }
}
