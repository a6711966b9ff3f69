//! The machine on which a record was made, and the build of the program.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// The machine on which a run was made. Unknown facts are null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Host {
    /// The host name of the machine.
    pub name: Option<String>,
    /// The name of the operating system.
    pub os: String,
    /// The release of the kernel.
    pub kernel: Option<String>,
    /// The model of the processor.
    pub cpu: Option<String>,
    /// The number of logical cores that the process may use.
    pub cores: Option<u64>,
    /// The installed memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The idle policy of the CPU cores during the run; null if longhaul did not manage it, and in records written
    /// before 2026-11-23.
    #[serde(default)]
    pub idle: Option<IdlePolicy>,
    /// The cores that were kept awake; null if none was kept awake. Null in records written before 2026-11-27, in which
    /// the idle policy `poll` applied to the whole machine.
    #[serde(default)]
    pub awake: Option<Awake>,
    /// The system's setting of transparent huge pages: `always`, `madvise` or `never`. longhaul's ends use no huge
    /// pages.
    #[serde(default)]
    pub huge_pages: Option<String>,
    /// True if each physical core runs two hardware threads.
    #[serde(default)]
    pub smt: Option<bool>,
    /// The numbers of the logical cores of the two ends, the sender's first; empty if the ends were bound to no core.
    /// For ends with several threads, the cores of their first threads. A machine that ran only one end used only the
    /// core of that end.
    #[serde(default)]
    pub end_cores: Vec<u64>,
    /// The numbers of all logical cores on the physical core of each end, including the end's own: one list per end.
    #[serde(default)]
    pub end_siblings: Vec<Vec<u64>>,
    /// The numbers of the NUMA nodes of the two ends' cores, the sender's first.
    #[serde(default)]
    pub end_numa_nodes: Vec<u64>,
    /// The number of NUMA nodes of the machine.
    #[serde(default)]
    pub numa_nodes: Option<u64>,
    /// The governor of frequency scaling; null if the kernel does not scale frequencies.
    #[serde(default)]
    pub governor: Option<String>,
    /// The processor time that the cgroup allows, in percent of one core; null without a quota.
    #[serde(default)]
    pub cpu_quota_percent: Option<u64>,
    /// The memory that the cgroup allows, in bytes; null without a limit.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// The kernel's clock source, such as `tsc`.
    #[serde(default)]
    pub clock_source: Option<String>,
    /// The kernel settings that determine the behaviour of sockets, by their sysctl names such as `net.ipv4.tcp_rmem`.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
}

/// The cores that are kept awake during a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Awake {
    /// The cores of the two ends (`pm_qos_resume_latency_us`).
    Ends,
    /// All cores of the machine (`/dev/cpu_dma_latency`).
    Machine,
}

/// The idle policy of CPU cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum IdlePolicy {
    /// Idle cores spin if the system allows it, so that a waiting process wakes at once.
    Poll,
    /// Idle cores sleep, as the machine is configured.
    Sleep,
}

impl IdlePolicy {
    /// Returns the value of the `--idle` flag that selects the policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sleep => "sleep",
        }
    }
}

/// The build of the program that made a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Build {
    /// The version of longhaul, such as `0.1.0`.
    pub version: String,
    /// The git commit of the sources; null if it is unknown.
    pub commit: Option<String>,
    /// The Cargo profile of the build. Figures of a debug build say nothing about protocols.
    pub profile: String,
    /// The allocator and its settings in force, in one line.
    pub allocator: String,
    /// The versions of the libraries that determine speed and memory, by name.
    pub versions: BTreeMap<String, String>,
}

impl Build {
    /// Returns whether the build is optimised, so that its figures are meaningful.
    pub fn is_release(&self) -> bool {
        self.profile == "release"
    }
}

/// The round-trip time of a cache line between the cores of the two ends, in nanoseconds. If the later figure is a
/// multiple of the earlier one or the reverse, a hypervisor moved the cores of this virtual machine during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoreRoundTrip {
    /// The round-trip time before the ends were started, in nanoseconds.
    pub before_ns: u64,
    /// The round-trip time after the ends had ended, in nanoseconds.
    pub after_ns: u64,
}

impl CoreRoundTrip {
    /// The name of the condition that `longhaul doctor` examines, and of its [`Warning`](crate::Warning).
    pub const CONDITION: &'static str = "between these cores";

    /// The shortest round-trip time between two cores without a common cache. A Zen 4 processor showed 45 to 95 ns
    /// within one third-level cache, and 300 to 360 ns between two.
    pub const FAR: Duration = Duration::from_nanos(200);

    /// Returns the longer of the two round-trip times.
    pub fn longest(self) -> Duration {
        Duration::from_nanos(self.before_ns.max(self.after_ns))
    }

    /// Returns whether the cores had no cache in common before or after the run.
    pub fn is_far(self) -> bool {
        self.longest() >= Self::FAR
    }
}
