//! One side of a comparison: a set of records, reduced to the figures that are compared.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    slice,
};

use record::{Build, FaultKind, Host, Limits, Record};
use serde_json::Value;

use super::{METRICS, MetricFamily};
use crate::{SeriesKey, conditions, machines, series::is_control, session_facts::in_sessions};

/// One side of a comparison: the base or the candidate.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// The runs of each series, in the order of the series' first appearance.
    pub(super) series: Vec<(SeriesKey, Vec<Run>)>,
    known: HashMap<SeriesKey, usize>,
    /// The sessions of the records.
    sessions: BTreeSet<String>,
    /// The first warning of each condition and the sessions that had it, by the name of the condition.
    warnings: BTreeMap<String, (String, BTreeSet<String>)>,
    /// All values of each fact about machine, build, limits and observed framing, by the path of the fact.
    pub(super) facts: BTreeMap<String, BTreeSet<String>>,
    /// The machines, kernels and allocators of the records.
    pub(super) machines: machines::Machines,
    /// The facts of the previous record. A record with equal facts adds nothing.
    last: Option<(Host, Option<Host>, Build, Limits)>,
}

/// One run of a series, reduced to the figures that are compared.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) started_at: Box<str>,
    pub(super) is_ok: bool,
    pub(super) failure: Option<FaultKind>,
    /// True if the cores of the two ends were far apart; `None` if their distance is unknown.
    pub(super) is_far: Option<bool>,
    /// False if the run is known to have been disturbed.
    pub(super) is_undisturbed: bool,
    /// The figures, in the order of [`METRICS`].
    pub(super) figures: Box<[Option<f64>]>,
}

impl Side {
    /// Adds a record to this side. Controls are left out: their memory grows on purpose, and they run too few times
    /// for an interval.
    pub(super) fn add(&mut self, record: &Record) {
        if is_control(record, slice::from_ref(record)) {
            return;
        }
        self.note_facts(record);
        for warning in &record.warnings {
            let sessions = self
                .warnings
                .entry(warning.name.clone())
                .or_insert_with(|| (warning.to_string(), BTreeSet::new()));
            insert(&mut sessions.1, &record.run_id);
        }
        insert(&mut self.sessions, &record.run_id);
        let key = SeriesKey::of(record);
        let next = self.series.len();
        let index = *self.known.entry(key.clone()).or_insert(next);
        if index == next {
            self.series.push((key, Vec::new()));
        }
        if let Some((_, runs)) = self.series.get_mut(index) {
            runs.push(Run::of(record));
        }
    }

    fn note_facts(&mut self, record: &Record) {
        if let Some(is_observed) = conditions::observes_framing(record) {
            let word = if is_observed { "observed" } else { "not observed" };
            self.facts.entry("framing".into()).or_default().insert(word.into());
        }
        let (host, build, limits): (&Host, &Build, &Limits) = (&record.host, &record.build, &record.limits);
        let peer = record.peer_host.as_deref();
        let facts = (host, peer, build, limits);
        if self
            .last
            .as_ref()
            .is_some_and(|(host, peer, build, limits)| (host, peer.as_ref(), build, limits) == facts)
        {
            return;
        }
        self.last = Some((host.clone(), peer.cloned(), build.clone(), limits.clone()));
        self.machines.add(host, peer, build);
        let parts = [
            ("machine", serde_json::to_value(host)),
            ("server's machine", peer.map_or(Ok(serde_json::Value::Null), serde_json::to_value)),
            ("build", serde_json::to_value(build)),
            ("limit", serde_json::to_value(limits)),
        ];
        for (name, value) in parts {
            collect(name, &value.unwrap_or_default(), &mut self.facts);
        }
    }

    /// Removes the label from the keys of both sides if all series of each side share one, and likewise the peer. If
    /// the peers of each side are URLs of one server, the keys keep path and query only. Two servers or two builds can
    /// then be compared.
    pub(super) fn make_comparable(sides: [&mut Self; 2]) {
        let is_one = |part: fn(&SeriesKey) -> &Option<String>| {
            sides.iter().all(|side| {
                let values: BTreeSet<_> = side.series.iter().map(|(key, _)| part(key)).collect();
                values.len() <= 1
            })
        };
        let (has_one_label, has_one_peer) = (is_one(|key| &key.label), is_one(|key| &key.peer));
        let [base, candidate] = sides.each_ref().map(|side| side.origin());
        let have_other_origins = base.is_some() && candidate.is_some() && base != candidate;
        for side in sides {
            for (key, _) in &mut side.series {
                if has_one_label {
                    key.label = None;
                }
                if has_one_peer {
                    key.peer = None;
                } else if have_other_origins {
                    let rest = key.peer.as_deref().and_then(split_origin).map(|(_, rest)| rest.to_owned());
                    key.peer = rest;
                }
            }
            side.known =
                side.series.iter().enumerate().map(|(index, (key, _))| (key.clone(), index)).collect();
        }
    }

    /// Returns the origin that all peers of this side share; `None` if there are several, or if a peer is no URL.
    fn origin(&self) -> Option<String> {
        let mut peers = self.series.iter().filter_map(|(key, _)| key.peer.as_deref());
        let (first, _) = split_origin(peers.next()?)?;
        let is_same = |peer: &str| split_origin(peer).is_some_and(|(origin, _)| origin == first);
        peers.all(is_same).then(|| first.to_owned())
    }

    /// Returns the warnings of the machine, one for each condition. A warning of some sessions only begins with their
    /// number.
    pub(super) fn warnings(&self) -> Vec<String> {
        let text = |(text, sessions): &(String, BTreeSet<String>)| {
            in_sessions(text.clone(), sessions.len(), self.sessions.len())
        };
        self.warnings.values().map(text).collect()
    }

    /// Returns the runs of a series; `None` if this side does not have the series.
    pub(super) fn runs(&self, key: &SeriesKey) -> Option<&[Run]> {
        self.series.get(*self.known.get(key)?).map(|(_, runs)| runs.as_slice())
    }
}

impl Run {
    fn of(record: &Record) -> Self {
        Self {
            started_at: record.started_at.as_str().into(),
            is_ok: record.is_ok(),
            failure: record.error.as_ref().map(|fault| fault.kind),
            is_far: record.core_round_trip.map(record::CoreRoundTrip::is_far),
            is_undisturbed: record.is_undisturbed(),
            figures: METRICS.iter().map(|metric| metric.of(record)).collect(),
        }
    }

    /// Returns the goodput of a successful run; `None` without one. An empty body has none.
    pub(super) fn goodput(&self) -> Option<f64> {
        let index = METRICS.iter().position(|metric| metric.family == MetricFamily::Goodput)?;
        self.figures.get(index).copied().flatten()
    }
}

/// Returns whether any run has a goodput.
pub(super) fn has_goodput(runs: &[Run]) -> bool {
    runs.iter().any(|run| run.goodput().is_some())
}

/// Splits a URL into its origin (scheme and authority) and the rest; `None` if the text is no URL.
fn split_origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let authority = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    let end = scheme.len().checked_add("://".len())?.checked_add(authority)?;
    url.split_at_checked(end).filter(|_| is_scheme(scheme) && authority > 0)
}

/// Inserts a text into a set, without a copy if the set has it.
fn insert(set: &mut BTreeSet<String>, text: &str) {
    if !set.contains(text) {
        set.insert(text.to_owned());
    }
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
