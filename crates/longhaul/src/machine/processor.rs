//! Cores: how many, how busy, how fast, and whether they encrypt.

use std::time::Duration;

use super::{Concerns, Finding, read};

/// Others' work on the cores, as a share of all their time, from which figures move visibly.
const BUSY: f64 = 0.1;

/// Time that the hypervisor gave to other machines, likewise: less of it, as no worker can move away.
const STOLEN: f64 = 0.02;

pub(super) fn findings(watch: Duration) -> Vec<Finding> {
    let cores = std::thread::available_parallelism().ok().map(|cores| self::cores(cores.get()));
    let load = load::watch(watch).map(|load| [busy(load.busy), stolen(load.stolen)]);
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let rest = [aes(encrypts()), frequency(governor.as_deref())];
    cores.into_iter().chain(load.into_iter().flatten()).chain(rest).collect()
}

fn cores(cores: usize) -> Finding {
    let seen = if cores == 1 { "1 core".into() } else { format!("{cores} cores") };
    if cores > 1 {
        return Finding::good("cores", seen);
    }
    let cost = "sender and receiver take turns on it: about half the goodput";
    Finding::bad("cores", seen, Concerns::All, cost, "give the machine or the container two cores")
}

fn busy(share: f64) -> Finding {
    let seen = format!("{:.0} % of their time", 100.0 * share);
    if share < BUSY {
        return Finding::good("cores at work for others", seen);
    }
    let cost = "the ends wait for their cores: less goodput, and more from run to run";
    Finding::bad("cores at work for others", seen, Concerns::All, cost, "end what runs: top -o %CPU")
}

fn stolen(share: f64) -> Finding {
    let seen = format!("{:.0} % of their time", 100.0 * share);
    if share < STOLEN {
        return Finding::good("cores given to other machines", seen);
    }
    let cost = "the machine is shared: figures move by as much";
    let mend = "dedicated cores, or more --rounds and ratios within one run";
    Finding::bad("cores given to other machines", seen, Concerns::All, cost, mend)
}

fn aes(encrypts: bool) -> Finding {
    if encrypts {
        return Finding::good("AES instructions", "there");
    }
    let cost = "AES in software: TLS and QUIC are several times slower";
    let mend = "--cipher chacha20, or a virtual machine with the host's processor (-cpu host)";
    Finding::bad("AES instructions", "missing", Concerns::Tls, cost, mend)
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn encrypts() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn encrypts() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

/// Not found out here, so nothing to complain of.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn encrypts() -> bool {
    true
}

fn frequency(governor: Option<&str>) -> Finding {
    let name = "frequency scaling";
    match governor {
        None => Finding::good(name, "not by this kernel"),
        Some("performance") => Finding::good(name, "performance"),
        Some(governor) => {
            let cost = "cores start slow and change speed: the first runs are slower than the rest";
            Finding::bad(name, governor, Concerns::All, cost, "sudo cpupower frequency-set -g performance")
        }
    }
}

/// How busy the cores are.
mod load {
    use std::time::Duration;

    pub(super) struct Load {
        pub(super) busy: f64,
        pub(super) stolen: f64,
    }

    /// Watches the kernel's accounting.
    #[cfg(target_os = "linux")]
    pub(super) fn watch(time: Duration) -> Option<Load> {
        use procfs::CurrentSI as _;
        let ticks = || {
            let cpu = procfs::KernelStats::current().ok()?.total;
            let stolen = cpu.steal.unwrap_or(0);
            let busy = cpu.user + cpu.nice + cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0);
            Some((busy, stolen, busy + stolen + cpu.idle + cpu.iowait.unwrap_or(0)))
        };
        let before = ticks()?;
        std::thread::sleep(time);
        let after = ticks()?;
        let share = |part: u64| part as f64 / after.2.saturating_sub(before.2).max(1) as f64;
        Some(Load {
            busy: share(after.0.saturating_sub(before.0)),
            stolen: share(after.1.saturating_sub(before.1)),
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn watch(_: Duration) -> Option<Load> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_busy_or_slow_core_is_trouble() {
        assert!(cores(2).trouble.is_none() && cores(1).trouble.is_some());
        assert!(busy(0.05).trouble.is_none() && busy(0.5).trouble.is_some());
        assert!(stolen(0.0).trouble.is_none() && stolen(0.05).trouble.is_some());
        assert!(aes(true).trouble.is_none() && aes(false).trouble.is_some());
        assert!(frequency(None).trouble.is_none() && frequency(Some("performance")).trouble.is_none());
        assert!(frequency(Some("powersave")).trouble.is_some());
    }
}
