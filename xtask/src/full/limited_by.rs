//! The step `limited-by`: runs that are limited on purpose, and the share of records that name the right cause.
//!
//! Slow paths and small congestion windows need a separate network namespace (`unshare`, `ip`, `tc` with tbf). Without
//! one, their rows are left out.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use record::{Cause, Record};

use super::{Context, outcome::Outcome};

/// The runs of each protocol under each limit.
const ROUNDS: usize = 20;

/// The share of right answers that each cause needs, in percent.
const RIGHT: usize = 95;

/// The cores of the sender and of the receiver.
const CORES: [usize; 2] = [0, 1];

/// The threads that compete for the core of an end whose processor is the limit.
const COMPETITORS: usize = 3;

/// The commands that limit loopback to 200 Mbit/s with a queue of 512 KiB and the MTU of Ethernet.
const SLOW_PATH: &str =
    "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate 200mbit burst 32k limit 512k";

/// The commands that clamp the congestion window of TCP on loopback to four packets, from the second connection on.
const SMALL_CONGESTION_WINDOW: &str = "ip link set lo mtu 1500 up && \
    ip route replace local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 cwnd lock 4";

/// A deliberate limit, and the cause that records must name.
struct Limit {
    cause: Cause,
    protocols: &'static str,
    flags: &'static [&'static str],
    setting: Setting,
}

