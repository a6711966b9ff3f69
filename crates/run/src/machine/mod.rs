//! Diagnoses of the conditions of this machine that spoil measurements, with their cost and remedies.

mod accounting;
mod build;
mod cache;
mod cgroup;
mod clock;
mod conditions;
mod cores;
mod distance;
mod idle;
mod memory;
mod network;
mod oom;
mod physics;
mod processor;
mod quota;

use std::time::Duration;

use record::{Build, Case, Limits, Protocol, SOCKET_BUFFER, UDP_BUFFER, Warning};

pub use cache::{cold_block, refuse_huge_pages};
pub use cgroup::Enclosures;
pub(crate) use cgroup::{Cgroup, Enclosure, KernelMemory};
pub(crate) use conditions::Watch;
pub use cores::{CoreSets, Cores, bind, choose_cores, while_bound};
pub(crate) use cores::{parse_list, siblings};
pub use distance::round_trip;
pub use idle::IdleGuard;
pub(crate) use memory::available_memory;
pub use oom::OomWatch;
pub use physics::Physics;

/// The diagnosis of one condition.
#[derive(Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The name of the condition.
    pub name: &'static str,
    /// The observed value, in words.
    pub observed: String,
    /// The problem, if there is one.
    pub problem: Option<Problem>,
}

/// A condition of this machine that spoils measurements.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The runs that the problem spoils, and the warning about them. `None` if only `doctor` reports the problem,
    /// because the runs of this session stay within the limit.
    warning: Option<(Affects, Warning)>,
    /// The effect of the problem on measurements.
    pub cost: String,
    /// A command that solves the problem, or advice.
    pub remedy: String,
}

/// The runs that a problem spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affects {
    /// All runs.
    All,
    /// Runs of encrypted protocols.
    Encrypted,
    /// Runs of protocols over UDP.
    OverUdp,
    /// Runs with a program of someone else as one end.
    OtherPrograms,
}

impl Diagnosis {
    fn good(name: &'static str, observed: impl Into<String>) -> Self {
        Self { name, observed: observed.into(), problem: None }
    }

    /// Returns the diagnosis of a problem that only `doctor` reports, until a [`warning`](Self::warning) is added.
    fn bad(
        name: &'static str,
        observed: impl Into<String>,
        cost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let problem = Problem { warning: None, cost: cost.into(), remedy: remedy.into() };
        Self { name, observed: observed.into(), problem: Some(problem) }
    }

    /// Adds the warning to sessions whose runs the problem spoils. `observed` is a sentence, and `expect` names the
    /// effect on figures as the object of "expect".
    fn warning(mut self, affects: Affects, observed: impl Into<String>, expect: impl Into<String>) -> Self {
        if let Some(problem) = &mut self.problem {
            problem.warning = Some((affects, Warning::new(self.name, observed, expect)));
        }
        self
    }

    /// Returns the warning if the problem spoils runs of any of `protocols` between longhaul's own ends.
    fn warns(&self, protocols: &[&Protocol]) -> Option<&Warning> {
        let (affects, warning) = self.problem.as_ref()?.warning.as_ref()?;
        let any = |affected: fn(&Protocol) -> bool| protocols.iter().any(|protocol| affected(protocol));
        let matters = match affects {
            Affects::All => true,
            Affects::Encrypted => any(Protocol::is_encrypted),
            Affects::OverUdp => any(Protocol::is_over_udp),
            Affects::OtherPrograms => false,
        };
        matters.then_some(warning)
    }
}

/// The demands of a session on the machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Needs {
    /// The largest socket buffer, in bytes.
    socket_buffer: u64,
    /// The limits whose congestion controller is diagnosed. In a session, those of the first case whose controller the
    /// kernel does not provide; `None` if there is no such case.
    limits: Option<Limits>,
    /// The most concurrent connections of a run.
    connections: u32,
    /// The cores that the ends are bound to; `None` if they are not bound.
    cores: Option<CoreSets>,
    /// The build of the program that runs the ends.
    build: Build,
    /// The expected settings of the program's allocator, in the syntax of jemalloc's `malloc_conf`.
    allocator_settings: &'static str,
}

impl Needs {
    /// Returns the demands of a session with default limits, by the program `build` with these expected allocator
    /// settings.
    pub fn by_default(build: Build, allocator_settings: &'static str) -> Self {
        let limits = Limits::default();
        let socket_buffer = limits.bytes(&UDP_BUFFER);
        Self {
            socket_buffer,
            limits: Some(limits),
            connections: 1,
            cores: CoreSets::choose(1),
            build,
            allocator_settings,
        }
    }

