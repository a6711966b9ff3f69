//! iperf3 with the socket buffers, the congestion controller and the cores of `tcp`, at several write sizes.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use record::{ByteSize, CoreRoundTrip, Direction, IdlePolicy};
use run::machine::{CoreSets, Cores, IdleGuard, round_trip};
use serde::{Deserialize, Serialize};

/// The name of the file of all runs, with a line of JSON for each.
const FILE: &str = "iperf3.jsonl";

/// A port that no other program of a measuring machine should use.
const PORT: &str = "5299";

/// The time for the server of iperf3 to start listening.
const START: Duration = Duration::from_millis(200);

/// The most waits of [`START`] for close cores: 10 s in all, like `--settle 10s`.
const WAITS: u32 = 50;

/// iperf3 on this machine.
pub(super) struct Iperf3 {
    version: String,
    cores: Cores,
    /// The guard that keeps idle cores awake, as in runs of longhaul.
    _awake: IdleGuard,
}

/// One run of iperf3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    /// The first line of `iperf3 --version`.
    pub(super) version: String,
    pub(super) round: u32,
    pub(super) direction: Direction,
    /// The bytes of one write.
    pub(super) write: ByteSize,
    /// The goodput of the receiver in bytes per second; `None` if the run failed.
    #[serde(rename = "goodput_bytes_per_s")]
    pub(super) goodput: Option<f64>,
    pub(super) core_round_trip: Option<CoreRoundTrip>,
}

impl Run {
    /// Returns the goodput, unless the cores were far apart.
    pub(super) fn goodput(&self) -> Option<f64> {
        self.goodput.filter(|_| self.core_round_trip.is_none_or(|trip| !trip.is_far()))
    }
}

/// Reads the runs of a folder; empty if it has none.
pub(super) fn read(folder: &Path) -> Result<Vec<Run>> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let runs: serde_json::Result<_> = text.lines().map(serde_json::from_str).collect();
    runs.with_context(|| format!("{} has a line that is not a run of iperf3", path.display()))
}

/// Writes all runs into a folder.
pub(super) fn write(runs: &[Run], folder: &Path) -> Result<()> {
    let path = folder.join(FILE);
    let lines: serde_json::Result<Vec<String>> = runs.iter().map(serde_json::to_string).collect();
    fs::write(&path, lines?.join("\n") + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// The needed part of the JSON of iperf3.
#[derive(Deserialize)]
struct Report {
    end: End,
}

#[derive(Deserialize)]
struct End {
    sum_received: Sum,
}

#[derive(Deserialize)]
struct Sum {
    bits_per_second: f64,
}

impl Iperf3 {
    /// Returns iperf3, if it is installed and there are two cores to bind it to.
    pub(super) fn find() -> Option<Self> {
        let (version, _) = (version("iperf3")?, version("taskset")?);
        let cores = Cores::choose()?;
        let awake = IdleGuard::keep(IdlePolicy::Poll, CoreSets::choose(1).as_ref());
        Some(Self { version, cores, _awake: awake })
    }

    /// Makes the runs of one round: each write size in both directions, in a new order in each round.
    pub(super) fn round(&self, writes: &[ByteSize], size: ByteSize, round: usize) -> Vec<Run> {
        let mut writes = writes.to_vec();
        let first = round.checked_rem(writes.len()).unwrap_or_default();
        writes.rotate_left(first);
        let runs = writes.into_iter().flat_map(|write| Direction::ALL.map(|direction| (write, direction)));
        runs.map(|(write, direction)| {
            let before = self.settled();
            let goodput = self.goodput(direction, write, size);
            let after = nanoseconds(round_trip(self.cores));
            let both = before.zip(after);
            let core_round_trip = both.map(|(before_ns, after_ns)| CoreRoundTrip { before_ns, after_ns });
            if let Err(error) = &goodput {
                eprintln!("iperf3 {direction} in writes of {write}: {error:#}");
            }
            let (version, round) = (self.version.clone(), u32::try_from(round).unwrap_or(u32::MAX));
            Run { version, round, direction, write, goodput: goodput.ok(), core_round_trip }
        })
        .collect()
    }

    /// Waits until the cores are close to each other. Returns the last round-trip time, in nanoseconds.
    fn settled(&self) -> Option<u64> {
        let mut trip = round_trip(self.cores);
        for _ in 0..WAITS {
            if trip.is_none_or(|trip| trip < CoreRoundTrip::FAR) {
                break;
            }
            sleep(START);
            trip = round_trip(self.cores);
        }
        nanoseconds(trip)
    }

    /// Measures the goodput of one body, in bytes per second.
    fn goodput(&self, direction: Direction, write: ByteSize, size: ByteSize) -> Result<f64> {
        let Cores { sender, receiver } = self.cores;
        let (client, server) = match direction {
            Direction::Up => (sender, receiver),
            Direction::Down => (receiver, sender),
        };
        let mut listening = start(server, &["--server", "--one-off"])?;
        sleep(START);
        let (bytes, length) = (size.0.to_string(), write.0.to_string());
        let mut arguments = vec!["--client", "127.0.0.1", "--length", &length, "--window", "256K"];
        arguments.extend(["--congestion", "cubic", "--bytes", &bytes, "--connect-timeout", "5000", "--json"]);
        arguments.extend((direction == Direction::Down).then_some("--reverse"));
        let output = start(client, &arguments)?.wait_with_output().context("no output of iperf3")?;
        if !output.status.success() {
            // Without a client, the server would wait for ever.
            listening.kill().context("cannot end the server of iperf3")?;
        }
        listening.wait().context("the server of iperf3 is lost")?;
        ensure!(output.status.success(), "iperf3 failed ({})", output.status);
        parse(&output.stdout)
    }
}

fn nanoseconds(time: Option<Duration>) -> Option<u64> {
    u64::try_from(time?.as_nanos()).ok()
}

/// Returns the first line that a program prints as its version.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok().filter(|it| it.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// Starts iperf3 on one core.
fn start(core: usize, arguments: &[&str]) -> Result<Child> {
    Command::new("taskset")
        .args(["-c", &core.to_string(), "iperf3", "--port", PORT])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start iperf3")
}

fn parse(json: &[u8]) -> Result<f64> {
    let report: Report = serde_json::from_slice(json).context("iperf3 printed another kind of JSON")?;
    Ok(report.end.sum_received.bits_per_second / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goodput_is_that_of_the_receiver() {
        let json = br#"{"end":{"sum_sent":{"bits_per_second":9.0},"sum_received":{"bits_per_second":8e9}}}"#;
        assert_eq!(parse(json).unwrap(), 1e9);
        assert!(parse(br#"{"error":"unable to connect"}"#).is_err());
    }

    #[test]
    fn runs_are_read_back_and_those_with_distant_cores_have_no_goodput() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let run = Run {
            version: "iperf 3.18".into(),
            round: 0,
            direction: Direction::Down,
            write: ByteSize(1 << 20),
            goodput: Some(1e9),
            core_round_trip: None,
        };
        let far = Some(CoreRoundTrip { before_ns: 60, after_ns: 300 });
        let runs = [run.clone(), Run { core_round_trip: far, ..run }];
        write(&runs, folder.path()).unwrap();
        let back = read(folder.path()).unwrap();
        assert_eq!(back, runs);
        assert_eq!(back.iter().map(Run::goodput).collect::<Vec<_>>(), [Some(1e9), None]);
    }
}
