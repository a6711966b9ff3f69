//! Two sets of records, joined by the keys of their series.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use record::Record;
use serde::Serialize;
use serde_json::Value;

use crate::{Series, SeriesKey};

/// A case that both sets have, with its runs in each.
pub(super) struct Pair<'a> {
    pub(super) name: String,
    pub(super) base: Vec<&'a Record>,
    pub(super) candidate: Vec<&'a Record>,
}

/// The common and the different parts of two sets.
pub(super) struct Joined<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) missing: Vec<String>,
    pub(super) new: Vec<String>,
    pub(super) circumstances: Vec<Circumstance>,
}

/// A fact about machine, build or limits that differs between two sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Circumstance {
    /// The fact, by its path.
    pub fact: String,
    /// The values of the fact in the base; none if the base does not state it.
    pub base: Vec<String>,
    /// The values of the fact in the candidate.
    pub candidate: Vec<String>,
}

pub(super) fn join<'a>(base: &'a [Record], candidate: &'a [Record]) -> Joined<'a> {
    let (before, now) = (comparable(base), comparable(candidate));
    let keys = |series: &[Series<'a>]| -> HashMap<SeriesKey, usize> {
        series.iter().enumerate().map(|(index, series)| (series.key.clone(), index)).collect()
    };
    let (known_before, known_now) = (keys(&before), keys(&now));
    let pair = |series: &Series<'a>| {
        let index = *known_now.get(&series.key)?;
        Some(Pair {
            name: series.key.to_string(),
            base: series.records.clone(),
            candidate: now[index].records.clone(),
        })
    };
    let only = |series: &[Series<'a>], other: &HashMap<SeriesKey, usize>| -> Vec<String> {
        let only = series.iter().filter(|series| !other.contains_key(&series.key));
        only.map(|series| series.key.to_string()).collect()
    };
    Joined {
        pairs: before.iter().filter_map(pair).collect(),
        missing: only(&before, &known_now),
        new: only(&now, &known_before),
        circumstances: circumstances(base, candidate),
    }
}

/// The series of one side. A label or peer that all of them share is left out: the comparison is then between two
/// servers or two builds.
fn comparable(records: &[Record]) -> Vec<Series<'_>> {
    let mut series = Series::all(records);
    let labels: BTreeSet<_> = series.iter().map(|series| series.key.label.clone()).collect();
    let peers: BTreeSet<_> = series.iter().map(|series| series.key.peer.clone()).collect();
    for series in &mut series {
        if labels.len() == 1 {
            series.key.label = None;
        }
        if peers.len() == 1 {
            series.key.peer = None;
        }
    }
    series
}

fn circumstances(base: &[Record], candidate: &[Record]) -> Vec<Circumstance> {
    let (before, now) = (facts(base), facts(candidate));
    let all: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let values = |facts: &BTreeMap<String, BTreeSet<String>>, fact: &String| -> Vec<String> {
        facts.get(fact).into_iter().flatten().cloned().collect()
    };
    all.into_iter()
        .filter(|fact| before.get(*fact) != now.get(*fact))
        .map(|fact| Circumstance {
            fact: fact.clone(),
            base: values(&before, fact),
            candidate: values(&now, fact),
        })
        .collect()
}

/// Every fact about machine, build and limits by its path, with all values that it has.
fn facts(records: &[Record]) -> BTreeMap<String, BTreeSet<String>> {
    let mut facts = BTreeMap::new();
    for record in records {
        let parts = [
            ("machine", serde_json::to_value(&record.host)),
            ("build", serde_json::to_value(&record.build)),
            ("limit", serde_json::to_value(&record.limits)),
        ];
        for (name, value) in parts {
            collect(name, &value.unwrap_or_default(), &mut facts);
        }
    }
    facts
}

fn collect(path: &str, value: &Value, facts: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect(&format!("{path} {name}"), value, facts));
        }
        Value::String(text) => {
            facts.entry(path.into()).or_default().insert(text.clone());
        }
        other => {
            facts.entry(path.into()).or_default().insert(other.to_string());
        }
    }
}

/// A sentence that names the circumstance and its values on both sides.
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
    use record::{H2_WINDOW, LimitValue};

    use super::*;
    use crate::tests::{run, runs, with};

    #[test]
    fn cases_are_joined_by_key_and_the_others_are_listed() {
        let base = [runs("h1", &[1.0, 2.0]), runs("h2", &[1.0])].concat();
        let candidate = [runs("h2", &[3.0]), runs("h3", &[1.0])].concat();
        let joined = join(&base, &candidate);
        assert_eq!(
            (joined.missing, joined.new),
            (vec!["h1/up/64KiB/2GiB".into()], vec!["h3/up/64KiB/2GiB".into()])
        );
        let [pair] = joined.pairs.as_slice() else { panic!("one pair") };
        assert_eq!((pair.name.as_str(), pair.base.len(), pair.candidate.len()), ("h2/up/64KiB/2GiB", 1, 1));
        assert!(joined.circumstances.is_empty(), "{:?}", joined.circumstances);
    }

    #[test]
    fn one_peer_on_each_side_is_compared_but_several_are_cases() {
        let to = |peer: &str| with(run("h2"), |record| record.peer = Some(peer.into()));
        assert_eq!(join(&[to("https://a/")], &[to("https://b/")]).pairs.len(), 1);
        let base = [to("https://a/"), to("https://b/")];
        let candidate = [to("https://b/"), to("https://c/")];
        let several = join(&base, &candidate);
        assert_eq!((several.pairs.len(), several.missing.len(), several.new.len()), (1, 1, 1));
    }

    #[test]
    fn other_machines_builds_and_limits_are_pointed_out() {
        let base = [run("h2")];
        let candidate = [with(run("h2"), |record| {
            record.host.kernel = Some("9.9".into());
            record.build.versions.insert("h2".into(), "0.5.0".into());
            record.limits.set(&H2_WINDOW, LimitValue::Bytes(4 << 20)).unwrap();
        })];
        let lines: Vec<_> = join(&base, &candidate).circumstances.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "build versions h2: nothing in the base, 0.5.0 in the candidate",
                "limit h2-window: 786432 in the base, 4194304 in the candidate",
                "machine kernel: null in the base, 9.9 in the candidate",
            ]
        );
    }
}
