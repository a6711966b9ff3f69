//! `cargo xtask large-file`: sends and saves a large file over each protocol, and compares the rate with that of `dd`
//! on the same disk just before.
//!
//! A virtual machine may return freed memory to its host at once. It must then get every page of the page cache for a
//! file from the host again, and the figures of both `dd` and longhaul would include this cost. Therefore each run
//! first touches as much memory as two files take.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use metrics::Stamp;
use record::{ByteSize, Protocol, mib};
use tempfile::TempDir;

use crate::study::{ProgramOptions, RatioSummary, RoundOptions, Server, Table, finish};

/// Send and save a large file beside dd
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of both files, on the disk that counts [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    disk: Option<PathBuf>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The rows: a protocol, and flags of both ends.
const ROWS: &[(&str, &[&str])] =
    &[("h1c", &[]), ("h2c", &[]), ("h1", &[]), ("h2", &[]), ("h3", &[]), ("h3", &["--quic-mtu", "6400"])];

/// The runs of one row.
#[derive(Default)]
struct Runs {
    /// The goodputs of `dd` and of longhaul, in bytes per second.
    pairs: Vec<(f64, f64)>,
    sender_peak: u64,
    server_peak: u64,
}

/// The folder of the files.
struct Disk {
    folder: TempDir,
    size: ByteSize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let results = arguments.program.folder("large-file")?;
    let disk = Disk::prepare(arguments)?;
    let mut all: Vec<Runs> = ROWS.iter().map(|_| Runs::default()).collect();
    for round in 1..=arguments.rounds.rounds() {
        eprintln!("round {round} of {}", arguments.rounds.rounds());
        for ((protocol, flags), runs) in ROWS.iter().zip(&mut all) {
            runs.add(&disk, longhaul.program(), protocol, flags)?;
        }
    }
    table(&all).publish(&results.join("large-file.tsv"))?;
    Ok(ExitCode::SUCCESS)
}

impl Disk {
    /// Fills a file with random bytes.
    fn prepare(arguments: &Arguments) -> Result<Self> {
        let folder = match &arguments.disk {
            Some(disk) => tempfile::tempdir_in(disk),
            None => tempfile::tempdir(),
        };
        let disk = Self {
            folder: folder.context("no temporary folder")?,
            size: arguments.rounds.size_or(ByteSize(3 << 30)),
        };
        fs::create_dir(disk.saved()).context("no folder to save into")?;
        let mut random = File::open("/dev/urandom").context("no random bytes")?.take(disk.size.0);
        let mut file = File::create(disk.original()).context("cannot create the file")?;
        io::copy(&mut random, &mut file).context("cannot fill the file")?;
        Ok(disk)
    }

    fn original(&self) -> PathBuf {
        self.folder.path().join("original")
    }

    fn saved(&self) -> PathBuf {
        self.folder.path().join("saved")
    }

    /// Writes all cached data to disk, and touches as much memory as two files take.
    fn settle(&self) -> Result<()> {
        call(&mut Command::new("sync"))?;
        let bytes = usize::try_from(2 * self.size.0).context("more memory than there are addresses")?;
        black_box(vec![1_u8; bytes]);
        Ok(())
    }

    /// Copies the file with `dd`. Returns the rate, in bytes per second.
    fn copy(&self) -> Result<f64> {
        self.settle()?;
        let copy = self.saved().join("dd");
        let argument = |name: &str, path: &Path| format!("{name}={}", path.display());
        let began = Stamp::now();
        call(Command::new("dd").args([argument("if", &self.original()), argument("of", &copy)]).args([
            "bs=64K",
            "conv=fsync",
            "status=none",
        ]))?;
        let seconds = began.elapsed().as_secs_f64();
        fs::remove_file(copy).context("cannot remove the copy")?;
        Ok(self.size.0 as f64 / seconds)
    }
}

impl Runs {
    /// Measures `dd`, and then one upload to a new server.
    fn add(&mut self, disk: &Disk, program: &Path, protocol: &str, flags: &[&str]) -> Result<()> {
        let Some(protocol) = Protocol::by_name(protocol) else { bail!("'{protocol}' is not a protocol") };
        let dd = disk.copy()?;
        let server = Server::start(program, &disk.saved(), flags)?;
        disk.settle()?;
        let payload = format!("file:{}", disk.original().display());
        let record = finish(server.upload(protocol, "copy", &[&["--payload", &payload], flags].concat())?)?;
        let saved = disk.saved().join("copy");
        call(Command::new("cmp").args([&disk.original(), &saved]))?;
        fs::remove_file(saved).context("cannot remove the saved file")?;
        let sender = record.sender.as_ref().and_then(|sender| sender.memory.peak_rss_bytes);
        self.sender_peak = self.sender_peak.max(sender.unwrap_or_default());
        self.server_peak = self.server_peak.max(server.peak_rss()?);
        self.pairs.push((dd, record.goodput_bytes_per_s.context("the upload has no goodput")?));
        Ok(())
    }
}

/// Runs a program that must succeed.
fn call(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} failed ({status})", command.get_program());
    Ok(())
}

fn table(all: &[Runs]) -> Table {
    let peaks = ["sender MiB", "server MiB"];
    let mut table = Table::with_heads(["row"].into_iter().chain(RatioSummary::HEADS).chain(peaks));
    for ((protocol, flags), runs) in ROWS.iter().zip(all) {
        let name = [&[*protocol], *flags].concat().join(" ");
        let peaks = [runs.sender_peak, runs.server_peak].map(|bytes| format!("{:.1}", mib(bytes)));
        if let Some(ratio) = RatioSummary::of(&runs.pairs) {
            table.push([name].into_iter().chain(ratio.cells()).chain(peaks));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_ratio_to_dd_and_the_highest_peaks() {
        let runs = Runs { pairs: vec![(100.0, 90.0); 11], sender_peak: 8 << 20, server_peak: 12 << 20 };
        let others = ROWS.iter().skip(1).map(|_| Runs::default());
        let text = table(&std::iter::once(runs).chain(others).collect::<Vec<_>>()).separated();
        assert!(text.ends_with("h1c\t0.900\t0.900\t0.900\t0.900\t0.900\t11\t8.0\t12.0\n"), "{text}");
    }

    #[test]
    fn every_row_is_a_protocol() {
        assert!(ROWS.iter().all(|(protocol, _)| Protocol::by_name(protocol).is_some_and(Protocol::is_http)));
    }
}
