//! The machine and the build that a record was made on.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// A machine. Unknown facts are null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Host {
    /// The name on the network.
    pub name: Option<String>,
    /// The operating system.
    pub os: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The processor's model.
    pub cpu: Option<String>,
    /// Cores that the process may use.
    pub cores: Option<u64>,
    /// Installed memory.
    pub memory_bytes: Option<u64>,
    /// Idle policy of the CPU cores during the run; null if longhaul did not manage it, and in records written before
    /// 2026-11-23.
    #[serde(default)]
    pub idle: Option<IdlePolicy>,
    /// The cores that were kept awake; null if none was, and in records written before 2026-11-27, whose idle policy
    /// `poll` is of the whole machine. This and all fields below are absent from earlier records.
    #[serde(default)]
    pub awake: Option<Awake>,
    /// The system's transparent huge pages: `always`, `madvise` or `never`. longhaul's ends use none.
    #[serde(default)]
    pub huge_pages: Option<String>,
    /// True if physical cores run two threads each.
    #[serde(default)]
    pub smt: Option<bool>,
    /// The logical cores of the two ends, the sender's first; empty if they were bound to none.
    #[serde(default)]
    pub end_cores: Vec<u64>,
    /// The threads of the physical cores of the two ends, themselves among them: one list per end.
    #[serde(default)]
    pub end_siblings: Vec<Vec<u64>>,
    /// The NUMA nodes of the cores of the two ends.
    #[serde(default)]
    pub end_numa_nodes: Vec<u64>,
    /// The NUMA nodes of the machine.
    #[serde(default)]
    pub numa_nodes: Option<u64>,
    /// The governor of frequency scaling; null if the kernel does not scale.
    #[serde(default)]
    pub governor: Option<String>,
    /// The processor time that the cgroup allows, in percent of one core; null without a quota.
    #[serde(default)]
    pub cpu_quota_percent: Option<u64>,
    /// The memory that the cgroup allows; null without a limit.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// The clock that the kernel reads.
    #[serde(default)]
    pub clock_source: Option<String>,
    /// Settings of the kernel that decide how its sockets behave, by the names of sysctl.
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
    /// Idle cores spin, where the system allows it: a waiting process is woken at once.
    Poll,
    /// Idle cores sleep as the machine is configured.
    Sleep,
}

impl IdlePolicy {
    /// The `--idle` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sleep => "sleep",
        }
    }
}

/// A build of the program that made a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Build {
    /// The version of longhaul.
    pub version: String,
    /// The commit of the sources.
    pub commit: Option<String>,
    /// The Cargo profile: figures of a debug build say nothing about protocols.
    pub profile: String,
    /// The allocator and the settings in force.
    pub allocator: String,
    /// The libraries that decide speed and memory.
    pub versions: BTreeMap<String, String>,
}

impl Build {
    /// Returns whether the build is optimised, so that its figures are meaningful.
    pub fn is_release(&self) -> bool {
        self.profile == "release"
    }
}

/// The time of a cache line from the sender's core to the receiver's and back, in nanoseconds. A hypervisor may move
/// the cores of a virtual machine: if the two figures differ by a multiple, it did so during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoreRoundTrip {
    /// The round trip before the ends were started.
    pub before_ns: u64,
    /// The round trip after the ends had ended.
    pub after_ns: u64,
}

impl CoreRoundTrip {
    /// The shortest time between two cores without a common cache. On a Zen 4, 45 to 95 ns were seen within a
    /// third-level cache and 300 to 360 ns between two.
    pub const FAR: Duration = Duration::from_nanos(200);

    /// The longer of the two.
    pub fn longest(self) -> Duration {
        Duration::from_nanos(self.before_ns.max(self.after_ns))
    }

    /// Returns whether the cores had no cache in common before or after the run.
    pub fn is_far(self) -> bool {
        self.longest() >= Self::FAR
    }
}
