//! The step `load`: many simultaneous uploads to one server on two cores, over each protocol.
//!
//! Every digest must be right. The server's peak RSS must stay within the worst case that it states at start. No upload
//! may take more than a multiple of the time of the fastest one.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use metrics::Stamp;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use record::{PROTOCOLS, Protocol, Record, mib};

use super::{Context, outcome::Outcome};
use crate::study::Server;

/// The number of uploads, and the size of each.
const UPLOADS: usize = 500;
const SIZE: &str = "64MiB";

/// The cores that server and clients share.
const CORES: usize = 2;

/// The longest time of an upload, as a multiple of the shortest.
const FAIR: f64 = 3.0;

/// The server's timeout for handshakes: it shares two cores with 500 clients that all begin at once.
const HANDSHAKES: &str = "5m";

/// The time within which all clients must have started and stopped themselves, to wait for the common start.
const START: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    keep_to_cores()?;
    let mut outcome = Outcome::default();
    outcome.row([
        "protocol",
        "whole",
        "seconds",
        "MiB/s",
        "fastest s",
        "slowest s",
        "peak RSS MiB",
        "stated MiB",
    ]);
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.is_http()) {
        upload(context, protocol, &mut outcome)?;
    }
    outcome.notes.push(format!(
        "{UPLOADS} processes of `longhaul send --size {SIZE}` start at one moment, on the {CORES} cores that the server uses, too. \
         Seconds of an upload are those of its record: from the request to the receipt."
    ));
    Ok(outcome)
}

/// Restricts this process, and the processes that it starts, to two of the cores that it may use.
fn keep_to_cores() -> Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("cannot read the cores of this process")?;
    let mut kept = CpuSet::new();
    let cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or_default()).take(CORES);
    for core in cores {
        kept.set(core).context("no such core")?;
    }
    sched_setaffinity(this, &kept).context("cannot keep to two cores")
}

fn upload(context: &Context<'_>, protocol: &Protocol, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let log = folder.path().join("serve.log");
    let flags = ["--sink", "verify", "--handshake-timeout", HANDSHAKES];
    let server = Server::logging(context.program, &flags, &log)?;
    let start = |number: usize| {
        let client = server.client("send", protocol, "/", &["--size", SIZE, "--timeout", "10m"]);
        stopped(&client, &folder.path().join(number.to_string()))
    };
    let mut uploads: Vec<Child> = (0..UPLOADS).map(start).collect::<Result<_>>()?;
    uploads.iter().try_for_each(wait_until_stopped)?;
    let began = Stamp::now();
    uploads.iter().try_for_each(go_on)?;
    for upload in &mut uploads {
        upload.wait().context("an upload is lost")?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let records: Vec<Record> = (0..UPLOADS)
        .filter_map(|number| Record::from_json(&fs::read(folder.path().join(number.to_string())).ok()?).ok())
        .collect();
    let stated = stated_worst_case(&fs::read_to_string(&log).unwrap_or_default());
    judge(protocol, &records, seconds, server.peak_rss()?, stated, outcome);
    Ok(())
}

fn judge(
    protocol: &Protocol,
    records: &[Record],
    seconds: f64,
    peak: u64,
    stated: Option<u64>,
    outcome: &mut Outcome,
) {
    let name = protocol.name;
    let whole: Vec<&Record> = records.iter().filter(|record| is_whole(record)).collect();
    let times: Vec<f64> = whole.iter().filter_map(|record| record.elapsed_s).collect();
    let fastest = times.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN);
    let slowest = times.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NAN);
    let moved: u64 = whole.iter().map(|record| record.case.total_bytes()).sum();
    outcome.row([
        name.to_owned(),
        format!("{} of {UPLOADS}", whole.len()),
        format!("{seconds:.1}"),
        format!("{:.0}", mib(moved) / seconds),
        format!("{fastest:.1}"),
        format!("{slowest:.1}"),
        format!("{:.1}", mib(peak)),
        stated.map_or("-".into(), |bytes| format!("{:.0}", mib(bytes))),
    ]);
    let all = whole.len() == UPLOADS;
    outcome.check(
        format!("{name}: uploads whose digest the server confirmed"),
        UPLOADS.to_string(),
        whole.len().to_string(),
        all,
    );
    outcome.check(
        format!("{name}: peak RSS of the server"),
        stated.map_or("a worst case stated at start".into(), |bytes| {
            format!("at most the stated {:.0} MiB", mib(bytes))
        }),
        format!("{:.1} MiB", mib(peak)),
        stated.is_some_and(|bytes| peak <= bytes),
    );
    outcome.check(
        format!("{name}: slowest upload over the fastest"),
        format!("at most {FAIR:.1}"),
        format!("{:.2}", slowest / fastest),
        slowest <= FAIR * fastest,
    );
    let reasons = records.iter().filter_map(|record| record.error.as_ref());
    outcome.notes.extend(reasons.take(3).map(|fault| format!("{name}: {}", fault.message)));
}

/// Returns whether the receipt confirmed every byte.
fn is_whole(record: &Record) -> bool {
    record.is_ok() && record.integrity.as_ref().is_some_and(|integrity| integrity.matches)
}

/// Starts a client that stops itself before its program begins. Its record is written to a file.
fn stopped(client: &Command, record: &Path) -> Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(client.get_program()).args(client.get_args());
    let file = File::create(record).with_context(|| format!("cannot create {}", record.display()))?;
    shell.stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
    shell.spawn().context("cannot start a client")
}

fn wait_until_stopped(client: &Child) -> Result<()> {
    let path = format!("/proc/{}/stat", client.id());
    let began = Stamp::now();
    while began.elapsed() < START {
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        if stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')) {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    bail!("a client did not stop for the common start within {} s", START.as_secs())
}

fn go_on(client: &Child) -> Result<()> {
    let pid = i32::try_from(client.id()).context("a process without a usable number")?;
    kill(Pid::from_raw(pid), Signal::SIGCONT).context("cannot continue a client")
}

/// Returns the worst case of memory that a server states at start, in bytes. The line is `memory: at most 345 MiB (…)`.
fn stated_worst_case(log: &str) -> Option<u64> {
    let stated = log.lines().find_map(|line| line.strip_prefix("memory: at most "))?;
    let mib: u64 = stated.split_once(" MiB")?.0.parse().ok()?;
    mib.checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_case_is_read_from_the_log() {
        let log = "a note\nmemory: at most 345 MiB (program 16, connections 208) of 23456 MiB\n";
        assert_eq!(stated_worst_case(log), Some(345 << 20));
        assert_eq!(stated_worst_case("memory: at most much"), None);
    }

    #[test]
    fn clients_wait_for_the_common_start() {
        let folder = tempfile::tempdir().unwrap();
        let printed = folder.path().join("printed");
        let mut echo = Command::new("echo");
        echo.args(["some", "words"]);
        let mut client = stopped(&echo, &printed).unwrap();
        wait_until_stopped(&client).unwrap();
        assert_eq!(fs::read_to_string(&printed).unwrap(), "");
        go_on(&client).unwrap();
        assert!(client.wait().unwrap().success());
        assert_eq!(fs::read_to_string(&printed).unwrap(), "some words\n");
    }
}
