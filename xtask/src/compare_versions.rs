//! `cargo xtask compare-versions`: runs longhaul with two versions of a library in turns, and compares them.

mod sources;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use analyse::{Comparison, Thresholds, comparison_text};
use anyhow::{Context as _, Result};
use clap::Args;
use record::{ByteSize, Record};

use crate::{
    study::{Longhaul, ProgramOptions, RecordFile, RoundOptions, build_in},
    workspace::{self, Metadata},
};
use sources::Sources;

/// Compare two versions of a library
///
/// Exits as `longhaul compare --fail-on worse` does: 0 not worse, 3 slower, 4 more memory, 1 or 5 a new failure, 6
/// inconclusive.
#[derive(Args)]
pub(crate) struct Arguments {
    /// hyper, h2, quinn, quinn-proto, h3, rustls, or any other in Cargo.lock
    library: String,
    /// A version such as 0.4.18, or the folder of a checkout, which cargo patches in
    base: String,
    /// Another version or checkout
    candidate: String,
    /// Protocols [default: those that the library carries]
    #[arg(long, value_name = "LIST")]
    protocols: Option<String>,
    /// Directions
    #[arg(long, value_name = "LIST", default_value = "up,down")]
    direction: String,
    /// Chunk sizes
    #[arg(long, value_name = "LIST", default_value = "64KiB")]
    chunks: String,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// One of the two versions of the program.
struct Side {
    longhaul: Longhaul,
    /// The label of the records of this version.
    label: String,
    file: RecordFile,
    records: Vec<Record>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = format!("{}-{}-{}", arguments.library, label(&arguments.base), label(&arguments.candidate));
    let out = arguments.program.new_folder(&name)?;
    let work = tempfile::tempdir().context("no temporary folder")?;
    let program = |side, version| build(arguments, work.path(), side, version);
    let programs = [program("base", &arguments.base)?, program("candidate", &arguments.candidate)?];
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let [base, candidate] = programs;
    let mut sides = [
        Side::new(arguments, base, &arguments.base, &out.join("base.jsonl"))?,
        Side::new(arguments, candidate, &arguments.candidate, &out.join("candidate.jsonl"))?,
    ];
    for round in 0..arguments.rounds.rounds() {
        eprintln!("round {} of {}", round + 1, arguments.rounds.rounds());
        // The order alternates, because the first run of a round runs on a colder machine.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        order.into_iter().try_for_each(|side| sides[side].bench(arguments))?;
    }
    let [base, candidate] = &sides;
    let comparison = Comparison::of(&base.records, &candidate.records, &Thresholds::default());
    let text = comparison_text(&comparison);
    fs::write(out.join("comparison.txt"), &text).context("cannot write the comparison")?;
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::from(comparison.verdict().exit_code()))
}

impl Side {
    fn new(arguments: &Arguments, program: PathBuf, version: &str, records: &Path) -> Result<Self> {
        Ok(Self {
            longhaul: Longhaul::new(program, arguments.program.bench()),
            label: format!("{} {}", arguments.library, label(version)),
            file: RecordFile::create(records.to_owned())?,
            records: Vec::new(),
        })
    }

    /// Runs one round of this version.
    fn bench(&mut self, arguments: &Arguments) -> Result<()> {
        let size = arguments.rounds.size_or(ByteSize(1 << 30)).to_string();
        let protocols = arguments.protocols.as_deref().unwrap_or_else(|| carried_by(&arguments.library));
        let axes = ["--protocol", protocols, "--direction", &arguments.direction];
        let extent = ["--chunk-size", &arguments.chunks, "--size", &size, "--rounds", "1", "--settle", "10s"];
        let arguments = [&axes[..], &extent, &["--label", &self.label]].concat();
        self.records.extend(self.longhaul.bench(&arguments, &mut self.file)?);
        Ok(())
    }
}

/// Returns the name of a version. For a checkout, this is the name of its folder.
fn label(version: &str) -> String {
    Path::new(version).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the protocols that a library carries.
fn carried_by(library: &str) -> &'static str {
    match library {
        "hyper" => "h1c,h1",
        "h2" => "h2c,h2",
        _ if library.starts_with("quinn") => "quic,h3",
        _ if library.starts_with("h3") => "h3",
        "rustls" | "tokio-rustls" => "tls,h1,h2,h3",
        _ if library.starts_with("aws-lc") => "tls,h1,h2,h3",
        _ => "h1c,h2c,h1,h2,h3",
    }
}

/// Builds one side from a copy of the sources. Both sides share a folder of build artefacts. Returns a copy of the
/// program.
fn build(arguments: &Arguments, work: &Path, side: &str, version: &str) -> Result<PathBuf> {
    let library = &arguments.library;
    let sources = Sources::copy(workspace::root(), &work.join(side))?;
    sources.use_version(library, version)?;
    eprintln!("building with {library} {version}");
    let target = Metadata::read()?.target_directory.join("versions");
    let built = build_in(sources.folder(), &target, &[])?;
    let program = work.join(format!("longhaul-{side}"));
    fs::copy(&built, &program).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use record::Protocol;

    use super::*;

    #[test]
    fn libraries_carry_known_protocols() {
        for library in ["hyper", "h2", "quinn-proto", "h3-quinn", "rustls", "aws-lc-rs", "tokio"] {
            for protocol in carried_by(library).split(',') {
                assert!(Protocol::by_name(protocol).is_some(), "{library}: {protocol}");
            }
        }
    }

    #[test]
    fn a_checkout_is_labelled_by_its_folder() {
        assert_eq!((label("0.4.18"), label("../h2-patched/")), ("0.4.18".into(), "h2-patched".into()));
    }
}
