//! The step `soak`: mixed traffic against one server for minutes or an hour.
//!
//! Complete and aborted transfers, slow readers and senders, and cancelled streams run concurrently, over every protocol.
//! Memory and descriptors of the server must stay flat, its threads within the bound of their pool, and nothing may be
//! left behind.

mod errand;
mod flatness;

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{scope, sleep},
    time::Duration,
};

use anyhow::{Context as _, Result};
use metrics::Stamp;
use record::mib;
use run::DISK_THREADS;
use stats::median;

use self::{
    errand::{Errand, Fixture},
    flatness::Growth,
};
use super::{Context, outcome::Outcome, watched::Holding};
use crate::study::Server;

/// The number of concurrent errands.
const WORKERS: u64 = 8;

/// The server's idle timeout, and the time after which the server must have released everything that clients left
/// behind.
const IDLE: &str = "10s";
const QUIET: Duration = Duration::from_secs(20);

/// The most samples of a soak.
const SAMPLES: u32 = 720;

/// A figure of the server that has a bound.
struct Figure {
    name: &'static str,
    of: fn(&Holding) -> f64,
    bound: Bound,
    show: fn(f64) -> String,
}

/// The bound on a figure.
#[derive(Clone, Copy)]
enum Bound {
    /// The most growth over the whole soak, by the line through the samples.
    Rise(f64),
    /// The highest value at any time.
    Most(f64),
}

/// The most threads: the server's own, and those of its pool for disk work. An idle thread of that pool ends after ten
/// seconds, but steady traffic gives each of them work in turns before that. Their number is therefore the highest
/// number of busy threads since the server was last idle. It rises by chance, so its slope does not show a leak.
const MOST_THREADS: f64 = (1 + DISK_THREADS) as f64;

const FIGURES: [Figure; 3] = [
    Figure { name: "RSS", of: |held| held.rss as f64, bound: Bound::Rise((4 << 20) as f64), show: in_mib },
    Figure { name: "descriptors", of: |held| held.descriptors as f64, bound: Bound::Rise(4.0), show: plain },
    Figure { name: "threads", of: |held| held.threads as f64, bound: Bound::Most(MOST_THREADS), show: plain },
];

fn in_mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn plain(number: f64) -> String {
    format!("{number:.1}")
}

/// The log of errands: the number that were run, and the reasons why some failed.
#[derive(Default)]
struct Log {
    run: AtomicU64,
    failures: Mutex<Vec<String>>,
}

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let (saved, scratch) = (folder.path().join("saved"), folder.path().join("scratch"));
    [&saved, &scratch].into_iter().try_for_each(fs::create_dir).context("no temporary folder")?;
    let sink = format!("save:{}", saved.display());
    let log = folder.path().join("serve.log");
    let server = Server::logging(context.program, &["--sink", &sink, "--idle-timeout", IDLE], &log)?;
    let fixture = Fixture { server: &server, scratch: &scratch };
    let (errands, mut outcome) = (Log::default(), Outcome::default());
    let period = Duration::from_secs(60 * context.soak_minutes);

    // First, one errand of each kind runs over each protocol, so that everything has been used once.
    traffic(&fixture, &errands, period / 10, Errand::KINDS);
    sleep(QUIET);
    let before = Holding::of(server.pid())?;
    let samples = soak(&fixture, &errands, period)?;
    sleep(QUIET);
    let after = Holding::of(server.pid())?;

    judge(&samples, period, &mut outcome);
    judge_rest(before, after, &saved, &mut outcome)?;
    judge_errands(&errands, &mut outcome);
    let peak = server.peak_rss()?;
    let status = server.stop()?;
    outcome.check("the server ends at SIGTERM", "exit code 0", status.to_string(), status.success());
    outcome.notes.push(format!(
        "{} minutes, {WORKERS} errands at once, peak RSS {:.1} MiB",
        context.soak_minutes,
        mib(peak)
    ));
    write_samples(&context.folder.join("soak.tsv"), &samples)?;
    Ok(outcome)
}

