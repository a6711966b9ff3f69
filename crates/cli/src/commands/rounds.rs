//! The rounds of `send` and `fetch` (`--rounds`): each is a process of its own, so that none starts with the memory of
//! the previous one.
//!
//! A round runs the same command line. It leaves its record to its parent, which prints all that goes to stdout.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use analyse::Verdict;
use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getppid},
};
use record::{Record, Results, counted, mib, mib_per_s, three_digits};
use run::Interruption;
use stats::Spread;
use tokio::process::{Child, Command};

use super::transfer::{goodput_line, verdict};
use crate::{
    exit::{USAGE, Usage},
    flags::RemoteArgs,
    output::{note, print},
};

/// The environment variable that makes a process one round: the process id of its parent, a colon, and the file for the
/// record.
const ROUND: &str = "LONGHAUL_ROUND";

/// Returns whether the flags ask for several rounds, and this process is none of them.
pub(super) fn are_asked(args: &RemoteArgs) -> bool {
    args.rounds > 1 && record_file(args).is_none()
}

/// Returns the file for the record of this process; `None` unless the process is one of several rounds.
pub(super) fn record_file(args: &RemoteArgs) -> Option<PathBuf> {
    let round = env::var(ROUND).ok().filter(|_| args.rounds > 1)?;
    let (parent, file) = round.split_once(':')?;
    // The variable of another process, such as one that a user has exported, means nothing.
    (parent == getppid().to_string()).then(|| file.into())
}

/// Leaves a record to the parent of this round.
pub(super) fn hand_over(record: &Record, file: &Path) -> anyhow::Result<()> {
    fs::write(file, record.to_line()?)
        .with_context(|| format!("cannot write the record of this round into {}", file.display()))
}

/// Makes all rounds, prints each and their median, and returns the worst verdict.
pub(super) fn run(args: &RemoteArgs) -> anyhow::Result<Verdict> {
    let mut results = args.results.as_deref().map(Results::create).transpose()?;
    let folder = tempfile::tempdir().context("cannot create a folder for the records of the rounds")?;
    let mut summary = Summary::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict = runtime.block_on(async {
        let mut interruption = Interruption::catch()?;
        let (mut verdict, mut session) = (Verdict::Good, Session::default());
        for round in 1..=args.rounds {
            let file = folder.path().join(format!("{round}.jsonl"));
            let Some(status) = run_round(&file, &mut interruption).await? else {
                return Ok(Verdict::Interrupted);
            };
            let record = record_of(round, &file, status)?.map(|record| session.adopt(record, round));
            if let Some(record) = &record {
                results.iter_mut().try_for_each(|results| results.write(record))?;
                print(&if args.json { record.to_line()? } else { goodput_line(record) })?;
            }
            verdict = verdict.min(summary.add(record.as_ref()));
        }
        anyhow::Ok(verdict)
    })?;
    if !args.json && verdict != Verdict::Interrupted {
        print(&summary.line())?;
    }
    Ok(verdict)
}

/// The session of all rounds, of which each process knows its own round alone.
#[derive(Default)]
struct Session {
    /// The identifier of the first round's process, which becomes that of all.
    run_id: Option<String>,
}

impl Session {
    /// Makes a record that of a round of this session. Rounds are counted from 1 here, and from 0 in records.
    fn adopt(&mut self, mut record: Record, round: u32) -> Record {
        record.run_id = self.run_id.get_or_insert_with(|| record.run_id.clone()).clone();
        record.round = round.saturating_sub(1);
        record
    }
}

/// Runs this command line again as one round. `None` if a signal interrupts the command. The round has ended then, too.
async fn run_round(file: &Path, interruption: &mut Interruption) -> anyhow::Result<Option<ExitStatus>> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut round = Command::new(program);
    round.args(env::args_os().skip(1)).env(ROUND, format!("{}:{}", std::process::id(), file.display()));
    let mut round = round.stdin(Stdio::null()).spawn().context("cannot start a round")?;
    tokio::select! {
        biased;
        () = interruption.wait() => interrupt(&round),
        status = round.wait() => {
            let status = status?;
            // A terminal interrupts the round as well, which may be noticed first.
            let is_interrupted = status.code() == Some(i32::from(Verdict::Interrupted.exit_code()));
            return Ok((!is_interrupted).then_some(status));
        }
    }
    round.wait().await?;
    Ok(None)
}

