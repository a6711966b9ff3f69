//! What on this machine would spoil a measurement, what it costs, and how to mend it.

mod build;
mod clock;
mod cores;
mod distance;
mod idle;
mod memory;
mod network;
mod processor;

use std::time::Duration;

pub(crate) use cores::{Cores, bind};
pub(crate) use distance::{FAR, round_trip};
pub(crate) use idle::{Idle, Vigil};
use transport::{Limit, Limits, Transport};

use crate::case::Case;

/// One thing that was looked at.
#[derive(Debug)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// What was seen.
    pub(crate) seen: String,
    /// What is wrong with it, if anything is.
    pub(crate) trouble: Option<Trouble>,
}

/// What is wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Whose figures it spoils.
    concerns: Concerns,
    /// What it costs.
    pub(crate) cost: String,
    /// The command that mends it, or what does.
    pub(crate) mend: String,
}

/// Whose figures are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concerns {
    /// Everybody's.
    All,
    /// Those of encrypted protocols.
    Tls,
    /// Those of protocols over QUIC.
    Quic,
    /// Nobody's who asks for no more than there is.
    Nobody,
}

impl Finding {
    fn good(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, seen: seen.into(), trouble: None }
    }

    fn bad(
        name: &'static str,
        seen: impl Into<String>,
        concerns: Concerns,
        cost: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let trouble = Trouble { concerns, cost: cost.into(), mend: mend.into() };
        Self { name, seen: seen.into(), trouble: Some(trouble) }
    }

    /// One line on what spoils the figures of these protocols.
    fn note(&self, protocols: &[&dyn Transport]) -> Option<String> {
        let trouble = self.trouble.as_ref()?;
        let any = |concerned: fn(&dyn Transport) -> bool| protocols.iter().any(|p| concerned(*p));
        let matters = match trouble.concerns {
            Concerns::All => true,
            Concerns::Tls => any(|protocol| protocol.features().tls),
            Concerns::Quic => any(|protocol| matches!(protocol.name(), "quic" | "h3")),
            Concerns::Nobody => false,
        };
        matters.then(|| format!("{}: {}: {}", self.name, self.seen, trouble.cost))
    }
}

/// What will be asked of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// The largest socket buffer, in bytes.
    socket_buffer: u64,
    /// The most connections at once.
    connections: u32,
    /// The cores that the ends are bound to, if they are.
    cores: Option<Cores>,
}

impl Default for Needs {
    fn default() -> Self {
        Self { socket_buffer: Limits::default().udp_buffer, connections: 1, cores: Cores::choose() }
    }
}

impl Needs {
    fn of(cases: &[Case], cores: Option<Cores>) -> Self {
        let buffer = |case: &Case| {
            if case.transport.limits().contains(&Limit::UdpBuffer) {
                case.limits.udp_buffer
            } else {
                case.limits.socket_buffer.unwrap_or_default()
            }
        };
        Self {
            socket_buffer: cases.iter().map(buffer).max().unwrap_or_default(),
            connections: cases.iter().map(|case| case.connections).max().unwrap_or_default(),
            cores,
        }
    }
}

/// Everything; the load and the way between the cores are watched for `watch` each.
pub(crate) fn examine(needs: Needs, watch: Duration) -> Vec<Finding> {
    let mut findings = vec![build::profile()];
    findings.extend(network::findings(needs.socket_buffer));
    findings.extend(processor::findings(watch));
    findings.extend(needs.cores.map(cores::finding));
    findings.extend(needs.cores.and_then(|cores| distance::finding(cores, watch)));
    findings.push(idle::finding());
    findings.extend(memory::findings(needs.connections));
    findings.push(clock::source());
    findings
}

/// How long `bench` watches before it begins: 20 ticks of the kernel's accounting on two cores.
const GLANCE: Duration = Duration::from_millis(100);

/// A line for each finding that spoils the figures of these cases, whose ends are bound to `cores`.
pub(crate) fn notes(cases: &[Case], cores: Option<Cores>) -> Vec<String> {
    let protocols: Vec<_> = cases.iter().map(|case| case.transport).collect();
    examine(Needs::of(cases, cores), GLANCE).iter().filter_map(|finding| finding.note(&protocols)).collect()
}

/// A line of a file of the kernel's, where there is such a file.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_for_those_whom_it_concerns() {
        let [tcp, tls, quic] = ["tcp", "tls", "quic"].map(|name| transport::by_name(name).unwrap());
        let finding = |concerns| Finding::bad("x", "y", concerns, "slow", "mend");
        assert_eq!(finding(Concerns::All).note(&[tcp]).unwrap(), "x: y: slow");
        assert!(finding(Concerns::Tls).note(&[tcp]).is_none());
        assert!(finding(Concerns::Tls).note(&[tcp, tls]).is_some());
        assert!(finding(Concerns::Quic).note(&[tcp, tls]).is_none());
        assert!(finding(Concerns::Quic).note(&[quic]).is_some());
        assert!(finding(Concerns::Nobody).note(&[tcp, tls, quic]).is_none());
        assert!(Finding::good("x", "y").note(&[quic]).is_none());
    }

    #[test]
    fn everything_that_is_looked_at_has_a_name_of_its_own() {
        let findings = examine(Needs::default(), Duration::ZERO);
        let mut names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), findings.len(), "{findings:?}");
    }
}
