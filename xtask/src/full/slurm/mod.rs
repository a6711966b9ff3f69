//! The step `slurm`: the batch script of `deploy/slurm`, run by Slurm on three nodes of this machine, also with faults.

mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use self::cluster::{Cluster, processes, wait};
use super::{Context, outcome::Outcome};
use crate::workspace;

/// The seconds from the script's request to the start of the senders.
const LEAD: &str = "8";

/// A program that starts longhaul, and delays the second sender.
const LATE: &str = "#!/bin/sh\n[ \"$1 $SLURM_PROCID\" != 'send 1' ] || sleep 12\nexec PROGRAM \"$@\"\n";

/// The jobs, in the order in which they run.
const JOBS: [(&str, Run); 5] = [
    ("three nodes, HTTP/3", together),
    ("three nodes, HTTP/2", together_over_h2),
    ("the second sender starts after the time", late),
    ("the node of the second sender dies", dead_node),
    ("the job is cancelled", cancelled),
];

type Run = fn(&ClusterJob<'_>, &mut Outcome) -> Result<()>;

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    if let Some(program) = cluster::missing() {
        let reason = format!("{program} is not installed (apt-get install slurm-wlm munge)");
        return Ok(Outcome::not_run(reason));
    }
    let mut outcome = Outcome::default();
    outcome.row(["job", "exit code", "senders with records", "bytes", "together, s"]);
    for (name, run) in JOBS {
        // A node that has died stays down, so each job gets a new cluster.
        let cluster = Cluster::start()?;
        run(&ClusterJob { name, program: context.program, cluster: &cluster }, &mut outcome)?;
    }
    outcome.notes.push(version(context.program, "--version")?);
    let slurm = version(Path::new("slurmd"), "-V")?;
    outcome.notes.push(format!("{slurm}: three slurmd and one munged on one machine."));
    Ok(outcome)
}

/// Returns the version that a program prints, without the list of its libraries.
fn version(program: &Path, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output().context("no version")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().take(4).map(str::trim).collect::<Vec<_>>().join(", "))
}

/// A job on a cluster.
struct ClusterJob<'a> {
    name: &'a str,
    program: &'a Path,
    cluster: &'a Cluster,
}

