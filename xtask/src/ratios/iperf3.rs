//! iperf3 with the write size, the socket buffers and the cores of `tcp`.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use record::{ByteSize, Direction, IdlePolicy};
use run::machine::{Cores, IdleGuard};
use serde::Deserialize;

/// The size of the writes of iperf3.
pub(super) const LENGTH: ByteSize = ByteSize(64 << 10);

/// A port that no other program of a measuring machine should use.
const PORT: &str = "5299";

/// The time for the server of iperf3 to start listening.
const START: Duration = Duration::from_millis(200);

/// iperf3 on this machine.
pub(super) struct Iperf3 {
    cores: Cores,
    /// Keeps idle cores awake, as in runs of longhaul.
    _awake: IdleGuard,
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
    /// iperf3, if it is installed and there are two cores to bind it to.
    pub(super) fn find() -> Option<Self> {
        let is_there = |program: &str| {
            let version =
                Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        let cores = Cores::choose().filter(|_| is_there("iperf3") && is_there("taskset"))?;
        Some(Self { cores, _awake: IdleGuard::keep(IdlePolicy::Poll, Some(cores)) })
    }

    /// The goodput of iperf3 for one body, in bytes per second.
    pub(super) fn goodput(&self, direction: Direction, size: ByteSize) -> Result<f64> {
        let Cores { sender, receiver } = self.cores;
        let (client, server) = match direction {
            Direction::Up => (sender, receiver),
            Direction::Down => (receiver, sender),
        };
        let mut listening = start(server, &["--server", "--one-off"])?;
        sleep(START);
        let bytes = size.0.to_string();
        let mut arguments = vec!["--client", "127.0.0.1", "--length", "64K", "--window", "256K"];
        arguments.extend(["--congestion", "cubic", "--bytes", &bytes, "--json"]);
        arguments.extend((direction == Direction::Down).then_some("--reverse"));
        let output = start(client, &arguments)?.wait_with_output().context("no output of iperf3")?;
        if !output.status.success() {
            // Without a client the server would wait for ever.
            listening.kill().context("cannot end the server of iperf3")?;
        }
        listening.wait().context("the server of iperf3 is lost")?;
        ensure!(output.status.success(), "iperf3 failed ({})", output.status);
        parse(&output.stdout)
    }
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
}
