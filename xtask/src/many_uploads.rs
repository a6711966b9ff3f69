//! `cargo xtask many-uploads`: sends many concurrent uploads to one server that saves them, over each protocol.
//!
//! All must arrive completely, and the peak RSS of the server must stay within its baseline plus the budget of its
//! limits.

use std::process::{Child, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use metrics::Stamp;
use record::{ByteSize, Case, End, Protocol, Record, SinkKind, mib};
use run::Budget;

use crate::study::{ProgramOptions, Server, Table, finish};

/// Upload many bodies concurrently to one server
#[derive(Args)]
pub(crate) struct Arguments {
    /// Concurrent uploads
    #[arg(long, value_name = "N", default_value_t = 300)]
    uploads: u32,
    /// Size of one body
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    size: ByteSize,
    /// Protocols
    #[arg(long, value_name = "LIST", default_value = "h1c,h2c,h1,h2,h3", value_delimiter = ',')]
    protocols: Vec<String>,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The memory that a server may take in addition to its budget, in bytes. A server without uploads took 9 to 12 MiB.
const BASELINE: u64 = 24 << 20;

/// The exit code for memory over its budget.
const OVER: u8 = 4;

/// The outcome over one protocol.
struct Outcome {
    whole: usize,
    seconds: f64,
    peak: u64,
    allowed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("many-uploads")?;
    let mut table = Table::with_heads(["protocol", "whole", "of", "seconds", "peak RSS MiB", "allowed MiB"]);
    let (mut is_over, mut is_broken) = (false, false);
    for name in &arguments.protocols {
        let Some(protocol) = Protocol::by_name(name) else { bail!("'{name}' is not a protocol") };
        let Outcome { whole, seconds, peak, allowed } = upload(longhaul.program(), protocol, arguments)?;
        is_over |= peak > allowed;
        is_broken |= whole < arguments.uploads as usize;
        let figures = [seconds, mib(peak), mib(allowed)].map(|figure| format!("{figure:.1}"));
        table.push(
            [name.clone(), whole.to_string(), arguments.uploads.to_string()].into_iter().chain(figures),
        );
    }
    table.publish(&folder.join("many-uploads.tsv"))?;
    Ok(match (is_over, is_broken) {
        (true, _) => ExitCode::from(OVER),
        (_, true) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn upload(program: &std::path::Path, protocol: &Protocol, arguments: &Arguments) -> Result<Outcome> {
    let saved = tempfile::tempdir().context("no temporary folder")?;
    let server = Server::start(program, saved.path(), &[])?;
    let size = arguments.size.to_string();
    let began = Stamp::now();
    let start = |number: u32| server.upload(protocol, &format!("body-{number}"), &["--size", &size]);
    let uploads: Vec<Child> = (0..arguments.uploads).map(start).collect::<Result<_>>()?;
    let finished: Vec<Result<Record>> = uploads.into_iter().map(finish).collect();
    let seconds = began.elapsed().as_secs_f64();
    finished
        .iter()
        .filter_map(|upload| upload.as_ref().err())
        .take(5)
        .for_each(|error| eprintln!("{error:#}"));
    Ok(Outcome {
        whole: finished.iter().flatten().filter(|record| is_whole(record)).count(),
        seconds,
        peak: server.peak_rss()?,
        allowed: BASELINE + budget(protocol, arguments, saved.path()),
    })
}

/// Returns whether the receipt confirmed every byte.
fn is_whole(record: &Record) -> bool {
    record.is_ok() && record.integrity.as_ref().is_some_and(|integrity| integrity.matches)
}

/// Returns the budget of a receiver with one connection per upload, in bytes.
fn budget(protocol: &Protocol, arguments: &Arguments, folder: &std::path::Path) -> u64 {
    let mut case = Case::new(protocol.name);
    (case.body, case.connections) = (arguments.size, arguments.uploads);
    case.sink = SinkKind::Save(folder.to_owned());
    Budget::of(&case, End::Receiver).bytes()
}

#[cfg(test)]
mod tests {
    use record::Integrity;

    use super::*;

    #[test]
    fn an_upload_is_whole_if_its_digest_is_confirmed() {
        let mut record = Record::new("some run", Case::new("h2"));
        assert!(!is_whole(&record));
        let proof =
            |matches| Integrity { algorithm: "some".into(), sent: "1".into(), received: "2".into(), matches };
        record.integrity = Some(proof(false));
        assert!(!is_whole(&record));
        record.integrity = Some(proof(true));
        assert!(is_whole(&record));
    }
}
