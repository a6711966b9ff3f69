//! What this process uses: memory, processor time, page faults, context switches.
//!
//! Memory comes from `/proc` and exists on Linux only; elsewhere it is `None`.

use std::time::Duration;

use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::TimeVal,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{MemoryReader, peak_rss_bytes};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{MemoryReader, peak_rss_bytes};

/// Resident memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All resident pages, the binary's own included, in bytes.
    pub rss_bytes: u64,
    /// Resident pages that no file backs (heap and stacks), in bytes.
    pub anon_bytes: u64,
}

/// Processor time, page faults and context switches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
    /// Page faults.
    pub faults: Faults,
    /// Context switches.
    pub switches: ContextSwitches,
}

/// Page faults of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Faults {
    /// Served without reading a disk: fresh pages, above all.
    pub minor: u64,
    /// Served from a disk.
    pub major: u64,
}

/// Context switches of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContextSwitches {
    /// The process waited for something.
    pub voluntary: u64,
    /// The process was made to wait.
    pub involuntary: u64,
}

impl Resources {
    /// What this process has used since it began, all its threads together.
    pub fn used() -> Option<Self> {
        getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| Self::from(&usage))
    }

    /// What was used between `earlier` and these.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            faults: Faults {
                minor: self.faults.minor.saturating_sub(earlier.faults.minor),
                major: self.faults.major.saturating_sub(earlier.faults.major),
            },
            switches: ContextSwitches {
                voluntary: self.switches.voluntary.saturating_sub(earlier.switches.voluntary),
                involuntary: self.switches.involuntary.saturating_sub(earlier.switches.involuntary),
            },
        }
    }
}

impl From<&Usage> for Resources {
    fn from(usage: &Usage) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
            faults: Faults {
                minor: count(usage.minor_page_faults()),
                major: count(usage.major_page_faults()),
            },
            switches: ContextSwitches {
                voluntary: count(usage.voluntary_context_switches()),
                involuntary: count(usage.involuntary_context_switches()),
            },
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn touched_memory_shows_as_anonymous_rss() {
        let reader = MemoryReader::new().unwrap();
        let before = reader.read().unwrap();
        let block = vec![1_u8; 32 << 20];
        let after = reader.read().unwrap();
        let grown = after.anon_bytes - before.anon_bytes;
        assert!((31 << 20..48 << 20).contains(&grown), "32 MiB touched, {grown} B seen");
        assert!(peak_rss_bytes().unwrap() >= after.rss_bytes - (1 << 20));
        drop(block);
    }

    #[test]
    fn work_shows_as_processor_time_and_faults() {
        let before = Resources::used().unwrap();
        let mut sum = 0_u64;
        let block: Vec<u64> = (0..4 << 20).collect();
        for _ in 0..20 {
            sum = block.iter().fold(sum, |sum, value| std::hint::black_box(sum ^ value));
        }
        let used = Resources::used().unwrap().since(before);
        assert!(used.user + used.system > Duration::from_millis(5), "{used:?} {sum}");
        assert!(used.faults.minor > 1000, "{used:?}");
    }
}