    fn of(cases: &[Case], cores: Option<&CoreSets>, build: Build, allocator_settings: &'static str) -> Self {
        let buffer = |case: &Case| match Protocol::by_name(&case.protocol) {
            Some(protocol) if UDP_BUFFER.applies_to(protocol) => {
                case.limits.bytes_unless_auto(&UDP_BUFFER).unwrap_or_default()
            }
            _ => case.limits.bytes_unless_auto(&SOCKET_BUFFER).unwrap_or_default(),
        };
        let over_tcp =
            |case: &&Case| Protocol::by_name(&case.protocol).is_some_and(|protocol| !protocol.is_over_udp());
        let mut limits = cases.iter().filter(over_tcp).map(|case| &case.limits);
        Self {
            socket_buffer: cases.iter().map(buffer).max().unwrap_or_default(),
            limits: limits.find(|limits| network::lacks_controller(limits)).cloned(),
            connections: cases.iter().map(|case| case.connections).max().unwrap_or_default(),
            cores: cores.cloned(),
            build,
            allocator_settings,
        }
    }
}

/// Diagnoses every condition. Load and distance of the cores are observed for `watch` each.
pub fn examine(needs: &Needs, watch: Duration) -> Vec<Diagnosis> {
    let cgroup = Cgroup::own();
    let mut diagnoses =
        vec![build::profile(&needs.build), build::allocator(&needs.build, needs.allocator_settings)];
    diagnoses.extend(network::diagnoses(needs.socket_buffer, needs.limits.as_ref()));
    diagnoses.extend(processor::diagnoses(watch));
    diagnoses.extend(quota::diagnoses(&cgroup));
    let first = needs.cores.as_ref().map(CoreSets::first);
    diagnoses.extend(first.map(cores::diagnosis));
    diagnoses.extend(first.and_then(|cores| distance::diagnosis(cores, watch)));
    diagnoses.push(idle::diagnosis(needs.cores.as_ref()));
    diagnoses.extend(memory::diagnoses(&cgroup, needs.connections));
    diagnoses.extend(accounting::diagnosis());
    diagnoses.push(clock::diagnosis());
    diagnoses
}

/// The time for which a session observes the cores before it begins: 20 ticks of the kernel's accounting on two cores.
const GLANCE: Duration = Duration::from_millis(100);

/// Returns a warning about each problem that spoils the figures of some of `cases`, whose ends are bound to `cores`.
/// `allocator_settings` are the expected settings of the program's allocator.
pub fn warnings(
    cases: &[Case],
    cores: Option<&CoreSets>,
    build: &Build,
    allocator_settings: &'static str,
) -> Vec<Warning> {
    let protocols: Vec<_> = cases.iter().filter_map(|case| Protocol::by_name(&case.protocol)).collect();
    let needs = Needs::of(cases, cores, build.clone(), allocator_settings);
    examine(&needs, GLANCE).iter().filter_map(|diagnosis| diagnosis.warns(&protocols).cloned()).collect()
}

/// Returns a warning about each problem that spoils the figures of programs of someone else only.
pub fn warnings_beside_others() -> Vec<Warning> {
    let problem = network::default_controller().and_then(|diagnosis| diagnosis.problem);
    problem.and_then(|problem| problem.warning).map(|(_, warning)| warning).into_iter().collect()
}

/// Returns the trimmed text of a file of the kernel, or `None` if it cannot be read.
pub(crate) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_for_the_protocols_that_it_affects() {
        let [tcp, tls, quic] = ["tcp", "tls", "quic"].map(|name| Protocol::by_name(name).unwrap());
        let doctor_only = Diagnosis::bad("x", "y", "slow", "remedy");
        assert!(doctor_only.warns(&[tcp, tls, quic]).is_none());
        let diagnosis = |affects| {
            Diagnosis::bad("x", "y", "slow", "remedy").warning(affects, "it is cold", "slow figures")
        };
        let warning = diagnosis(Affects::All).warns(&[tcp]).unwrap().clone();
        assert_eq!(
            (warning.name.as_str(), warning.to_string()),
            ("x", "it is cold. Expect slow figures.".into())
        );
        assert!(diagnosis(Affects::Encrypted).warns(&[tcp]).is_none());
        assert!(diagnosis(Affects::Encrypted).warns(&[tcp, tls]).is_some());
        assert!(diagnosis(Affects::OverUdp).warns(&[tcp, tls]).is_none());
        assert!(diagnosis(Affects::OverUdp).warns(&[quic]).is_some());
        assert!(diagnosis(Affects::OtherPrograms).warns(&[tcp, tls, quic]).is_none());
        assert!(Diagnosis::good("x", "y").warns(&[quic]).is_none());
    }

    #[test]
    fn every_condition_has_a_name_of_its_own() {
        let diagnoses = examine(&Needs::by_default(Build::default(), ""), Duration::ZERO);
        let mut names: Vec<_> = diagnoses.iter().map(|diagnosis| diagnosis.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), diagnoses.len(), "{diagnoses:?}");
    }
}