/// The environment of the runs.
#[derive(Clone, Copy)]
enum Setting {
    Plain,
    /// A network namespace that these commands have configured.
    Namespace(&'static str),
    /// Competitors for this core.
    Busy(usize),
}

const LIMITS: &[Limit] = &[
    limit(Cause::Sender, "h1c,h2c,h3", &["--size", "8MiB", "--limit-rate", "40MiB"]),
    limit(Cause::Receiver, "h1c,h2c,h3", &["--size", "16MiB", "--reader-rate", "40MiB"]),
    busy(Cause::SenderCpu, CORES[0]),
    busy(Cause::ReceiverCpu, CORES[1]),
    limit(Cause::StreamWindow, "h2c", &["--size", "64MiB", "--h2-window", "32KiB"]),
    limit(Cause::StreamWindow, "h3", &["--size", "32MiB", "--quic-window", "32KiB"]),
    limit(Cause::ConnectionWindow, "h1c", &["--size", "64MiB", "--socket-buffer", "16KiB"]),
    limit(Cause::ConnectionWindow, "h2c", &["--size", "16MiB", "--streams", "4", "--h2-window", "32KiB"]),
    limit(Cause::ConnectionWindow, "h3", &["--size", "32MiB", "--quic-connection-window", "32KiB"]),
    limit(Cause::SendBuffer, "h3", &["--size", "32MiB", "--quic-send-window", "32KiB"]),
    Limit {
        cause: Cause::CongestionWindow,
        protocols: "tcp,h1c,h2c",
        flags: &["--size", "16MiB", "--warmup", "1"],
        setting: Setting::Namespace(SMALL_CONGESTION_WINDOW),
    },
    Limit {
        cause: Cause::PathRate,
        protocols: "h1c,h2c,h3",
        flags: &["--size", "16MiB"],
        setting: Setting::Namespace(SLOW_PATH),
    },
];

const fn limit(cause: Cause, protocols: &'static str, flags: &'static [&'static str]) -> Limit {
    Limit { cause, protocols, flags, setting: Setting::Plain }
}

/// Returns the limit of a busy core. The processor is the only limit if no window fills while an end waits for its
/// core. Competitors hold the core for some 3 ms at a time, in which the other end moves several MiB, so the windows
/// are large.
const fn busy(cause: Cause, core: usize) -> Limit {
    let flags = &[
        "--size",
        "256MiB",
        "--socket-buffer",
        "16MiB",
        "--h2-window",
        "16MiB",
        "--quic-window",
        "16MiB",
        "--quic-connection-window",
        "16MiB",
        "--quic-send-window",
        "16MiB",
    ];
    Limit { cause, protocols: "h1c,h2c,h3", flags, setting: Setting::Busy(core) }
}

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row([
        "limited by",
        "protocols",
        "flags",
        "right",
        "runs",
        "wrong answers",
        "evidence of the last run",
    ]);
    for cause in Cause::ALL {
        let (mut right, mut all) = (0, 0);
        for limit in LIMITS.iter().filter(|limit| limit.cause == cause) {
            if let Setting::Namespace(commands) = limit.setting
                && !namespace(commands, Path::new("true")).status().is_ok_and(|status| status.success())
            {
                outcome.notes.push(format!("No network namespace for {cause}: left out."));
                continue;
            }
            let answers = limit.answers(context.program)?;
            right += answers.right;
            all += answers.all;
            outcome.row(answers.cells(limit));
        }
        if all > 0 {
            let measured = format!("{right} of {all}");
            let expected = format!("at least {RIGHT} of 100");
            outcome.check(cause.name(), expected, measured, 100 * right >= RIGHT * all);
        }
    }
    Ok(outcome)
}

/// The answers of the records of one limit.
struct Answers {
    right: usize,
    all: usize,
    /// Each wrong answer once.
    wrong: Vec<String>,
    evidence: String,
}

impl Answers {
    fn cells(&self, limit: &Limit) -> [String; 7] {
        let flags = match limit.setting {
            Setting::Plain => limit.flags.join(" "),
            Setting::Namespace(_) => format!("{} in a namespace", limit.flags.join(" ")),
            Setting::Busy(core) => {
                format!("{} with {COMPETITORS} threads on core {core}", limit.flags.join(" "))
            }
        };
        [
            limit.cause.to_string(),
            limit.protocols.to_owned(),
            flags,
            self.right.to_string(),
            self.all.to_string(),
            self.wrong.join("; "),
            self.evidence.clone(),
        ]
    }
}

impl Limit {
    /// Runs all rounds, and counts the records that name the cause.
    fn answers(&self, program: &Path) -> Result<Answers> {
        let out = tempfile::tempdir().context("no temporary folder")?;
        let mut command = match self.setting {
            Setting::Namespace(commands) => namespace(commands, program),
            Setting::Plain | Setting::Busy(_) => Command::new(program),
        };
        let [sender, receiver] = CORES;
        command.args(["bench", "--json", "--quiet", "--no-ceiling", "--chunk-size", "64KiB"]);
        command.args(["--affinity", &format!("{sender}:{receiver}"), "--rounds", &ROUNDS.to_string()]);
        command.args(["--protocol", self.protocols]).args(self.flags);
        let competition = match self.setting {
            Setting::Busy(core) => Some(Competition::on(core)),
            Setting::Plain | Setting::Namespace(_) => None,
        };
        let done =
            command.arg("--out").arg(out.path().join("runs")).output().context("cannot start longhaul")?;
        drop(competition);
        ensure!(done.status.success(), "bench failed: {}", String::from_utf8_lossy(&done.stderr).trim());
        let lines = done.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let records: Vec<Record> = lines.map(Record::from_json).collect::<Result<_, _>>()?;
        let is_right =
            |record: &&Record| record.limited_by.as_ref().is_some_and(|limited| limited.cause == self.cause);
        let said = |record: &Record| {
            let cause = record.limited_by.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            format!("{}: {cause}", record.case.protocol)
        };
        Ok(Answers {
            right: records.iter().filter(is_right).count(),
            all: records.len(),
            wrong: records.iter().filter(|record| !is_right(record)).map(said).collect(),
            evidence: records.last().map(said).unwrap_or_default(),
        })
    }
}

/// Returns a command that runs `commands` in a new network namespace, and then the program.
fn namespace(commands: &str, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "--", "sh", "-c", &format!("{commands} && exec \"$@\""), "sh"]);
    command.arg(program);
    command
}

/// Threads that compete for a core, until the value is dropped.
struct Competition {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Competition {
    fn on(core: usize) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let compete = || {
            let is_over = is_over.clone();
            thread::spawn(move || {
                let mut cores = CpuSet::new();
                // If the thread cannot be bound to the core, it competes for all cores, and wrong answers show that.
                let _ = cores.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..COMPETITORS).map(|_| compete()).collect();
        Self { is_over, threads }
    }
}

impl Drop for Competition {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that has panicked no longer competes.
            let _ = thread.join();
        }
    }
}
