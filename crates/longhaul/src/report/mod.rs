//! From records to what people read and CI acts on.
//!
//! [`sample`]s are what a summary needs of records; [`summary`] derives a row a case; [`finding`]s say what is
//! wrong, [`conditions`] what runs met; a [`set`] has all of it, and a [`Render`] for each [`Format`] makes one file of it. The [`mod@table`] is for the terminal.

mod conditions;
mod csv;
mod finding;
mod junit;
mod markdown;
mod page;
mod pictures;
mod sample;
mod set;
mod summary;
mod table;

use std::{fs, mem, path::Path};

use anyhow::Context as _;

use crate::{
    ceilings::Ceilings,
    cli::{Format, ReportArgs},
    exit::{Usage, Verdict},
    record::Record,
    results,
};
pub(crate) use sample::Sample;
pub(crate) use set::{Conclusion, Set};
pub(crate) use summary::{Summary, median};
pub(crate) use table::table;

/// A way to write down what a set of records amounts to, as one file.
pub(crate) trait Render: Sync {
    /// The name of the file.
    fn file(&self) -> &'static str;

    /// The text of the file.
    fn render(&self, set: &Set) -> anyhow::Result<String>;
}

impl Format {
    fn renderer(self) -> &'static dyn Render {
        match self {
            Self::Html => &page::Html,
            Self::Markdown => &markdown::Markdown,
            Self::Csv => &csv::Csv,
            Self::Junit => &junit::Junit,
        }
    }
}

/// What every bench writes beside its records.
pub(crate) const OF_A_BENCH: [Format; 2] = [Format::Html, Format::Markdown];

/// Runs `longhaul report`.
pub(crate) fn main(args: &ReportArgs) -> anyhow::Result<Verdict> {
    let ceilings = args.ceilings.as_deref().map(Ceilings::read).transpose()?;
    let reads = args.records.iter().map(|path| results::read_what_is_whole(path));
    let mut reads = reads.collect::<Result<Vec<_>, Usage>>()?;
    let records: Vec<Record> = reads.iter_mut().flat_map(|read| mem::take(&mut read.records)).collect();
    let set = Set::of(&args.title, &records, ceilings.as_ref());
    write(&set, &args.format, &args.out)?;
    if args.svg {
        pictures::write(&set, &args.out)?;
    }
    eprintln!("report: {}", args.out.display());
    reads.iter().try_for_each(results::Read::assert_whole)?;
    Ok(Verdict::Good)
}

/// Writes a set into a folder, in each of these formats.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn write(set: &Set, formats: &[Format], folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot write the report into {}", folder.display()))?;
    for format in formats {
        let renderer = format.renderer();
        let path = folder.join(renderer.file());
        let text = renderer.render(set)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{End, Fault, FaultKind, Outcome, tests::record};

    /// A run that went well, one over its budget, one that failed.
    pub(super) fn bad_day() -> Vec<Record> {
        let mut over = record("h2");
        if let Some(end) = &mut over.receiver {
            end.memory.peak_rss_bytes = Some(30 << 20);
            end.memory.within_budget = Some(false);
        }
        let message = "it said \"no\", twice".into();
        let fault = Fault { kind: FaultKind::Protocol, message, end: Some(End::Sender) };
        let failed = Record {
            outcome: Outcome::Error,
            error: Some(fault),
            goodput_bytes_per_s: None,
            receiver: None,
            ..record("h3")
        };
        vec![record("tcp"), over, failed]
    }
}
