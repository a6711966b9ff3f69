//! The join of two sets of records by the keys of their series.

use std::collections::BTreeSet;

use serde::Serialize;

use super::side::{Run, Side, has_goodput};

/// A case that both sets have, with its runs in each set.
pub(super) struct Pair<'s> {
    pub(super) name: String,
    pub(super) base: &'s [Run],
    pub(super) candidate: &'s [Run],
}

/// Returns the cases that both sets have.
pub(super) fn join<'s>(base: &'s Side, candidate: &'s Side) -> Vec<Pair<'s>> {
    let pair = |(key, runs): &'s (crate::SeriesKey, Vec<Run>)| {
        Some(Pair { name: key.to_string(), base: runs, candidate: candidate.runs(key)? })
    };
    base.series.iter().filter_map(pair).collect()
}

/// Returns the names of the series that only `side` has, and not `other`.
pub(super) fn only_in(side: &Side, other: &Side) -> Vec<String> {
    let only = side.series.iter().filter(|(key, _)| other.runs(key).is_none());
    only.map(|(key, _)| key.to_string()).collect()
}

/// Returns the number of series that only the base has and that have a goodput.
pub(super) fn missing_goodputs(base: &Side, candidate: &Side) -> usize {
    base.series.iter().filter(|(key, runs)| candidate.runs(key).is_none() && has_goodput(runs)).count()
}

/// A fact about machine, build, limits or observed framing that differs between two sets of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Circumstance {
    /// The path of the fact in a record.
    pub fact: String,
    /// The values of the fact in the base; empty if the base does not state the fact.
    pub base: Vec<String>,
    /// The values of the fact in the candidate; empty if the candidate does not state the fact.
    pub candidate: Vec<String>,
}

/// Returns all facts that differ between base and candidate.
pub(super) fn circumstances(base: &Side, candidate: &Side) -> Vec<Circumstance> {
    let (before, now) = (&base.facts, &candidate.facts);
    let all: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let values = |values: Option<&BTreeSet<String>>| values.into_iter().flatten().cloned().collect();
    all.into_iter()
        .filter(|fact| before.get(*fact) != now.get(*fact))
        .map(|fact| Circumstance {
            fact: fact.clone(),
            base: values(before.get(fact)),
            candidate: values(now.get(fact)),
        })
        .collect()
}

impl Circumstance {
    /// Returns whether only one side states the fact. Records written before the fact existed do not state it.
    pub fn is_one_sided(&self) -> bool {
        let is_stated = |values: &[String]| values.iter().any(|value| value != "null" && value != "[]");
        is_stated(&self.base) != is_stated(&self.candidate)
    }
}

/// Writes a sentence that names the fact and its values on both sides.
impl std::fmt::Display for Circumstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |values: &[String]| {
            if values.is_empty() { "nothing".to_owned() } else { values.join(" and ") }
        };
        write!(
            f,
            "{}: {} in the base, {} in the candidate",
            self.fact,
            shown(&self.base),
            shown(&self.candidate)
        )
    }
}

#[cfg(test)]
mod tests {
    use record::{H2_WINDOW, LimitValue, Record};

    use super::*;
    use crate::tests::{run, runs, with};

    fn sides(base: &[Record], candidate: &[Record]) -> [Side; 2] {
        let mut sides = [base, candidate].map(|records| {
            let mut side = Side::default();
            records.iter().for_each(|record| side.add(record));
            side
        });
        Side::make_comparable(sides.each_mut());
        sides
    }

    #[test]
    fn cases_are_joined_by_key_and_the_others_are_listed() {
        let [base, candidate] = sides(
            &[runs("h1", &[1.0, 2.0]), runs("h2", &[1.0])].concat(),
            &[runs("h2", &[3.0]), runs("h3", &[1.0])].concat(),
        );
        assert_eq!(only_in(&base, &candidate), ["h1/up/64KiB/2GiB"]);
        assert_eq!(only_in(&candidate, &base), ["h3/up/64KiB/2GiB"]);
        let pairs = join(&base, &candidate);
        let [pair] = pairs.as_slice() else { panic!("one pair") };
        assert_eq!((pair.name.as_str(), pair.base.len(), pair.candidate.len()), ("h2/up/64KiB/2GiB", 1, 1));
        assert!(circumstances(&base, &candidate).is_empty());
    }

