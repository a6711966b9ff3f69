//! The description of the machine that runs the ends.

use std::{collections::BTreeMap, fs};

use nix::sys::utsname::uname;
use record::Host;

use crate::machine::{Cgroup, CoreSets, Cores, read, siblings};

/// The kernel settings that a record states, by their sysctl names: those that determine the behaviour of TCP and UDP
/// sockets.
const SYSCTLS: [&str; 16] = [
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.netdev_max_backlog",
    "net.core.default_qdisc",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_mem",
    "net.ipv4.udp_mem",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_limit_output_bytes",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_timestamps",
];

/// Describes this machine. The idle policy and the cores of the ends are left for the caller to add.
pub fn this_host() -> Host {
    let uname = uname().ok();
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let cgroup = Cgroup::own();
    let mut host = Host::default();
    host.name = uname.as_ref().map(|uname| text(uname.nodename()));
    host.os = std::env::consts::OS.into();
    host.kernel = uname.as_ref().map(|uname| text(uname.release()));
    host.cores = std::thread::available_parallelism().ok().map(|cores| cores.get() as u64);
    (host.cpu, host.memory_bytes) = hardware();
    host.huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| chosen(&text));
    host.smt = read("/sys/devices/system/cpu/smt/active").map(|active| active == "1");
    host.numa_nodes = numa_nodes("/sys/devices/system/node", "node");
    host.governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    (host.cpu_quota_percent, host.memory_limit_bytes) =
        (cgroup.cpu_quota_percent(), cgroup.memory_limit_bytes());
    host.clock_source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    host.sysctls = sysctls();
    host
}

/// Adds the properties of the cores that the first thread of each end is bound to. Without a binding, adds nothing.
pub fn describe_ends(host: &mut Host, cores: Option<&CoreSets>) {
    let Some(Cores { sender, receiver }) = cores.map(CoreSets::first) else { return };
    let ends = [sender, receiver];
    host.end_cores = ends.map(|core| core as u64).to_vec();
    host.end_siblings =
        ends.map(|core| siblings(core).into_iter().map(|thread| thread as u64).collect()).to_vec();
    host.end_numa_nodes = ends.into_iter().filter_map(node_of).collect();
}

/// Returns the word in brackets: `madvise` in `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    text.split_ascii_whitespace().find_map(|word| Some(word.strip_prefix('[')?.strip_suffix(']')?.to_owned()))
}

/// Returns the number of entries of `folder` whose names are `prefix` and a number.
fn numa_nodes(folder: &str, prefix: &str) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    Some(entries.filter(|entry| numbered(&entry.file_name(), prefix).is_some()).count() as u64)
}

/// Returns the NUMA node of a core.
fn node_of(core: usize) -> Option<u64> {
    let mut entries = fs::read_dir(format!("/sys/devices/system/cpu/cpu{core}")).ok()?.flatten();
    entries.find_map(|entry| numbered(&entry.file_name(), "node"))
}

fn numbered(name: &std::ffi::OsStr, prefix: &str) -> Option<u64> {
    name.to_str()?.strip_prefix(prefix)?.parse().ok()
}

/// Returns the values of [`SYSCTLS`] in force, with single spaces. A setting that this kernel or network namespace
/// lacks is left out.
fn sysctls() -> BTreeMap<String, String> {
    let value = |name: &str| {
        let text = read(&format!("/proc/sys/{}", name.replace('.', "/")))?;
        Some((name.to_owned(), text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
    };
    SYSCTLS.into_iter().filter_map(value).collect()
}

/// Returns the processor's model, and the installed memory in bytes.
#[cfg(target_os = "linux")]
fn hardware() -> (Option<String>, Option<u64>) {
    use procfs::Current as _;
    let cpu = procfs::CpuInfo::current().ok().and_then(|cpu| cpu.model_name(0).map(str::to_owned));
    let memory = procfs::Meminfo::current().ok().map(|memory| memory.mem_total);
    (cpu, memory)
}

/// Returns no values: without `/proc`, both are unknown.
#[cfg(not(target_os = "linux"))]
fn hardware() -> (Option<String>, Option<u64>) {
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_the_word_in_brackets() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("[always] madvise never").as_deref(), Some("always"));
        assert_eq!(chosen("always"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_machine_with_linux_states_its_facts() {
        let mut host = this_host();
        assert!(host.clock_source.is_some() && host.sysctls.contains_key("net.ipv4.tcp_rmem"), "{host:?}");
        assert!(!host.sysctls["net.ipv4.tcp_rmem"].contains('\t'));
        describe_ends(&mut host, None);
        assert!(host.end_cores.is_empty() && host.end_siblings.is_empty());
        describe_ends(&mut host, CoreSets::of(vec![0], vec![1]).as_ref());
        assert_eq!((host.end_cores.len(), host.end_siblings.len()), (2, 2));
    }
}