/// Runs errands for a period, and at least `least` of them.
fn traffic(fixture: &Fixture<'_>, log: &Log, period: Duration, least: u64) {
    let (began, next) = (Stamp::now(), AtomicU64::new(0));
    scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= least && began.elapsed() >= period {
                        return;
                    }
                    let errand = Errand::nth(number);
                    if let Err(error) = errand.run(fixture, number) {
                        log.fail(format!("{errand:?}: {error:#}"));
                    }
                    log.run.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

/// Samples the server during the traffic.
fn soak(fixture: &Fixture<'_>, log: &Log, period: Duration) -> Result<Vec<(f64, Holding)>> {
    let began = Stamp::now();
    let interval = (period / SAMPLES).max(Duration::from_millis(500));
    scope(|scope| {
        let traffic = scope.spawn(|| traffic(fixture, log, period, 0));
        let mut samples = Vec::new();
        while !traffic.is_finished() && began.elapsed() < period {
            samples.push((began.elapsed().as_secs_f64(), Holding::of(fixture.server.pid())?));
            sleep(interval);
        }
        Ok(samples)
    })
}

fn judge(samples: &[(f64, Holding)], period: Duration, outcome: &mut Outcome) {
    outcome.row(["figure", "first tenth", "last tenth", "highest", "growth over the soak"]);
    for figure in FIGURES {
        figure.judge(samples, period, outcome);
    }
}

impl Figure {
    fn judge(&self, samples: &[(f64, Holding)], period: Duration, outcome: &mut Outcome) {
        let show = self.show;
        let points: Vec<(f64, f64)> = samples.iter().map(|(time, held)| (*time, (self.of)(held))).collect();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        let growth = Growth::of(&points, period);
        let measured = growth.map_or("too few samples".into(), |growth| {
            format!("{} [{}, {}]", show(growth.estimate), show(growth.low), show(growth.high))
        });
        let tenth = values.len() / 10;
        let typical = |values: &[f64]| median(values).map_or("-".into(), show);
        let (first, last) = (typical(&values[..tenth]), typical(&values[values.len() - tenth..]));
        let highest = values.iter().copied().max_by(f64::total_cmp);
        outcome.row([self.name.to_owned(), first, last, highest.map_or("-".into(), show), measured.clone()]);
        match self.bound {
            Bound::Rise(most) => outcome.check(
                format!("{} over the soak", self.name),
                format!("a rise of at most {}", show(most)),
                measured,
                growth.is_some_and(|growth| growth.estimate <= most && growth.low <= most),
            ),
            Bound::Most(most) => outcome.check(
                format!("{} at any time", self.name),
                format!("at most {}", show(most)),
                highest.map_or("no samples".into(), show),
                highest.is_some_and(|highest| highest <= most),
            ),
        }
    }
}

/// Compares the server at rest before and after the soak.
fn judge_rest(before: Holding, after: Holding, saved: &Path, outcome: &mut Outcome) -> Result<()> {
    let counts = |held: Holding| format!("{} descriptors, {} threads", held.descriptors, held.threads);
    outcome.check(
        "the server at rest, after the soak",
        format!("at most {}", counts(before)),
        counts(after),
        after.descriptors <= before.descriptors && after.threads <= before.threads,
    );
    let names = fs::read_dir(saved)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let left: Vec<String> =
        names.collect::<Result<Vec<_>>>()?.into_iter().filter(|name| name.starts_with('.')).collect();
    outcome.check(
        "unfinished files in the folder",
        "none",
        format!("{} {left:?}", left.len()),
        left.is_empty(),
    );
    Ok(())
}

fn judge_errands(log: &Log, outcome: &mut Outcome) {
    let failures = log.failures.lock().map(|failures| failures.clone()).unwrap_or_default();
    let run = log.run.load(Ordering::Relaxed);
    outcome.check(
        "errands that failed and should not",
        "none",
        format!("{} of {run}", failures.len()),
        failures.is_empty(),
    );
    outcome.notes.extend(failures.into_iter().take(10));
}

impl Log {
    fn fail(&self, reason: String) {
        if let Ok(mut failures) = self.failures.lock() {
            failures.push(reason);
        }
    }
}

fn write_samples(path: &Path, samples: &[(f64, Holding)]) -> Result<()> {
    let mut text = "seconds\trss_bytes\tdescriptors\tthreads\n".to_owned();
    for (time, Holding { rss, descriptors, threads }) in samples {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{time:.1}\t{rss}\t{descriptors}\t{threads}");
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
