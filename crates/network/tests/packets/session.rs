//! The session's side of a relay and of its ends.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::IpAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use longhaul_network::{RelayEvent, RelayFault, RelayJob, RelayOrder, Site, relay::ARGUMENT};
use record::NetworkRecord;

/// A child process with pipes. Dropping this value kills it.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) input: ChildStdin,
    pub(crate) output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts this program again.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new("/proc/self/exe")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    pub(crate) fn line(&mut self) -> String {
        self.output.next().unwrap().unwrap()
    }

    pub(crate) fn write(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// A relay that carries packets.
pub(crate) struct Relay {
    pub(crate) process: Process,
    pub(crate) client: Site,
    pub(crate) server: Site,
}

impl Relay {
    /// Starts a relay.
    pub(crate) fn start(network: &str) -> Result<Self, RelayFault> {
        Self::start_for(None, network)
    }

    /// Starts a relay for a server that was told to listen on `address`.
    pub(crate) fn start_for(address: Option<IpAddr>, network: &str) -> Result<Self, RelayFault> {
        let mut process = Process::start(&[ARGUMENT]);
        let job = RelayJob { network: network.parse().unwrap(), seed: 1, address };
        process.write(&serde_json::to_string(&job).unwrap());
        match serde_json::from_str(&process.line()).unwrap() {
            RelayEvent::Ready { client, server } => {
                Ok(Self { process, client: client.unwrap(), server: server.unwrap() })
            }
            RelayEvent::Failed(fault) => Err(fault),
            other => panic!("{other:?}"),
        }
    }

    /// Starts an end at a place. The module `end` defines the words of `task`.
    pub(crate) fn end(site: &Site, task: &str) -> Process {
        let mut process = Process::start(&["end", task]);
        process.write(&serde_json::to_string(site).unwrap());
        process
    }

    /// Orders the end, and returns the report.
    pub(crate) fn finish(mut self) -> NetworkRecord {
        self.process.write(&serde_json::to_string(&RelayOrder::Finish).unwrap());
        let event = serde_json::from_str(&self.process.line()).unwrap();
        let RelayEvent::Done(report) = event else { panic!("{event:?}") };
        assert!(self.process.child.wait().unwrap().success());
        *report
    }
}
