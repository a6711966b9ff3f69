//! The idle policy of the cores, and a guard that keeps them awake.

use std::{fs::File, io::Write as _};

use record::IdlePolicy;

use super::{Affects, Diagnosis, read};

/// The file that takes requests for a longest wake-up time, in force while it is open
/// (Documentation/power/pm_qos_interface.rst).
const REQUESTS: &str = "/dev/cpu_dma_latency";

/// The active cpuidle driver: "none" if no driver honours PM QoS requests, absent if the kernel has no cpuidle.
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";

/// The kernel's command line.
const BOOTED_WITH: &str = "/proc/cmdline";

/// Keeps idle cores awake until it is dropped.
#[derive(Debug)]
pub struct IdleGuard {
    /// The request ends when the file is closed.
    request: Option<File>,
}

impl IdleGuard {
    /// Keeps cores awake if `asked` says so and the system allows it.
    pub fn keep(asked: IdlePolicy) -> Self {
        let request = match asked {
            IdlePolicy::Poll if sleeps(read(DRIVER).as_deref()) => request().ok(),
            _ => None,
        };
        Self { request }
    }

    /// The policy in force.
    pub fn policy(&self) -> IdlePolicy {
        if self.request.is_some() { IdlePolicy::Poll } else { IdlePolicy::Sleep }
    }
}

/// Requests a wake-up time of 0 µs, which only cores that never sleep can meet.
fn request() -> std::io::Result<File> {
    let mut file = File::options().write(true).open(REQUESTS)?;
    file.write_all(&0_i32.to_ne_bytes())?;
    Ok(file)
}

fn sleeps(driver: Option<&str>) -> bool {
    driver.is_some_and(|driver| driver != "none")
}

pub(super) fn diagnosis() -> Diagnosis {
    let polls = read(BOOTED_WITH).is_some_and(|line| line.split_whitespace().any(|word| word == "idle=poll"));
    diagnose(read(DRIVER).as_deref(), polls, IdleGuard::keep(IdlePolicy::Poll).policy())
}

/// Without a driver Linux halts an idle core, whatever is requested (`default_idle_call` in its kernel/sched/idle.c).
fn diagnose(driver: Option<&str>, polls: bool, kept: IdlePolicy) -> Diagnosis {
    let name = "idle cores";
    let cost = "an end that waits is woken late: up to a sixth of HTTP/2's goodput on a virtual machine";
    match (driver, kept) {
        (None, _) => Diagnosis::good(name, "unknown"),
        _ if polls => Diagnosis::good(name, "kept awake by idle=poll"),
        (_, IdlePolicy::Poll) => Diagnosis::good(name, "kept awake during runs"),
        (Some("none"), IdlePolicy::Sleep) => {
            let remedy = "boot with idle=poll; as a KVM guest also: sudo modprobe cpuidle-haltpoll";
            Diagnosis::bad(name, "halted, by no driver that takes requests", Affects::All, cost, remedy)
        }
        (Some(driver), IdlePolicy::Sleep) => {
            let remedy =
                "sudo chmod o+w /dev/cpu_dma_latency (in a container: --device /dev/cpu_dma_latency)";
            Diagnosis::bad(name, format!("sleep ({driver})"), Affects::All, cost, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_may_sleep_are_a_problem() {
        assert!(diagnose(None, false, IdlePolicy::Sleep).problem.is_none());
        assert!(diagnose(Some("intel_idle"), false, IdlePolicy::Poll).problem.is_none());
        let asleep = |driver| diagnose(Some(driver), false, IdlePolicy::Sleep).problem.unwrap().remedy;
        assert!(asleep("intel_idle").contains("/dev/cpu_dma_latency"));
        assert!(asleep("none").contains("idle=poll"), "a request would have no effect");
        assert!(diagnose(Some("none"), true, IdlePolicy::Sleep).problem.is_none());
    }

    #[test]
    fn the_guard_does_nothing_unless_it_is_asked_to() {
        assert_eq!(IdleGuard::keep(IdlePolicy::Sleep).policy(), IdlePolicy::Sleep);
    }
}
