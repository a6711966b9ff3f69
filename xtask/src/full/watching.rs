//! The step `watching`: the processor time that `prove` takes to watch a program.
//!
//! The programs sleep, so that only watching takes processor time. The thread that samples their memory is named
//! `sampler`; the other threads of longhaul follow the program and report on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use metrics::Stamp;

use super::{Context, outcome::Outcome};

/// The time for which a program sleeps, in seconds: long enough for a hundredth to be many clock ticks.
const ASLEEP: u64 = 30;

/// The time after which the timeline of a program is full, so that samples are as far apart as in a long run.
const FILLED: Duration = Duration::from_secs(10);

/// The most processor time of watching, as a share of a core.
const MOST: f64 = 0.01;

/// The numbers of processes of the programs.
const PROCESSES: [u32; 2] = [1, 20];

/// The pause between two readings of longhaul's times.
const LOOK: Duration = Duration::from_millis(50);

/// The name of the thread that samples.
const SAMPLER: &str = "sampler";

/// The shares of a core that the watch of one program takes.
struct Shares {
    /// The share of the thread that samples: over the whole run, and from [`FILLED`] on.
    sampler: f64,
    sampler_later: f64,
    /// The share of all threads of longhaul, from the first sample on.
    all: f64,
}

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["processes", "sampler, % of a core", "from 10 s on", "all of longhaul"]);
    for processes in PROCESSES {
        let Shares { sampler, sampler_later, all } = watch(context.program, processes)?;
        let percent = |share: f64| format!("{:.2}", 100.0 * share);
        outcome.row([processes.to_string(), percent(sampler), percent(sampler_later), percent(all)]);
        // For a large tree, the frequent samples at the start take some seconds of processor time in all.
        let (what, share) = match processes {
            1 => ("all of longhaul, over the whole run", all),
            _ => ("the sampler, once the timeline is full", sampler_later),
        };
        outcome.check(
            format!("number of processes {processes}: {what}"),
            format!("under {:.0} % of a core", 100.0 * MOST),
            format!("{} %", percent(share)),
            share < MOST,
        );
    }
    Ok(outcome)
}

/// Proves a program of `processes` sleeping processes, and measures the processor time of the proof.
fn watch(program: &Path, processes: u32) -> Result<Shares> {
    let out = tempfile::tempdir().context("no temporary folder")?;
    // The shell becomes the last process. The program needs no size, but the command line of a series must contain
    // `{n}`.
    let others = format!("sleep {ASLEEP} & ").repeat(processes.saturating_sub(1) as usize);
    let script = format!("{others} exec sleep {ASLEEP} # {{n}}");
    let mut command = Command::new(program);
    command.args(["prove", "--series", "1MiB", "--rounds", "1", "--quiet", "--timeout", "60s", "--out"]);
    command.arg(out.path()).args(["--", "sh", "-c", &script]);
    let child = command.stdout(Stdio::null()).spawn().context("cannot start longhaul")?;
    measure(Proof(child))
}

/// A running proof. Dropping this value kills it.
struct Proof(Child);

impl Drop for Proof {
    fn drop(&mut self) {
        // Neither call has an effect if the proof has ended on its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(mut proof: Proof) -> Result<Shares> {
    let (mut first, mut later, mut last) = (None::<Reading>, None::<Reading>, None::<Reading>);
    while proof.0.try_wait().context("longhaul is lost")?.is_none() {
        // There is no reading once the sampler has ended, which happens before the process ends.
        if let Some(now) = Reading::of(proof.0.id()) {
            let since = first.get_or_insert(now);
            if now.at.since(since.at) >= FILLED {
                later.get_or_insert(now);
            }
            last = Some(now);
        }
        sleep(LOOK);
    }
    let (Some(first), Some(later), Some(last)) = (first, later, last) else {
        bail!("longhaul had no thread '{SAMPLER}' for {} s", FILLED.as_secs());
    };
    let share = |from: Reading, figure: fn(Reading) -> Duration| {
        figure(last).saturating_sub(figure(from)).as_secs_f64() / last.at.since(from.at).as_secs_f64()
    };
    Ok(Shares {
        sampler: share(first, |reading| reading.sampler),
        sampler_later: share(later, |reading| reading.sampler),
        all: share(first, |reading| reading.all),
    })
}

/// The processor time of longhaul at one moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Stamp,
    sampler: Duration,
    all: Duration,
}

impl Reading {
    /// Reads the times of a process's threads; `None` if none of them is the sampler.
    fn of(pid: u32) -> Option<Self> {
        let at = Stamp::now();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.filter_map(Result::ok);
        let tasks: Vec<PathBuf> = tasks.map(|task| task.path()).collect();
        let is_sampler = |task: &&PathBuf| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == SAMPLER)
        };
        let sampler = tasks.iter().find(is_sampler).and_then(|task| on_processor(task))?;
        Some(Self { at, sampler, all: tasks.iter().filter_map(|task| on_processor(task)).sum() })
    }
}

/// Returns the time of a thread on a processor: the first figure of `schedstat`, in nanoseconds (proc(5)).
fn on_processor(task: &Path) -> Option<Duration> {
    let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_is_read_by_its_name() {
        let pid = std::process::id();
        assert!(Reading::of(pid).is_none(), "no thread has the name");
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let work = move || {
            let began = Stamp::now();
            while began.elapsed() < Duration::from_millis(20) {}
            let _ = wait.recv();
        };
        let thread = std::thread::Builder::new().name(SAMPLER.into()).spawn(work).unwrap();
        while Reading::of(pid).is_none_or(|reading| reading.sampler.is_zero()) {
            sleep(Duration::from_millis(5));
        }
        let reading = Reading::of(pid).unwrap();
        assert!(reading.all >= reading.sampler);
        done.send(()).unwrap();
        thread.join().unwrap();
    }
}
