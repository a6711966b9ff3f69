//! The machines on which records were made. Figures of speed from different machines are not comparable.

use std::collections::BTreeSet;

use record::{Build, Host, Record};

use crate::Circumstance;

/// Returns whether all records can be from one machine. A record that does not state a fact fits any machine in that
/// fact.
///
/// Host name, operating system, processor and number of cores distinguish machines. Kernel and size of memory may
/// change on one machine, and do not count. A comparison of speeds takes the kernel into account by
/// [`Machines::differences`]. The two machines of a run over a network count as one machine with the facts of both.
pub(crate) fn is_one<'a>(records: impl IntoIterator<Item = &'a Record>) -> bool {
    let mut known: [BTreeSet<String>; FACTS] = Default::default();
    for record in records {
        for (values, value) in known.iter_mut().zip(facts(&record.host, peer(record))) {
            values.extend(value);
        }
    }
    known.iter().all(|values| values.len() <= 1)
}

/// Returns the names of the machines of records, without repetitions, as a list in words.
pub(crate) fn names<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let machines: BTreeSet<String> =
        records.into_iter().map(|record| name(&record.host, peer(record))).collect();
    machines.into_iter().collect::<Vec<_>>().join(" and ")
}

/// The machines, kernels and allocators of some records.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    /// The values of the facts that distinguish machines.
    known: [BTreeSet<String>; FACTS],
    names: BTreeSet<String>,
    kernels: BTreeSet<String>,
    /// The kernels of the servers' machines, where these are other machines.
    server_kernels: BTreeSet<String>,
    allocators: BTreeSet<String>,
}

impl Machines {
    /// Adds the machine and the build of a record. `peer` is the machine of the server, if it is another one.
    pub(crate) fn add(&mut self, host: &Host, peer: Option<&Host>, build: &Build) {
        for (values, value) in self.known.iter_mut().zip(facts(host, peer)) {
            values.extend(value);
        }
        self.names.insert(name(host, peer));
        self.kernels.extend(host.kernel.clone());
        self.server_kernels.extend(peer.and_then(|peer| peer.kernel.clone()));
        self.allocators.extend(Some(build.allocator.clone()).filter(|allocator| !allocator.is_empty()));
    }

    /// Returns the names of the machines of two sets; `None` if all records can be from one machine.
    pub(crate) fn names_unless_one(&self, other: &Self) -> Option<[String; 2]> {
        let is_one = self.known.iter().zip(&other.known).all(|(a, b)| a.union(b).count() <= 1);
        (!is_one).then(|| [&self.names, &other.names].map(|names| listed(names).join(" and ")))
    }

    /// Returns the facts among machine, kernel, kernel of the server and allocator that have several values in the two
    /// sets. A record that does not state a fact adds no value.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Circumstance> {
        let of = |fact: &str, base: &BTreeSet<String>, candidate: &BTreeSet<String>| Circumstance {
            fact: fact.to_owned(),
            base: listed(base),
            candidate: listed(candidate),
        };
        let mut differences = Vec::new();
        if self.names_unless_one(other).is_some() {
            differences.push(of("machine", &self.names, &other.names));
        }
        let others = [
            ("kernel", &self.kernels, &other.kernels),
            ("kernel of the server", &self.server_kernels, &other.server_kernels),
            ("allocator", &self.allocators, &other.allocators),
        ];
        let several = others.into_iter().filter(|(_, base, candidate)| base.union(candidate).count() > 1);
        differences.extend(several.map(|(fact, base, candidate)| of(fact, base, candidate)));
        differences
    }
}

fn listed(values: &BTreeSet<String>) -> Vec<String> {
    values.iter().cloned().collect()
}

/// The number of facts that distinguish machines.
const FACTS: usize = 8;

