//! The placeholders of a template, and the figures that fill them.
//!
//! | placeholder | is filled with |
//! |---|---|
//! | `{table}` | the table that `longhaul bench` prints, as a block of text |
//! | `{stock}` | libraries with their own defaults, and tuned ones that lack one layer, beside their tuned rows, as a table of Markdown |
//! | `{goodput CASE}` | the median goodput in MiB/s |
//! | `{range CASE}` | the median goodput with its interval of 95 %, or with the least and the most of few rounds |
//! | `{ratio CASE}` | the goodput over that of the case's baseline in the same round: the median, and its interval of 95 % |
//! | `{ratio CASE BASE}` | the goodput over that of another case, in the same way |
//! | `{rss CASE END}` | the median peak RSS of an end, in MiB |
//! | `{cpu CASE END}` | the median processor time of an end, in s/GiB |
//! | `{rounds CASE}` | the number of successful runs |
//! | `{tsv FILE}` | a table that a study wrote, as a table of Markdown |
//! | `{tsv FILE COLUMN CELL…}` | the figure in a column of the one row whose first cells are these, without their spaces |
//! | `{interval FILE CELL…}` | its columns `median`, `low` and `high` |
//! | `{judged FILE CELL…}` | its columns `median`, `low` and `high`, and `judged` unless that is empty |
//! | `{spread FILE CELL…}` | its columns `median`, `least`, `most` and `pairs` |

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use analyse::{Analysis, Row, Screen, paired};
use anyhow::{Context as _, Result, bail, ensure};
use record::{CaseKey, End, Record, mib_per_s};
use stats::{Interval, Ratio, paired_ratio};

use crate::study::CONFIDENCE;

/// The records and tables of a folder.
pub(super) struct Source {
    folder: PathBuf,
    /// The records of the folder; empty if it has tables only.
    records: Vec<Record>,
}

impl Source {
    /// Reads the records of a folder of results, if it has any.
    ///
    /// # Errors
    /// Fails if there is no such folder, or its records are damaged.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        ensure!(folder.is_dir(), "{} is not a folder", folder.display());
        let has_records = record::RECORD_FILES.iter().any(|file| folder.join(file).exists());
        let records = if has_records { record::read(folder)? } else { Vec::new() };
        Ok(Self { folder: folder.to_owned(), records })
    }

    /// Returns a template with all placeholders filled in, and a line break at its end.
    ///
    /// # Errors
    /// Fails if a placeholder is unknown, or if there is no figure for it.
    pub(super) fn fill(&self, template: &str) -> Result<String> {
        let (analysis, mut filled, mut rest) = (Analysis::of(&self.records), String::new(), template);
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) =
                after.split_once('}').with_context(|| format!("no }} after '{{{after}'"))?;
            filled += before;
            filled += &self
                .figure(placeholder, &analysis)
                .with_context(|| format!("placeholder {{{placeholder}}}"))?;
            rest = after;
        }
        Ok(filled + rest + "\n")
    }

    fn figure(&self, placeholder: &str, analysis: &Analysis<'_>) -> Result<String> {
        let words: Vec<&str> = placeholder.split_whitespace().collect();
        let row = |case: &str| find(analysis, case);
        match words.as_slice() {
            ["table"] => {
                Ok(format!("```text\n{}\n```", analyse::table(analysis, &Screen::pipe()).trim_end()))
            }
            ["stock"] => {
                ensure!(!analysis.untuned.is_empty(), "no stock row beside a tuned one");
                Ok(analyse::untuned_markdown(&analysis.untuned).trim_end().to_owned())
            }
            ["goodput", case] => {
                Ok(format!("{:.0}", mib_per_s(row(case)?.goodput.context("no goodput")?.median)))
            }
            ["range", case] => {
                let goodput = row(case)?.goodput.context("no goodput")?;
                let Interval { low, high } = goodput.range();
                let [median, low, high] = [goodput.median, low, high].map(mib_per_s);
                Ok(match goodput.interval {
                    Some(_) => format!("{median:.0} [{low:.0}, {high:.0}]"),
                    None => format!("{median:.0}, {low:.0} to {high:.0}"),
                })
            }
            ["ratio", case] => {
                let row = row(case)?;
                let baseline = row.facts.baseline.as_deref().context("a row without a baseline")?;
                let is_base = |other: &&Row<'_>| {
                    other.case.protocol == baseline
                        && other.key.without_protocol() == row.key.without_protocol()
                };
                ratio(analysis.rows.iter().find(is_base).context("its baseline was not run")?, row)
            }
            ["ratio", case, base] => ratio(row(base)?, row(case)?),
            ["rss", case, end] => {
                let peak = row(case)?.ends[self::end(end)?].peak_rss.context("no peak")?;
                Ok(format!("{:.1}", peak.median / f64::from(1 << 20)))
            }
            ["cpu", case, end] => {
                let cpu = row(case)?.ends[self::end(end)?].cpu_s_per_gib.context("no processor time")?;
                Ok(format!("{cpu:.2}"))
            }
            ["rounds", case] => {
                Ok(row(case)?.records.iter().filter(|record| record.is_ok()).count().to_string())
            }
            ["tsv", file] => Ok(markdown(&self.table(file)?)),
            ["tsv", file, column, cells @ ..] => cell(&self.table(file)?, column, cells),
            ["interval", file, cells @ ..] => {
                Ok(interval(&columns(&self.table(file)?, ["median", "low", "high"], cells)?))
            }
            ["judged", file, cells @ ..] => {
                let table = self.table(file)?;
                let ratio = interval(&columns(&table, ["median", "low", "high"], cells)?);
                let judged = cell(&table, "judged", cells)?;
                Ok(if judged == "-" { ratio } else { format!("{ratio}, {judged}") })
            }
            ["spread", file, cells @ ..] => {
                let heads = ["median", "least", "most", "pairs"];
                let [median, least, most, pairs] = columns(&self.table(file)?, heads, cells)?;
                Ok(format!("{median} ({least} to {most}, {pairs})"))
            }
            _ => bail!("no such placeholder"),
        }
    }

    /// Reads the rows of a table that a study wrote.
    fn table(&self, file: &str) -> Result<Vec<Vec<String>>> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }
}

