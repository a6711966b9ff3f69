//! The rule of dependencies between the crates of the workspace.

use crate::workspace::Package;

/// The crates that each crate may depend on, by folder name. Development dependencies count as well: a test that needs
/// another crate belongs above both.
const ALLOWED: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("stats", &[]),
    ("allocator", &[]),
    ("process", &["record"]),
    ("payload", BASE),
    ("metrics", &["record", "stats", "process"]),
    ("transport", BASE),
    ("network", &["record", "stats", "process"]),
    ("analyse", BASE),
    ("prove", &["record", "stats", "process", "analyse"]),
    ("sender", &["record", "stats", "payload", "metrics"]),
    ("receiver", &["record", "stats", "process", "payload", "metrics"]),
    ("run", ENDS),
    ("serve", WITH_RUN),
    ("client", WITH_RUN),
    ("subject", WITH_ENDS),
    ("cli", LIBRARIES),
    ("longhaul", PROGRAM),
    ("benches", ALL),
    ("fuzz-entries", ALL),
    ("xtask", ALL),
];

/// The crates that every crate may use.
const BASE: &[&str] = &["record", "stats"];

/// The crates that a measuring session is built on.
const ENDS: &[&str] =
    &["record", "stats", "process", "payload", "metrics", "transport", "network", "sender", "receiver"];

/// The crates that `serve` and `client` are built on, the ends for other programs. They use the measuring session of
/// `run`.
const WITH_RUN: &[&str] =
    &["record", "stats", "process", "payload", "metrics", "transport", "sender", "receiver", "run"];

/// The crates below proofs of other programs: longhaul's own ends, and the crates that state measurements. The cases of
/// `conform` open their own connections.
const WITH_ENDS: &[&str] = &[
    "record",
    "stats",
    "process",
    "payload",
    "metrics",
    "transport",
    "receiver",
    "run",
    "serve",
    "client",
    "analyse",
];

/// The crates that the command line may use. A program chooses its allocator itself.
const LIBRARIES: &[&str] = &[
    "record",
    "stats",
    "process",
    "payload",
    "metrics",
    "transport",
    "network",
    "analyse",
    "sender",
    "receiver",
    "run",
    "serve",
    "client",
    "subject",
];

/// The crates that the program and its end-to-end tests may use.
const PROGRAM: &[&str] =
    &["allocator", "cli", "process", "record", "metrics", "payload", "run", "serve", "transport"];

/// All libraries but the command line.
const ALL: &[&str] = &[
    "record",
    "stats",
    "allocator",
    "process",
    "payload",
    "metrics",
    "transport",
    "network",
    "analyse",
    "sender",
    "receiver",
    "run",
    "serve",
    "client",
    "subject",
    "prove",
];

/// Returns the dependencies that the table does not allow, and the members that it does not list.
pub(super) fn broken(packages: &[Package]) -> Vec<String> {
    let members = || packages.iter().filter(|package| package.is_member());
    let mut broken = Vec::new();
    for package in members() {
        let name = package.short_name();
        let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
            broken.push(format!("{}: a crate without a line in xtask/src/rules/edges.rs", package.name));
            continue;
        };
        let mut own: Vec<&Package> = members()
            .filter(|other| package.dependencies.iter().any(|dependency| dependency.name == other.name))
            .filter(|other| !allowed.contains(&other.short_name()))
            .collect();
        own.sort_by(|a, b| a.name.cmp(&b.name));
        let expected = if allowed.is_empty() { "none of our crates".into() } else { allowed.join(", ") };
        broken.extend(own.iter().map(|other| {
            format!("{}: must not depend on {}; allowed: {expected}", package.name, other.name)
        }));
    }
    broken
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rules::sample::member;

    #[test]
    fn edges_of_the_table_are_allowed() {
        let packages = [
            member("longhaul-record", &["serde"]),
            member("longhaul-sender", &["longhaul-record", "longhaul-metrics"]),
            member("longhaul-metrics", &["longhaul-record"]),
        ];
        assert_eq!(broken(&packages), [""; 0]);
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_one_line() {
        let packages = [
            member("longhaul-receiver", &[]),
            member("longhaul-sender", &["longhaul-receiver", "longhaul-metrics"]),
            member("longhaul-metrics", &[]),
        ];
        let expected = "longhaul-sender: must not depend on longhaul-receiver; \
                        allowed: record, stats, payload, metrics";
        assert_eq!(broken(&packages), [expected]);
    }

    #[test]
    fn a_crate_must_be_in_the_table() {
        let lines = broken(&[member("longhaul-surprise", &[])]);
        assert_eq!(lines, ["longhaul-surprise: a crate without a line in xtask/src/rules/edges.rs"]);
    }

    #[test]
    fn the_table_has_no_circle() {
        // Crates are removed one by one once all their dependencies are known, so a cycle leaves none to remove.
        let mut known = HashSet::new();
        let mut left: Vec<_> = ALLOWED.to_vec();
        while !left.is_empty() {
            let ready = left.iter().position(|(_, needs)| needs.iter().all(|need| known.contains(need)));
            let (name, _) = left.remove(ready.expect("a circle"));
            known.insert(name);
        }
    }
}
