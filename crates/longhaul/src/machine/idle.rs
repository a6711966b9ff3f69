//! Cores that have nothing to do: whether they sleep, and how they are kept from it.

use std::{fs::File, io::Write as _};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Concerns, Finding, read};

/// Where the kernel takes requests for a longest time to wake up, in force as long as the file is open
/// (Documentation/power/pm_qos_interface.rst).
const REQUESTS: &str = "/dev/cpu_dma_latency";

/// What puts cores to sleep; "none" where nothing does that heeds requests, and missing where nothing is known of it.
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";

/// How a core waits that has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Idle {
    /// In a loop, where /dev/cpu_dma_latency may be opened: who waits is woken at once.
    Poll,
    /// As the machine has it.
    Sleep,
}

/// What the kernel was booted with.
const BOOTED_WITH: &str = "/proc/cmdline";

/// Keeps cores awake as long as it lives.
#[derive(Debug)]
pub(crate) struct Vigil {
    /// The request ends when it is closed.
    request: Option<File>,
}

impl Vigil {
    /// Keeps them awake if that is asked for and possible.
    pub(crate) fn keep(asked: Idle) -> Self {
        let request = match asked {
            Idle::Poll if sleeps(read(DRIVER).as_deref()) => request().ok(),
            _ => None,
        };
        Self { request }
    }

    /// What is in force.
    pub(crate) fn idle(&self) -> Idle {
        if self.request.is_some() { Idle::Poll } else { Idle::Sleep }
    }
}

/// Asks for cores that wake up in 0 µs, which only those do that do not sleep.
fn request() -> std::io::Result<File> {
    let mut file = File::options().write(true).open(REQUESTS)?;
    file.write_all(&0_i32.to_ne_bytes())?;
    Ok(file)
}

fn sleeps(driver: Option<&str>) -> bool {
    driver.is_some_and(|driver| driver != "none")
}

pub(super) fn finding() -> Finding {
    let polls = read(BOOTED_WITH).is_some_and(|line| line.split_whitespace().any(|word| word == "idle=poll"));
    judged(read(DRIVER).as_deref(), polls, Vigil::keep(Idle::Poll).idle())
}

/// Without a driver Linux halts an idle core, whatever is requested (`default_idle_call` in its kernel/sched/idle.c).
fn judged(driver: Option<&str>, polls: bool, kept: Idle) -> Finding {
    let name = "idle cores";
    let cost = "an end that waits is woken late: up to a sixth of HTTP/2's goodput on a virtual machine";
    match (driver, kept) {
        (None, _) => Finding::good(name, "not known here"),
        _ if polls => Finding::good(name, "kept awake by idle=poll"),
        (_, Idle::Poll) => Finding::good(name, "kept awake during runs"),
        (Some("none"), Idle::Sleep) => {
            let mend = "boot with idle=poll; as a KVM guest also: sudo modprobe cpuidle-haltpoll";
            Finding::bad(name, "halted, by no driver that could be asked not to", Concerns::All, cost, mend)
        }
        (Some(driver), Idle::Sleep) => {
            let mend = "sudo chmod o+w /dev/cpu_dma_latency (in a container: --device /dev/cpu_dma_latency)";
            Finding::bad(name, format!("sleep ({driver})"), Concerns::All, cost, mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_may_sleep_are_trouble() {
        assert!(judged(None, false, Idle::Sleep).trouble.is_none());
        assert!(judged(Some("intel_idle"), false, Idle::Poll).trouble.is_none());
        let asleep = |driver| judged(Some(driver), false, Idle::Sleep).trouble.unwrap().mend;
        assert!(asleep("intel_idle").contains("/dev/cpu_dma_latency"));
        assert!(asleep("none").contains("idle=poll"), "a request would have no effect");
        assert!(judged(Some("none"), true, Idle::Sleep).trouble.is_none());
    }

    #[test]
    fn who_does_not_ask_keeps_nobody_awake() {
        assert_eq!(Vigil::keep(Idle::Sleep).idle(), Idle::Sleep);
    }
}