fn find<'s, 'a>(analysis: &'s Analysis<'a>, case: &str) -> Result<&'s Row<'a>> {
    let key: CaseKey = case.parse()?;
    analysis.rows.iter().find(|row| row.key.case == key).with_context(|| format!("no run of {case}"))
}

fn end(name: &str) -> Result<End> {
    let named = End::ALL.into_iter().find(|end| end.to_string() == name);
    named.with_context(|| format!("'{name}' is neither sender nor receiver"))
}

/// Formats a ratio with its interval, or without one if there are too few rounds.
fn ratio(base: &Row<'_>, row: &Row<'_>) -> Result<String> {
    let pairs = paired(&base.records, &row.records);
    let Ratio { estimate, interval } = paired_ratio(&pairs, CONFIDENCE).context("no round has both")?;
    let range = interval.map_or(String::new(), |Interval { low, high }| format!(" [{low:.2}, {high:.2}]"));
    Ok(format!("{estimate:.2}{range}"))
}

/// Formats a table in Markdown.
fn markdown(table: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in table.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text.trim_end().to_owned()
}

/// Returns the figures in the columns `heads` of the row whose first cells are `cells`.
fn columns<const N: usize>(table: &[Vec<String>], heads: [&str; N], cells: &[&str]) -> Result<[String; N]> {
    let figures = heads.iter().map(|head| cell(table, head, cells)).collect::<Result<Vec<_>>>()?;
    figures.try_into().map_err(|_| anyhow::anyhow!("columns are missing"))
}

/// Returns the figure in a column of the one row whose first cells are `cells`. In a template, cells and heads have no
/// spaces.
fn cell(table: &[Vec<String>], column: &str, cells: &[&str]) -> Result<String> {
    let (head, rows) = table.split_first().context("an empty table")?;
    let column = head
        .iter()
        .position(|name| without_spaces(name) == column)
        .with_context(|| format!("no column '{column}'"))?;
    let is_row = |row: &&Vec<String>| {
        cells.len() <= row.len()
            && cells.iter().zip(row.iter()).all(|(cell, own)| without_spaces(own) == **cell)
    };
    let mut rows = rows.iter().filter(is_row);
    let row = rows.next().context("no such row")?;
    ensure!(rows.next().is_none(), "several such rows");
    row.get(column).cloned().context("a short row")
}

fn without_spaces(text: &str) -> String {
    text.replace(' ', "")
}