fn interrupt(round: &Child) {
    if let Some(pid) = round.id().and_then(|pid| i32::try_from(pid).ok()) {
        // The round may have ended.
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
}

/// Reads the record of a round; `None` if the round was killed, or had an error before its transfer.
///
/// # Errors
/// Fails if the round refused its flags: all further rounds would, too.
fn record_of(round: u32, file: &Path, status: ExitStatus) -> anyhow::Result<Option<Record>> {
    match fs::read(file) {
        Ok(line) => Ok(Some(serde_json::from_slice(&line).context("a round left a damaged record")?)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context("cannot read the record of a round")
        }
        Err(_) if status.code() == Some(i32::from(USAGE)) => {
            Err(Usage::new(format!("round {round} did not begin")).into())
        }
        Err(_) => {
            note(&format!("round {round} left no record ({status})"));
            Ok(None)
        }
    }
}

/// The figures of all rounds that the last line states.
#[derive(Default)]
struct Summary {
    rounds: usize,
    failed: usize,
    /// The goodputs of the successful rounds, in bytes per second.
    goodputs: Vec<f64>,
    /// The largest peak RSS of this end, in bytes.
    peak_rss: Option<u64>,
}

impl Summary {
    /// Adds a round, with its record if it left one. Returns the verdict on the round.
    fn add(&mut self, record: Option<&Record>) -> Verdict {
        self.rounds += 1;
        let Some(record) = record else {
            self.failed += 1;
            return Verdict::RunFailed;
        };
        let end = record.sender.as_ref().or(record.receiver.as_ref());
        self.peak_rss = self.peak_rss.max(end.and_then(|end| end.memory.peak_rss_bytes));
        if record.error.is_some() {
            self.failed += 1;
        } else {
            self.goodputs.extend(record.goodput_bytes_per_s);
        }
        verdict(record)
    }

    /// Returns the median goodput of the successful rounds and the largest peak RSS of all rounds, in a line.
    fn line(&self) -> String {
        let rounds = counted(self.rounds, "round");
        let Some(goodput) = Spread::of(&self.goodputs) else {
            return format!("{rounds}: none was successful\n");
        };
        let (median, range) = (rate(goodput.median), goodput.range());
        let range = match goodput.interval {
            Some(_) => format!("[{}, {}]", rate(range.low), rate(range.high)),
            None => format!("({} to {})", rate(range.low), rate(range.high)),
        };
        let peak =
            self.peak_rss.map_or_else(String::new, |peak| format!(", peak RSS at most {:.1} MiB", mib(peak)));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{rounds}: median {median} MiB/s {range}{peak}{failed}\n")
    }
}

fn rate(bytes_per_s: f64) -> String {
    three_digits(mib_per_s(bytes_per_s))
}

#[cfg(test)]
mod tests {
    use record::{Case, Fault, FaultKind};

    use super::*;

    #[test]
    fn all_rounds_are_of_the_session_of_the_first() {
        let mut session = Session::default();
        let mut adopt = |run_id: &str, round| {
            let record = session.adopt(Record::new(run_id, Case::new("h2")), round);
            (record.run_id, record.round)
        };
        assert_eq!([adopt("a", 1), adopt("b", 3)], [("a".into(), 0), ("a".into(), 2)]);
    }

    #[test]
    fn the_last_line_counts_failed_rounds_and_has_the_median_of_the_others() {
        let mut summary = Summary::default();
        assert_eq!(summary.line(), "0 rounds: none was successful\n");
        let mut record = Record::new("session", Case::new("h2"));
        for mib_per_s in [100_u64, 300, 200] {
            record.goodput_bytes_per_s = Some((mib_per_s << 20) as f64);
            assert_eq!(summary.add(Some(&record)), Verdict::Good);
        }
        record.error = Some(Fault::new(FaultKind::Integrity, "other bytes"));
        assert_eq!(summary.add(Some(&record)), Verdict::IntegrityFailed);
        assert_eq!(summary.add(None), Verdict::RunFailed);
        assert_eq!(summary.line(), "5 rounds: median 200 MiB/s (100 to 300), 2 failed\n");
    }
}