impl ClusterJob<'_> {
    fn results(&self) -> PathBuf {
        self.cluster.path("results")
    }

    /// Submits the script with the options of `longhaul send`. The returned process ends with the job.
    fn submit(&self, program: &Path, send: &[&str]) -> Result<Child> {
        let mut command = self.cluster.command("sbatch");
        command.arg("--wait").arg("--output").arg(self.cluster.path("log"));
        command.arg(workspace::root().join("deploy/slurm/fleet.sbatch")).args(send);
        command.env("LONGHAUL", program).env("OUT", self.results()).env("LEAD", LEAD);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start sbatch")
    }

    /// Waits until a sender has begun and has created its file of records.
    fn begun(&self, sender: u32) -> Result<()> {
        let folder = self.results().join(format!("senders/sender-{sender}/records.jsonl"));
        wait(|| folder.exists(), &format!("sender {sender} does not begin: {}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.cluster.path("log")).unwrap_or_default()
    }

    /// Waits for the end of the job. Compares its exit code, the number of senders in the merged result, and the
    /// processes that are left behind.
    fn ended(&self, job: &mut Child, code: i32, senders: usize, outcome: &mut Outcome) -> Result<()> {
        let status = job.wait().context("sbatch is lost")?;
        let sum = fs::read(self.results().join("merged/merged.json")).unwrap_or_default();
        let sum: Value = serde_json::from_slice(&sum).unwrap_or_default();
        let found = sum["senders"].as_array().map_or(0, Vec::len);
        let microseconds = |name: &str| sum["common"][name].as_f64();
        let common =
            microseconds("end_us").zip(microseconds("start_us")).map(|(end, start)| (end - start) / 1e6);
        let spoken = common.map_or_else(|| "none".into(), |seconds| format!("{seconds:.3}"));
        let measured = status.code().map_or_else(|| status.to_string(), |code| code.to_string());
        outcome.row([
            self.name.to_owned(),
            measured.clone(),
            found.to_string(),
            sum["bytes"].to_string(),
            spoken.clone(),
        ]);
        self.check(
            outcome,
            "exit code of the job",
            &code.to_string(),
            &measured,
            status.code() == Some(code),
        );
        self.check(
            outcome,
            "senders with records",
            &senders.to_string(),
            &found.to_string(),
            found == senders,
        );
        if senders > 0 {
            self.check(outcome, "time in which all of them ran", "some", &spoken, common.is_some());
        }
        let names =
            fs::read_dir(self.results()).context("no results")?.flatten().map(|entry| entry.file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        let expected = if senders > 0 { "merged, senders, server.log" } else { "senders, server.log" };
        self.check(outcome, "files", expected, &names.join(", "), names.join(", ") == expected);
        let folder = self.results().display().to_string();
        let gone = wait(|| processes(&folder).is_empty(), "processes are left");
        let left = gone.map_or_else(|error| error.to_string(), |()| "none".into());
        self.check(outcome, "processes that are left", "none", &left, left == "none");
        Ok(())
    }

    fn says(&self, outcome: &mut Outcome, text: &str) {
        let log = self.log();
        let is_said = log.contains(text);
        let measured = if is_said { text } else { log.lines().last().unwrap_or("nothing") };
        self.check(outcome, "message", &format!("… {text} …"), measured, is_said);
    }

    fn check(&self, outcome: &mut Outcome, what: &str, expected: &str, measured: &str, holds: bool) {
        outcome.check(format!("{}: {what}", self.name), expected, measured, holds);
    }
}

fn together(cluster_job: &ClusterJob<'_>, outcome: &mut Outcome) -> Result<()> {
    let mut job = cluster_job
        .submit(cluster_job.program, &["--protocol", "h3", "--size", "64MiB", "--limit-rate", "32MiB"])?;
    cluster_job.ended(&mut job, 0, 2, outcome)
}

fn together_over_h2(cluster_job: &ClusterJob<'_>, outcome: &mut Outcome) -> Result<()> {
    let flags = [
        "--protocol",
        "h2",
        "--size",
        "64MiB",
        "--limit-rate",
        "64MiB",
        "--connections",
        "2",
        "--streams",
        "2",
    ];
    let mut job = cluster_job.submit(cluster_job.program, &flags)?;
    cluster_job.ended(&mut job, 0, 2, outcome)
}

fn late(cluster_job: &ClusterJob<'_>, outcome: &mut Outcome) -> Result<()> {
    let program = cluster_job.cluster.path("late");
    fs::write(&program, LATE.replace("PROGRAM", &cluster_job.program.display().to_string()))?;
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let mut job = cluster_job.submit(&program, &["--size", "64MiB", "--limit-rate", "32MiB"])?;
    cluster_job.ended(&mut job, 1, 1, outcome)?;
    cluster_job.says(outcome, "s ago: the clock of this machine says");
    cluster_job.says(outcome, "2 senders were expected, but 1 have records");
    Ok(())
}

fn dead_node(cluster_job: &ClusterJob<'_>, outcome: &mut Outcome) -> Result<()> {
    // The transfer takes longer than the time after which a silent node counts as down.
    let mut job = cluster_job
        .submit(cluster_job.program, &["--protocol", "h3", "--size", "64MiB", "--limit-rate", "4MiB"])?;
    cluster_job.begun(1)?;
    let sender = cluster_job.results().join("senders/sender-1").display().to_string();
    cluster_job.cluster.kill_node(cluster::NODES[2])?;
    for (pid, parent) in processes(&sender).into_iter().filter(|(_, parent)| is_step(*parent)) {
        // If a node loses power, the process that runs the step and the sender die as well.
        kill(parent, Signal::SIGKILL).context("cannot kill the step")?;
        kill(pid, Signal::SIGKILL).context("cannot kill the sender")?;
    }
    cluster_job.ended(&mut job, 1, 1, outcome)?;
    cluster_job.says(outcome, "sender-1 holds no records: its sender did not end");
    cluster_job.says(outcome, "2 senders were expected, but 1 have records");
    Ok(())
}

/// Returns whether a process runs a step of a job.
fn is_step(pid: nix::unistd::Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("slurmstepd"))
}

fn cancelled(cluster_job: &ClusterJob<'_>, outcome: &mut Outcome) -> Result<()> {
    let mut job = cluster_job.submit(cluster_job.program, &["--size", "64MiB"])?;
    cluster_job.begun(0)?;
    let cancelled = cluster_job.cluster.command("scancel").args(["--user", "root"]).status();
    cancelled.context("cannot start scancel")?;
    cluster_job.ended(&mut job, 130, 0, outcome)
}