    #[test]
    fn one_peer_or_label_on_each_side_is_compared_but_several_are_cases() {
        let to = |peer: &&str| with(run("h2"), |record| record.peer = Some((*peer).into()));
        let by = |label: &&str| with(run("h2"), |record| record.label = Some((*label).into()));
        let of = |names: &[&str], record: &dyn Fn(&&str) -> Record| -> Vec<Record> {
            names.iter().map(record).collect()
        };
        for record in [&to as &dyn Fn(&&str) -> Record, &by] {
            let compared = |base: &[&str], candidate: &[&str]| {
                let [base, candidate] = sides(&of(base, record), &of(candidate, record));
                (
                    join(&base, &candidate).len(),
                    only_in(&base, &candidate).len(),
                    only_in(&candidate, &base).len(),
                )
            };
            assert_eq!(compared(&["a"], &["b"]), (1, 0, 0));
            assert_eq!(compared(&["a", "b"], &["b", "c"]), (1, 1, 1));
            assert_eq!(compared(&["a"], &["a", "b"]), (1, 0, 1), "several on one side");
        }
    }

    #[test]
    fn urls_of_one_server_on_each_side_are_joined_by_path_and_query() {
        let to = |peers: &[&str]| -> Vec<Record> {
            let to = |peer: &&str| with(run("h2"), |record| record.peer = Some((*peer).into()));
            peers.iter().map(to).collect()
        };
        let names = |base: &[&str], candidate: &[&str]| -> Vec<String> {
            let [base, candidate] = sides(&to(base), &to(candidate));
            join(&base, &candidate).into_iter().map(|pair| pair.name).collect()
        };
        let of = |server: &str| [format!("{server}/"), format!("{server}/?size=8MiB")];
        let (base, candidate) = (of("http://[::1]:8001"), of("https://b.example"));
        let [base, candidate] = [&base, &candidate].map(|urls| urls.each_ref().map(String::as_str));
        let by_path = ["h2/up/64KiB/2GiB /", "h2/up/64KiB/2GiB /?size=8MiB"];
        assert_eq!(names(&base, &candidate), by_path);
        assert_eq!(names(&base, &candidate[1..]), by_path[1..], "one URL of the candidate");
        let two_servers = [candidate[0], "https://c.example/?size=8MiB"];
        assert!(names(&base, &two_servers).is_empty(), "two servers are two cases");
        let commands = ["curl http://a/ -T x", "curl http://a/ -T y"];
        assert!(names(&commands, &candidate).is_empty(), "a command line is no URL");
        assert_eq!(names(&base, &base)[0], "h2/up/64KiB/2GiB http://[::1]:8001/", "one server on both sides");
    }

    #[test]
    fn other_machines_builds_and_limits_are_pointed_out() {
        let base = [run("h2")];
        let candidate = [with(run("h2"), |record| {
            record.host.kernel = Some("9.9".into());
            record.build.versions.insert("h2".into(), "0.5.0".into());
            record.limits.set(&H2_WINDOW, LimitValue::Bytes(4 << 20)).unwrap();
            record.receiver.as_mut().unwrap().framing = Some(Box::default());
        })];
        let [base, candidate] = sides(&base, &candidate);
        let lines: Vec<_> = circumstances(&base, &candidate).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "build versions h2: nothing in the base, 0.5.0 in the candidate",
                "framing: not observed in the base, observed in the candidate",
                "limit h2-window: 786432 in the base, 4194304 in the candidate",
                "machine kernel: null in the base, 9.9 in the candidate",
            ]
        );
    }
}
