//! Two sets of records, joined by the names of their cases.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{distinct::distinct, record::Record};

/// A case that both sets have, with its runs in each.
pub(super) struct Pair<'a> {
    pub(super) name: &'a str,
    pub(super) base: Vec<&'a Record>,
    pub(super) candidate: Vec<&'a Record>,
}

/// What two sets have in common, and what not.
pub(super) struct Joined<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    /// Names that only the base has.
    pub(super) missing: Vec<&'a str>,
    /// Names that only the candidate has.
    pub(super) new: Vec<&'a str>,
    /// What else differs: machines, builds, limits, a line each.
    pub(super) circumstances: Vec<String>,
}

impl<'a> Joined<'a> {
    pub(super) fn of(base: &'a [Record], candidate: &'a [Record]) -> Self {
        let (before, now) = (names(base), names(candidate));
        let runs = |records: &'a [Record], name: &str| {
            records.iter().filter(|record| record.case.name == name).collect::<Vec<_>>()
        };
        let pair = |name: &&'a str| Pair { name, base: runs(base, name), candidate: runs(candidate, name) };
        Self {
            pairs: before.iter().filter(|name| now.contains(name)).map(pair).collect(),
            missing: before.iter().filter(|name| !now.contains(name)).copied().collect(),
            new: now.iter().filter(|name| !before.contains(name)).copied().collect(),
            circumstances: circumstances(base, candidate),
        }
    }
}

/// The names of all cases, in the order in which they ran.
fn names(records: &[Record]) -> Vec<&str> {
    distinct(records.iter().map(|record| record.case.name.as_str()))
}

fn circumstances(base: &[Record], candidate: &[Record]) -> Vec<String> {
    let (before, now) = (facts(base), facts(candidate));
    let all: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let told = |facts: &BTreeMap<String, BTreeSet<String>>, fact: &String| {
        facts
            .get(fact)
            .map_or("nothing".into(), |values| values.iter().cloned().collect::<Vec<_>>().join(" and "))
    };
    all.into_iter()
        .filter(|fact| before.get(*fact) != now.get(*fact))
        .map(|fact| {
            format!("{fact}: {} in the base, {} in the candidate", told(&before, fact), told(&now, fact))
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

#[cfg(test)]
mod tests {
    use super::{super::tests::records, *};

    #[test]
    fn cases_are_joined_by_name_and_the_others_are_listed() {
        let base = [records("h1", &[1.0, 2.0]), records("h2", &[1.0])].concat();
        let candidate = [records("h2", &[3.0]), records("h3", &[1.0])].concat();
        let joined = Joined::of(&base, &candidate);
        assert_eq!((joined.missing, joined.new), (vec!["h1/up/64KiB/2GiB"], vec!["h3/up/64KiB/2GiB"]));
        let [pair] = joined.pairs.as_slice() else { panic!("one pair") };
        assert_eq!((pair.name, pair.base.len(), pair.candidate.len()), ("h2/up/64KiB/2GiB", 1, 1));
        assert!(joined.circumstances.is_empty(), "{:?}", joined.circumstances);
    }

    #[test]
    fn other_machines_builds_and_limits_are_pointed_out() {
        let base = records("h2", &[1.0]);
        let mut candidate = base.clone();
        candidate[0].host.kernel = Some("9.9".into());
        candidate[0].build.versions.insert("h2".into(), "0.5.0".into());
        candidate[0].limits.h2_window = 4 << 20;
        let told = Joined::of(&base, &candidate).circumstances;
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("build versions h2: ") && told[0].ends_with("0.5.0 in the candidate"));
        let before = base[0].limits.h2_window;
        assert!(
            told[1].starts_with(&format!("limit h2-window: {before} in the base, 4194304")),
            "{}",
            told[1]
        );
        assert!(told[2].starts_with("machine kernel: "));
    }
}