/// Formats a ratio with its interval, as a study wrote them. A dash stands for a figure that was not measured, or has
/// too few pairs.
fn interval([median, low, high]: &[String; 3]) -> String {
    match (median.as_str(), low.as_str()) {
        ("-", _) => "not measured".into(),
        (_, "-") => median.clone(),
        _ => format!("{median} [{low}, {high}]"),
    }
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;

    /// Returns six rounds of `tcp` and `h2c`, and a table of a study.
    fn source(folder: &Path) -> Source {
        let mut records = Vec::new();
        for round in 0..6 {
            for (protocol, goodput) in [("tcp", 200.0), ("h2c", 150.0)] {
                let mut record = Record::new("some", Case::new(protocol));
                record.round = round;
                record.goodput_bytes_per_s = Some(goodput * f64::from(1 << 20));
                records.push(record);
            }
        }
        let table = "row	direction	chunk	median	low	high	least	most	pairs	judged\n\
                     h2c/tcp	up	64 KiB	0.93	0.91	0.95	0.90	1.00	7	met\n\
                     h2c/tcp	down	64 KiB	0.94	0.92	0.96	0.90	1.10	8	-\n\
                     h3/quic	up	64 KiB	0.99	-	-	0.90	1.10	5	too few pairs\n\
                     h3/quic	down	64 KiB	-	-	-	-	-	0	-\n";
        fs::write(folder.join("ratios.tsv"), table).unwrap();
        Source { folder: folder.to_owned(), records }
    }

    fn filled(template: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        source(folder.path()).fill(template)
    }

    #[test]
    fn placeholders_are_filled_with_figures_of_the_records() {
        let text = "{goodput h2c/up/64KiB/2GiB} MiB/s, {ratio h2c/up/64KiB/2GiB} of tcp over {rounds h2c/up/64KiB/2GiB} rounds;\n\
                    tcp {ratio tcp/up/64KiB/2GiB h2c/up/64KiB/2GiB}";
        let expected = "150 MiB/s, 0.75 [0.75, 0.75] of tcp over 6 rounds;\ntcp 1.33 [1.33, 1.33]\n";
        assert_eq!(filled(text).unwrap(), expected);
        let table = filled("{table}").unwrap();
        assert!(table.starts_with("```text\ncase") && table.ends_with("\n```\n"), "{table}");
    }

    #[test]
    fn placeholders_are_filled_from_tables() {
        assert_eq!(filled("{tsv ratios.tsv median h2c/tcp down 64KiB}").unwrap(), "0.94\n");
        let table = filled("{tsv ratios.tsv}").unwrap();
        assert!(
            table.starts_with("| row | direction | chunk | median | low |") && table.contains("\n|---|---|"),
            "{table}"
        );
    }

    #[test]
    fn a_row_of_a_table_is_an_interval_or_a_spread() {
        assert_eq!(filled("{interval ratios.tsv h2c/tcp up}").unwrap(), "0.93 [0.91, 0.95]\n");
        assert_eq!(filled("{judged ratios.tsv h2c/tcp up}").unwrap(), "0.93 [0.91, 0.95], met\n");
        assert_eq!(filled("{judged ratios.tsv h2c/tcp down}").unwrap(), "0.94 [0.92, 0.96]\n");
        assert_eq!(filled("{judged ratios.tsv h3/quic up}").unwrap(), "0.99, too few pairs\n");
        assert_eq!(filled("{judged ratios.tsv h3/quic down}").unwrap(), "not measured\n");
        assert_eq!(filled("{spread ratios.tsv h2c/tcp up 64KiB}").unwrap(), "0.93 (0.90 to 1.00, 7)\n");
    }

    #[test]
    fn a_figure_that_is_missing_is_an_error_and_no_gap() {
        for template in [
            "{goodput h3/up/64KiB/2GiB}",
            "{goodput h2c}",
            "{rss h2c/up/64KiB/2GiB sender}",
            "{rss h2c/up/64KiB/2GiB middle}",
            "{ratio tcp/up/64KiB/2GiB}",
            "{tsv ratios.tsv median h2c/tcp}",
            "{tsv ratios.tsv mean h2c/tcp up}",
            "{tsv missing.tsv}",
            "{stock}",
            "{unknown}",
            "{table",
        ] {
            assert!(filled(template).is_err(), "{template}");
        }
    }
}
