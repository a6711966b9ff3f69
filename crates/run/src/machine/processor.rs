//! The diagnoses of the cores: number, load, frequency scaling and AES instructions.

use std::time::Duration;

use super::{Affects, Diagnosis, read};

/// The share of core time used by other processes above which goodput changes visibly.
const BUSY: f64 = 0.1;

/// The share of core time given by the hypervisor to other machines above which goodput changes visibly. It is lower
/// than [`BUSY`], because a worker cannot move away from a stolen core.
const STOLEN: f64 = 0.02;

pub(super) fn diagnoses(watch: Duration) -> Vec<Diagnosis> {
    let cores = std::thread::available_parallelism().ok().map(|cores| self::cores(cores.get()));
    let load = load::watch(watch).map(|load| [busy(load.busy), stolen(load.stolen)]);
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let rest = [aes(encrypts()), frequency(governor.as_deref())];
    cores.into_iter().chain(load.into_iter().flatten()).chain(rest).collect()
}

fn cores(cores: usize) -> Diagnosis {
    let seen = record::counted(cores, "core");
    if cores > 1 {
        return Diagnosis::good("cores", seen);
    }
    let cost = "the ends take turns on one core: about half the goodput";
    Diagnosis::bad("cores", seen, cost, "give the machine or the container two cores").warning(
        Affects::All,
        "this machine has one core, on which the ends take turns",
        "about half the goodput",
    )
}

fn busy(share: f64) -> Diagnosis {
    let seen = format!("{:.0} % of their time", 100.0 * share);
    if share < BUSY {
        return Diagnosis::good("cores at work for others", seen);
    }
    let cost = "the ends wait for their cores: less goodput, which varies more from run to run";
    let said = format!("other processes used {:.0} % of the CPU", 100.0 * share);
    Diagnosis::bad("cores at work for others", seen, cost, "end other processes: top -o %CPU").warning(
        Affects::All,
        said,
        "lower and noisier figures",
    )
}

fn stolen(share: f64) -> Diagnosis {
    let seen = format!("{:.0} % of their time", 100.0 * share);
    if share < STOLEN {
        return Diagnosis::good("cores given to other machines", seen);
    }
    let cost = "the machine is shared: figures vary by the same share";
    let remedy = "dedicated cores, or more --rounds and ratios within one run";
    let percent = format!("{:.0} %", 100.0 * share);
    let said = format!("the host gave {percent} of the CPU to other machines");
    let expect = format!("figures that vary by {percent}");
    Diagnosis::bad("cores given to other machines", seen, cost, remedy).warning(Affects::All, said, expect)
}

fn aes(encrypts: bool) -> Diagnosis {
    if encrypts {
        return Diagnosis::good("AES instructions", "there");
    }
    let cost = "AES in software: TLS and QUIC are several times slower";
    let remedy = "--cipher chacha20, or a virtual machine with the host's processor (-cpu host)";
    Diagnosis::bad("AES instructions", "missing", cost, remedy).warning(
        Affects::Encrypted,
        "the processor has no AES instructions",
        "TLS and QUIC to be several times slower",
    )
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn encrypts() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn encrypts() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

/// Returns true: on other architectures, AES instructions are assumed.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn encrypts() -> bool {
    true
}

fn frequency(governor: Option<&str>) -> Diagnosis {
    let name = "frequency scaling";
    match governor {
        None => Diagnosis::good(name, "not by this kernel"),
        Some("performance") => Diagnosis::good(name, "performance"),
        Some(governor) => {
            let cost = "cores start slow and change speed: the first runs are slower than the rest";
            let said = format!("cores start slow and change their speed (governor {governor})");
            Diagnosis::bad(name, governor, cost, "sudo cpupower frequency-set -g performance").warning(
                Affects::All,
                said,
                "the first runs to be slower than the rest",
            )
        }
    }
}

/// Measurement of the load of all cores.
mod load {
    use std::time::Duration;

    pub(super) struct Load {
        pub(super) busy: f64,
        pub(super) stolen: f64,
    }

    /// Measures the load over `time` by the kernel's accounting.
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
    fn a_lone_busy_or_slow_core_is_a_problem() {
        assert!(cores(2).problem.is_none() && cores(1).problem.is_some());
        assert!(busy(0.05).problem.is_none() && busy(0.5).problem.is_some());
        assert!(stolen(0.0).problem.is_none() && stolen(0.05).problem.is_some());
        assert!(aes(true).problem.is_none() && aes(false).problem.is_some());
        assert!(frequency(None).problem.is_none() && frequency(Some("performance")).problem.is_none());
        assert!(frequency(Some("powersave")).problem.is_some());
    }
}
