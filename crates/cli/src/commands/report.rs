//! `longhaul report`: renders records.

use std::{fs, path::Path};

use analyse::{Analysis, Ceilings, Report, Verdict};
use anyhow::Context as _;
use record::{Damage, ReadRecords, Record, SeenLines};
use serde::Serialize;

use crate::{
    exit::Usage,
    flags::{self, ReportArgs},
    input::read_undamaged,
    output::{file_url, stderr_line},
};

/// Runs `longhaul report`. Damaged lines are skipped, and reported as an error after the report. A record in several
/// files counts once.
pub(super) fn main(args: &ReportArgs) -> anyhow::Result<Verdict> {
    let (mut records, mut damages, mut seen) = (Vec::new(), Vec::new(), SeenLines::default());
    for path in &args.records {
        let ReadRecords { records: mut more, damage, .. } = read_undamaged(path, &mut seen)?;
        // The records of a single file are not copied, since a copy would take as much memory again.
        if records.is_empty() {
            records = more
        } else {
            records.append(&mut more)
        }
        damages.push(damage);
    }
    let ceilings = args.ceilings.as_deref().map(|path| Ceilings::read(path, &records));
    let ceilings = ceilings.transpose().map_err(Usage::new)?;
    let analysis = Analysis::against(&records, ceilings.as_ref());
    let title = args.title.clone().unwrap_or_else(|| title(&records));
    let sources: Vec<_> = args.records.iter().map(|path| record::records_file(path)).collect();
    let report =
        Report::new(&title, &records, &analysis).with_ceilings(ceilings.as_ref()).with_sources(&sources);
    let formats = args.formats();
    analyse::write(&report, &formats, &args.output)?;
    if args.svg {
        analyse::write_pictures(&report, &args.output)?;
    }
    match formats.iter().find(|format| format.name() == "html") {
        Some(page) => stderr_line(format_args!("report: {}", file_url(&args.output.join(page.file())))),
        None => stderr_line(format_args!("report: {}", args.output.display())),
    }
    damages.into_iter().try_for_each(Damage::none).map_err(Usage::new)?;
    Ok(Verdict::Good)
}

/// Returns the title of a report: the command that made all records, such as "longhaul prove".
fn title(records: &[Record]) -> String {
    let definition = flags::definition();
    let command = |record: &Record| {
        let mut words = record.command.as_deref().unwrap_or_default().split_whitespace();
        words.find(|word| definition.find_subcommand(word).is_some()).map(str::to_owned)
    };
    let first = records.first().and_then(command);
    let is_common = records.iter().all(|record| command(record) == first);
    format!("longhaul {}", first.filter(|_| is_common).as_deref().unwrap_or("report"))
}

/// Returns a conclusion as JSON, with its verdict.
pub(super) fn json(verdict: Verdict, conclusion: &impl Serialize) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Concluded<'a, T> {
        verdict: Verdict,
        exit_code: u8,
        #[serde(flatten)]
        conclusion: &'a T,
    }
    let concluded = Concluded { verdict, exit_code: verdict.exit_code(), conclusion };
    Ok(serde_json::to_string_pretty(&concluded)? + "\n")
}

/// Writes a file that a flag names.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
