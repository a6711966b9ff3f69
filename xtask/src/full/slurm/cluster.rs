//! A private Slurm cluster on this machine: munged, slurmctld, and a slurmd for each of three nodes.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// The names of the nodes.
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// The interval at which a condition is checked, and the most checks until it must hold.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 150;

/// The programs of Slurm and munge that a cluster needs.
const PROGRAMS: [&str; 5] = ["munged", "slurmctld", "slurmd", "sbatch", "sinfo"];

/// A running cluster. Its daemons are killed, and its folder is removed, when the value is dropped.
pub(super) struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
}

/// Returns the first program that is not installed.
pub(super) fn missing() -> Option<&'static str> {
    let is_installed = |name: &&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    PROGRAMS.into_iter().find(|name| !is_installed(name))
}

impl Cluster {
    /// Starts the daemons, and waits until all nodes are idle.
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut cluster = Self { folder, daemons: Vec::new() };
        cluster.configure()?;
        let path = |name: &str| cluster.path(name).display().to_string();
        let [key, socket, pid, log, seed] =
            ["munge.key", "munge.socket", "munged.pid", "munged.log", "munged.seed"].map(path);
        let options = ["key-file", "socket", "pid-file", "log-file", "seed-file"].into_iter();
        let flags: Vec<_> = options
            .zip([key, socket, pid, log, seed])
            .map(|(option, path)| format!("--{option}={path}"))
            .collect();
        // --force accepts a folder below /tmp, which others may write.
        cluster.daemon(
            "munged",
            ["--foreground", "--force"].into_iter().chain(flags.iter().map(String::as_str)),
        )?;
        wait(|| cluster.path("munge.socket").exists(), "munged does not listen")?;
        cluster.daemon("slurmctld", ["-D"])?;
        for node in NODES {
            cluster.daemon("slurmd", ["-D", "-N", node])?;
        }
        wait(|| cluster.idle() == NODES.len(), "not all nodes are idle after 30 s")?;
        Ok(cluster)
    }

    fn configure(&self) -> Result<()> {
        let mut key = [0; 1024];
        std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut key)?;
        let mut file =
            File::options().write(true).create_new(true).mode(0o400).open(self.path("munge.key"))?;
        std::io::Write::write_all(&mut file, &key)?;
        fs::create_dir(self.path("state"))?;
        fs::create_dir(self.path("spool"))?;
        let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
        let configuration =
            CONFIGURATION.replace("HOST", &host).replace("FOLDER", &self.folder.path().display().to_string());
        fs::write(self.path("slurm.conf"), configuration).context("cannot write slurm.conf")
    }

    fn daemon<'a>(&mut self, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut command = self.command(name);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().with_context(|| format!("cannot start {name}"))?);
        Ok(())
    }

    /// Returns a Slurm command that uses this cluster.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    /// Returns a path in the folder of the cluster.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Kills the daemon of a node, as if its power had failed.
    pub(super) fn kill_node(&self, node: &str) -> Result<()> {
        let file = self.path(&format!("slurmd-{node}.pid"));
        let pid = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        kill(Pid::from_raw(pid.trim().parse()?), Signal::SIGKILL).context("cannot kill the node")
    }

    fn idle(&self) -> usize {
        let output = self.command("sinfo").args(["--noheader", "--Node", "--states=idle"]).output();
        output.map_or(0, |output| String::from_utf8_lossy(&output.stdout).lines().count())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            // A daemon that has ended needs no signal.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Waits until a condition holds.
pub(super) fn wait(condition: impl Fn() -> bool, failure: &str) -> Result<()> {
    for _ in 0..LOOKS {
        if condition() {
            return Ok(());
        }
        sleep(LOOK);
    }
    bail!("{failure}")
}

/// Returns the processes whose command line contains a text, each with its parent.
pub(super) fn processes(text: &str) -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_text = |pid: &i32| {
        let line = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    };
    let with_parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parent)))
    };
    pids.filter(has_text).filter_map(with_parent).collect()
}

/// The configuration of the cluster. A node that does not answer for ten seconds is down.
const CONFIGURATION: &str = "\
ClusterName=longhaul
SlurmctldHost=HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=27817
AuthType=auth/munge
AuthInfo=socket=FOLDER/munge.socket
CredType=cred/munge
StateSaveLocation=FOLDER/state
SlurmdSpoolDir=FOLDER/spool/%n
SlurmctldPidFile=FOLDER/slurmctld.pid
SlurmdPidFile=FOLDER/slurmd-%n.pid
SlurmctldLogFile=FOLDER/slurmctld.log
SlurmdLogFile=FOLDER/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=10
MpiDefault=none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n[1-3] NodeHostname=HOST NodeAddr=127.0.0.1 Port=[27821-27823] CPUs=2 RealMemory=2048
PartitionName=all Nodes=ALL Default=YES State=UP MaxTime=60
";
