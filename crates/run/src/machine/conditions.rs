//! The conditions of the machine during one run: its cores, the quota, and out-of-memory kills.

use std::{collections::BTreeMap, fs};

use nix::unistd::{SysconfVar, sysconf};
use record::{Conditions, CoreConditions};

use super::{
    Cores,
    cgroup::{Cgroup, OomKills},
    read,
};

/// A watch over the machine during one run, with the counters before the run.
pub(crate) struct Watch {
    cgroup: Cgroup,
    cores: Option<Cores>,
    before: Counters,
}

/// The counters of the kernel that a watch compares.
struct Counters {
    throttled_s: Option<f64>,
    oom_kills: OomKills,
    /// The cores of the two ends, the sender's first.
    cores: Option<[CoreConditions; 2]>,
}

impl Watch {
    /// Begins to watch the machine and the cores of the two ends; `None` watches no cores.
    pub(crate) fn begin(cores: Option<Cores>) -> Self {
        let cgroup = Cgroup::own();
        let before = Counters::read(&cgroup, cores);
        Self { cgroup, cores, before }
    }

    /// Returns the changes since the beginning of the watch.
    pub(crate) fn end(self) -> Conditions {
        let now = Counters::read(&self.cgroup, self.cores);
        let mut conditions = Conditions::default();
        let throttled = now.throttled_s.zip(self.before.throttled_s);
        conditions.throttled_s = throttled.map(|(now, before)| (now - before).max(0.0));
        conditions.oom_kills = now.oom_kills.since(self.before.oom_kills);
        if let Some(([sender, receiver], [sender_before, receiver_before])) = now.cores.zip(self.before.cores)
        {
            conditions.sender_core = Some(between(sender, &sender_before));
            conditions.receiver_core = Some(between(receiver, &receiver_before));
        }
        conditions
    }
}

impl Counters {
    fn read(cgroup: &Cgroup, cores: Option<Cores>) -> Self {
        let stat = read("/proc/stat").unwrap_or_default();
        let of = |core| counted(core, &stat);
        Self {
            throttled_s: cgroup.throttled_s(),
            oom_kills: OomKills::counted(cgroup),
            cores: cores.map(|Cores { sender, receiver }| [of(sender), of(receiver)]),
        }
    }
}

/// Returns the counters of a core since boot. `stat` is the text of `/proc/stat`.
fn counted(core: usize, stat: &str) -> CoreConditions {
    let mut counted = CoreConditions::default();
    counted.core = core as u64;
    counted.steal_s = stolen_s(core, stat);
    counted.idle_entries = idle_entries(core);
    counted
}

/// Returns the difference between the counters of a core and earlier ones.
fn between(mut now: CoreConditions, before: &CoreConditions) -> CoreConditions {
    let stolen = now.steal_s.zip(before.steal_s);
    now.steal_s = stolen.map(|(now, before)| (now - before).max(0.0));
    for (state, entries) in &mut now.idle_entries {
        *entries = entries.saturating_sub(before.idle_entries.get(state).copied().unwrap_or_default());
    }
    now
}

/// Returns the seconds stolen from a core by the hypervisor since boot: the eighth number of its line (proc_stat(5)).
fn stolen_s(core: usize, stat: &str) -> Option<f64> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(&name))?;
    let ticks: u64 = line.split_ascii_whitespace().nth(8)?.parse().ok()?;
    let per_s = sysconf(SysconfVar::CLK_TCK).ok().flatten()?;
    Some(ticks as f64 / per_s as f64)
}

/// Returns the number of times that a core has entered each idle state since boot. Each key begins with the index of
/// the state, since states may share a name.
fn idle_entries(core: usize) -> BTreeMap<String, u64> {
    let folder = format!("/sys/devices/system/cpu/cpu{core}/cpuidle");
    let states = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries = BTreeMap::new();
    for state in states {
        let text = |file| read(state.path().join(file).to_str()?);
        let Some((name, usage)) = text("name").zip(text("usage").and_then(|usage| usage.parse().ok())) else {
            continue;
        };
        let number = state.file_name().to_string_lossy().replace("state", "");
        entries.insert(format!("{number}:{name}"), usage);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_was_stolen_is_that_of_the_core() {
        let stat = "cpu  1 2 3 4 5 6 7 300 9 10\ncpu1 1 2 3 4 5 6 7 100 9 10\ncpu11 1 2 3 4 5 6 7 250 9 10\n";
        let per_s = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap() as f64;
        assert_eq!(stolen_s(1, stat), Some(100.0 / per_s));
        assert_eq!(stolen_s(11, stat), Some(250.0 / per_s));
        assert_eq!(stolen_s(2, stat), None);
    }

    #[test]
    fn conditions_are_differences_and_never_negative() {
        let core = |steal_s, entries: &[(&str, u64)]| {
            let mut core = CoreConditions::default();
            core.steal_s = steal_s;
            core.idle_entries = entries.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
            core
        };
        let between =
            between(core(Some(2.5), &[("0:POLL", 12), ("1:C1", 3)]), &core(Some(2.0), &[("0:POLL", 5)]));
        assert_eq!(between, core(Some(0.5), &[("0:POLL", 7), ("1:C1", 3)]));
        assert_eq!(super::between(core(Some(1.0), &[]), &core(Some(2.0), &[])).steal_s, Some(0.0));
        assert_eq!(super::between(core(Some(1.0), &[]), &core(None, &[])).steal_s, None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_watch_sees_the_cores_of_the_ends() {
        let Some(cores) = Cores::choose() else {
            return crate::skipped::skip("this machine has a single core");
        };
        let watched = Watch::begin(Some(cores)).end();
        let (sender, receiver) = (watched.sender_core.unwrap(), watched.receiver_core.unwrap());
        assert_eq!((sender.core, receiver.core), (cores.sender as u64, cores.receiver as u64));
        assert!(sender.steal_s.unwrap() < 5.0 && watched.oom_kills.is_some());
        assert_eq!(Watch::begin(None).end().sender_core, None);
    }
}