fn facts(host: &Host, peer: Option<&Host>) -> [Option<String>; FACTS] {
    let [name, os, cpu, cores] = facts_of(host);
    // The absence of a second machine is a fact, too: it distinguishes loopback from a network.
    let none = [Some(String::new()), None, None, None];
    let [peer_name, peer_os, peer_cpu, peer_cores] = peer.map_or(none, facts_of);
    [name, os, cpu, cores, peer_name, peer_os, peer_cpu, peer_cores]
}

fn facts_of(host: &Host) -> [Option<String>; 4] {
    let os = Some(host.os.clone()).filter(|os| !os.is_empty());
    [host.name.clone(), os, host.cpu.clone(), host.cores.map(|cores| cores.to_string())]
}

fn peer(record: &Record) -> Option<&Host> {
    record.peer_host.as_deref()
}

fn name(host: &Host, peer: Option<&Host>) -> String {
    match peer {
        Some(peer) => format!("{} with {}", described(host), described(peer)),
        None => described(host),
    }
}

/// Returns a machine in words: "a (Zen 4, 2 cores)".
pub(crate) fn described(host: &Host) -> String {
    let name = host.name.as_deref().unwrap_or("an unnamed machine");
    let cores = host.cores.map(|cores| format!("{cores} cores"));
    let facts: Vec<String> = host.cpu.iter().cloned().chain(cores).collect();
    if facts.is_empty() { name.to_owned() } else { format!("{name} ({})", facts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with};

    #[test]
    fn another_name_processor_or_number_of_cores_is_another_machine() {
        let on = |edit: fn(&mut Host)| {
            with(run("h2"), |record| {
                let host: &mut Host = &mut record.host;
                (host.name, host.cpu, host.cores) = (Some("a".into()), Some("Zen 4".into()), Some(2));
                edit(host);
            })
        };
        let same: [fn(&mut Host); 4] = [
            |_| (),
            |host| host.kernel = Some("9.9".into()),
            |host| host.memory_bytes = Some(1 << 30),
            |host| *host = Host::default(),
        ];
        assert!(same.iter().all(|edit| is_one(&[on(|_| ()), on(*edit)])));
        let other: [fn(&mut Host); 4] = [
            |host| host.name = Some("b".into()),
            |host| host.cpu = Some("Zen 5".into()),
            |host| host.cores = Some(4),
            |host| host.os = "plan9".into(),
        ];
        assert!(other[..3].iter().all(|edit| !is_one(&[on(|_| ()), on(*edit)])));
        assert!(!is_one(&[on(|host| host.os = "linux".into()), on(other[3])]));
        let both = [on(|_| ()), on(other[0]), on(other[0])];
        assert_eq!(names(&both), "a (Zen 4, 2 cores) and b (Zen 4, 2 cores)");
    }

    #[test]
    fn client_and_server_may_have_different_kernels() {
        let machines = |client: &str, server: &str| {
            let host = |kernel: &str| {
                let mut host = Host::default();
                host.kernel = Some(kernel.into());
                host
            };
            let mut machines = Machines::default();
            machines.add(&host(client), Some(&host(server)), &Build::default());
            machines
        };
        let facts = |server: &str| -> Vec<String> {
            let differences = machines("6.18", "6.1").differences(&machines("6.18", server));
            differences.into_iter().map(|difference| difference.fact).collect()
        };
        assert_eq!(facts("6.1"), Vec::<String>::new());
        assert_eq!(facts("6.2"), ["kernel of the server"]);
    }

    #[test]
    fn a_run_over_a_network_is_of_another_machine_than_one_on_loopback() {
        let to = |name: &str| {
            with(run("h2"), |record| {
                record.host.name = Some("a".into());
                let mut peer = Host::default();
                peer.name = Some(name.into());
                record.peer_host = Some(peer.into());
            })
        };
        let alone = with(run("h2"), |record| record.host.name = Some("a".into()));
        assert!(is_one(&[to("b"), to("b")]) && is_one([&alone]));
        assert!(!is_one(&[to("b"), to("c")]) && !is_one(&[to("b"), alone.clone()]));
        assert_eq!(names(&[to("b"), alone]), "a and a with b");
    }
}
