//! `cargo xtask scale`: the time and the memory that `compare`, `check` and `report` take for files of many records.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use metrics::Stamp;
use record::{Case, ProtocolFacts, Record};

use crate::{
    study::{Table, build},
    workspace,
};

/// Time compare, check and report on generated files of many records, and measure their memory
#[derive(Args)]
pub(crate) struct Arguments {
    /// Number of cases in each file
    #[arg(long, value_name = "N", default_value_t = 5000)]
    cases: u64,
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: u32,
    /// Records in this tree whose first one is copied
    #[arg(long, value_name = "PATH", default_value = "results/2026-11-28-epyc-2-cores/default")]
    template: PathBuf,
    /// The longhaul program to run [default: a release build of this tree]
    #[arg(long, value_name = "PROGRAM")]
    longhaul: Option<PathBuf>,
}

/// The most time that a command may take.
const TIME: Duration = Duration::from_secs(10);

/// The most memory that a command may take, in KiB.
const MEMORY_KIB: u64 = 256 << 10;

/// The pause between two readings of a command's memory.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = arguments.longhaul.clone().map_or_else(build, Ok)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let file = |name: &str| folder.path().join(name);
    let (base, candidate, ceilings) = (file("base.jsonl"), file("candidate.jsonl"), file("ceilings.toml"));
    for (path, side) in [(&base, 0), (&candidate, 1)] {
        generate(path, arguments, side).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let bounds = "[drift]\nrecords = \"base.jsonl\"\nband = \"10%\"\n[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1GiB\"\n";
    fs::write(&ceilings, bounds).context("cannot write ceilings")?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (base, candidate, ceilings, out) =
        (text(&base), text(&candidate), text(&ceilings), text(&file("report")));
    let commands: [&[&str]; 3] = [
        &["compare", &base, &candidate],
        &["check", &candidate, "--ceilings", &ceilings],
        &["report", &candidate, "-o", &out],
    ];
    let mut table = Table::with_heads(["command", "s", "peak RSS MiB", "kept"]);
    let mut all_kept = true;
    for arguments in commands {
        let (time, kib) = measure(&program, arguments)?;
        let is_kept = time <= TIME && kib <= MEMORY_KIB;
        all_kept &= is_kept;
        let cells = [format!("{:.1}", time.as_secs_f64()), (kib >> 10).to_string(), is_kept.to_string()];
        table.push([arguments.first().copied().unwrap_or_default().to_owned()].into_iter().chain(cells));
    }
    table.print()?;
    Ok(if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a command. Returns its time, and its peak RSS in KiB.
fn measure(program: &Path, arguments: &[&str]) -> Result<(Duration, u64)> {
    let began = Stamp::now();
    let mut child =
        Command::new(program).args(arguments).stdout(Stdio::null()).spawn().context("cannot start")?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().context("a command is lost")?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(PAUSE);
    }
    Ok((began.elapsed(), peak))
}

/// Writes records that are as large as those of a bench.
fn generate(path: &Path, arguments: &Arguments, side: u32) -> Result<()> {
    let template = workspace::root().join(&arguments.template);
    let template = record::read(&template)?.into_iter().next().context("no record to copy")?;
    let mut file = BufWriter::new(File::create_new(path)?);
    for round in 0..arguments.rounds {
        for case in 0..arguments.cases {
            file.write_all(record(&template, case, round, side).to_line()?.as_bytes())?;
        }
    }
    Ok(file.flush()?)
}

/// Returns a run of an invented case. Its start time interleaves the rounds of both sides, as if they had run in turns.
fn record(template: &Record, number: u64, round: u32, side: u32) -> Record {
    let mut record = template.clone();
    record.case = Case::new(["h1c", "h2c", "h1", "h2", "h3"][(number % 5) as usize]);
    record.case.seed = 1 + number / 5;
    record.protocol = Some(ProtocolFacts::of(&record.case.protocol));
    let minute = 2 * round + (side + round) % 2;
    record.started_at = format!("2026-11-26T00:{minute:02}:00.{number:09}Z");
    record.round = round;
    record.goodput_bytes_per_s = Some(3e9 * (1.0 + 0.01 * f64::from((round * 7 + side * 3) % 5)));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_records_are_cases_of_their_own_that_were_run_in_turns() {
        let template = Record::new("some", Case::new("tcp"));
        let side = |side| -> Vec<Record> {
            let runs = (0..7).flat_map(|round| (0..6).map(move |case| (case, round)));
            runs.map(|(case, round)| record(&template, case, round, side)).collect()
        };
        let comparison = analyse::Comparison::of(&side(0), &side(1), &analyse::Thresholds::default());
        assert_eq!(comparison.cases.len(), 6);
        assert!(comparison.cases.iter().all(|case| case.in_turns && case.runs == (7, 7)));
    }
}
