//! The machine and the build that a record was made on.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A machine. Unknown facts are null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
}

/// The idle policy of CPU cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdlePolicy {
    /// Idle cores spin, where /dev/cpu_dma_latency may be opened: a waiting process is woken at once.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether the build is optimised, so that its figures are meaningful.
    pub fn is_release(&self) -> bool {
        self.profile == "release"
    }
}

/// The time of a cache line from the sender's core to the receiver's and back, in nanoseconds. A hypervisor may move
/// the cores of a virtual machine: if the two figures differ by a multiple, it did so during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoreRoundTrip {
    /// Measured before the ends were started.
    pub before_ns: u64,
    /// Measured after they had ended.
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

    /// Whether the cores had no cache in common before or after the run.
    pub fn is_far(self) -> bool {
        self.longest() >= Self::FAR
    }
}
