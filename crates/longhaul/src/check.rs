//! `longhaul check`: holds records against ceilings of memory.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use serde::Deserialize;

use crate::{
    cli::CheckArgs,
    exit::{Usage, Verdict},
    record::{End, Record},
    report::mib,
    results,
    size::ByteSize,
};

/// A file of ceilings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceilings {
    ceiling: Vec<Ceiling>,
}

/// The most memory that one end of a protocol may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceiling {
    protocol: String,
    end: End,
    #[serde(deserialize_with = "size")]
    peak_rss: ByteSize,
}

/// Runs the command.
pub(crate) fn main(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let ceilings = read(&args.ceilings)?;
    let records = results::read(&args.records)?;
    let mut findings = Findings::default();
    for record in &records {
        findings.hold(record, &ceilings);
    }
    io::stdout().write_all(findings.to_string().as_bytes())?;
    Ok(findings.verdict())
}

/// # Errors
/// [`Usage`], naming file and line, if the file cannot be read or is damaged.
fn read(path: &Path) -> Result<Ceilings, Usage> {
    let text = fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read ceilings {}: {error}", path.display())))?;
    let ceilings: Ceilings = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        Usage(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    for ceiling in &ceilings.ceiling {
        if transport::by_name(&ceiling.protocol).is_none() {
            return Err(Usage(format!("{}: unknown protocol '{}'", path.display(), ceiling.protocol)));
        }
    }
    Ok(ceilings)
}

fn size<'a, D: serde::Deserializer<'a>>(deserializer: D) -> Result<ByteSize, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// What holding records against ceilings has found.
#[derive(Debug, Default)]
struct Findings {
    held: usize,
    over: Vec<String>,
    failed: Vec<String>,
    without: Vec<String>,
}

impl Findings {
    fn hold(&mut self, record: &Record, ceilings: &Ceilings) {
        let (name, round) = (&record.case.name, record.round);
        if let Some(fault) = &record.error {
            self.failed.push(format!("FAILED  {name} round {round}: {}", fault.message));
            return;
        }
        for (end, measured) in [(End::Sender, &record.sender), (End::Receiver, &record.receiver)] {
            let ceiling =
                ceilings.ceiling.iter().find(|c| c.end == end && c.protocol == record.case.protocol);
            let Some(ceiling) = ceiling else {
                self.without.push(format!("NO CEILING  {name} {end}"));
                continue;
            };
            let expected = format!("at most {:.1} MiB", mib(ceiling.peak_rss.0));
            match measured.as_ref().and_then(|end| end.memory.peak_rss_bytes) {
                Some(peak) if peak <= ceiling.peak_rss.0 => self.held += 1,
                Some(peak) => {
                    let peak = mib(peak);
                    self.over.push(format!(
                        "OVER  {name} round {round} {end}: expected {expected}, measured {peak:.1} MiB"
                    ));
                }
                None => self
                    .over
                    .push(format!("OVER  {name} round {round} {end}: expected {expected}, measured nothing")),
            }
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.over.is_empty(), self.failed.is_empty()) {
            (false, _) => Verdict::MemoryOver,
            (true, false) => Verdict::RunFailed,
            (true, true) => Verdict::Good,
        }
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.over.iter().chain(&self.failed).chain(&self.without) {
            writeln!(f, "{line}")?;
        }
        let (held, over, failed) = (self.held, self.over.len(), self.failed.len());
        let without = self.without.len();
        writeln!(f, "peak RSS: {held} within, {over} over, {without} without a ceiling; {failed} failed runs")
    }
}
