//! The resources that the kernel accounts to a process (getrusage(2)).

use std::time::Duration;

#[cfg(unix)]
use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::TimeVal,
};
use record::{ContextSwitches, CpuRecord, PageFaults};

#[cfg(unix)]
use crate::platform::run_delay;

/// Processor time, page faults and context switches of the current process, over all its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The numbers of page faults.
    pub faults: PageFaults,
    /// The numbers of context switches.
    pub switches: ContextSwitches,
    /// The time for which the main thread was ready to run but waited for a core; `None` if the kernel does not count
    /// it.
    pub run_delay: Option<Duration>,
}

impl Resources {
    /// Returns the resources used since the process started. `None` if the kernel does not report them.
    #[cfg(unix)]
    pub fn used() -> Option<Self> {
        getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| Self { run_delay: run_delay(), ..Self::of(&usage) })
    }

    /// Returns `None` always, because these figures come from getrusage(2).
    #[cfg(not(unix))]
    pub fn used() -> Option<Self> {
        None
    }

    /// Returns the difference between these resources and `earlier` ones. A figure that was larger in `earlier` becomes
    /// zero.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            faults: PageFaults {
                minor: self.faults.minor.saturating_sub(earlier.faults.minor),
                major: self.faults.major.saturating_sub(earlier.faults.major),
            },
            switches: ContextSwitches {
                voluntary: self.switches.voluntary.saturating_sub(earlier.switches.voluntary),
                involuntary: self.switches.involuntary.saturating_sub(earlier.switches.involuntary),
            },
            run_delay: self.run_delay.zip(earlier.run_delay).map(|(now, then)| now.saturating_sub(then)),
        }
    }

    /// Returns the processor time as a record states it, also per GiB of the `body_bytes` that were moved. `spun` is
    /// the part of the processor time that was spent on busy-polling.
    pub fn cpu(&self, body_bytes: u64, spun: Duration) -> CpuRecord {
        CpuRecord::of(self.user.as_secs_f64(), self.system.as_secs_f64(), spun.as_secs_f64(), body_bytes)
    }

    #[cfg(unix)]
    fn of(usage: &Usage) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
            faults: PageFaults {
                minor: count(usage.minor_page_faults()),
                major: count(usage.major_page_faults()),
            },
            switches: ContextSwitches {
                voluntary: count(usage.voluntary_context_switches()),
                involuntary: count(usage.involuntary_context_switches()),
            },
            run_delay: None,
        }
    }
}

#[cfg(unix)]
fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_processor_time_and_faults() {
        let _alone = crate::alone();
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

    #[test]
    fn a_difference_covers_every_counter_and_never_wraps() {
        let resources = |n: u64| Resources {
            user: Duration::from_secs(n),
            system: Duration::from_secs(2 * n),
            faults: PageFaults { minor: 3 * n, major: 4 * n },
            switches: ContextSwitches { voluntary: 5 * n, involuntary: 6 * n },
            run_delay: Some(Duration::from_secs(7 * n)),
        };
        assert_eq!(resources(7).since(resources(3)), resources(4));
        assert_eq!(resources(3).since(resources(7)), resources(0));
        let unknown = Resources { run_delay: None, ..resources(3) };
        assert_eq!(resources(7).since(unknown).run_delay, None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_counts_the_wait_for_a_core() {
        assert!(Resources::used().unwrap().run_delay.is_some());
    }

    #[test]
    fn processor_time_is_related_to_the_body_unless_there_was_none() {
        let used = Resources {
            user: Duration::from_secs(1),
            system: Duration::from_secs(3),
            ..Resources::default()
        };
        let cpu = used.cpu(2 << 30, Duration::ZERO);
        assert_eq!((cpu.user_s, cpu.system_s, cpu.s_per_gib), (Some(1.0), Some(3.0), Some(2.0)));
        assert_eq!((cpu.spin_s, used.cpu(0, Duration::ZERO).s_per_gib), (Some(0.0), None));
    }

    #[test]
    fn busy_polling_is_no_work() {
        let used = Resources {
            user: Duration::from_secs(1),
            system: Duration::from_secs(3),
            ..Resources::default()
        };
        let cpu = used.cpu(2 << 30, Duration::from_secs(3));
        assert_eq!((cpu.spin_s, cpu.s_per_gib), (Some(3.0), Some(0.5)));
        assert_eq!((cpu.user_s, cpu.system_s), (Some(1.0), Some(3.0)), "as the kernel states them");
        assert_eq!(used.cpu(2 << 30, Duration::from_secs(5)).s_per_gib, Some(0.0));
    }
}
