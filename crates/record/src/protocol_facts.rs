//! The facts about a protocol that a record states.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{PROTOCOLS, Protocol, ProtocolKind};

/// The facts about a protocol that tables, charts and notes depend on. With these facts, a program can show records of
/// protocols that it does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ProtocolFacts {
    /// The name of the protocol, as in the case.
    pub name: Cow<'static, str>,
    /// The name of the carrier: `tcp`, `tls`, `quic`, or another.
    pub carrier: Cow<'static, str>,
    /// The version of HTTP; null for a baseline or a ceiling.
    pub http: Option<Cow<'static, str>>,
    /// The library that implements the protocol; null if the library is not known.
    pub library: Option<Cow<'static, str>>,
    /// The role of the protocol in comparisons; null in records written before there were ceilings.
    #[serde(default)]
    pub kind: Option<ProtocolKind>,
    /// The name of the protocol that moves the same bytes without HTTP; null for a baseline or a ceiling.
    pub baseline: Option<Cow<'static, str>>,
    /// The name of the protocol that moves bytes over the carrier as fast as the machine can; null for a ceiling, and
    /// in records written before there were ceilings.
    #[serde(default)]
    pub ceiling: Option<Cow<'static, str>>,
    /// True if one connection carries several bodies concurrently.
    pub streams: bool,
    /// True if the protocol encrypts its bytes.
    pub tls: bool,
}

impl ProtocolFacts {
    /// Returns the facts about the protocol called `name`. A name without a row in [`PROTOCOLS`] counts as a carrier of
    /// its own, without a baseline.
    pub fn of(name: &str) -> Self {
        let unknown = || Self {
            name: name.to_owned().into(),
            carrier: name.to_owned().into(),
            http: None,
            library: None,
            kind: None,
            baseline: None,
            ceiling: None,
            streams: false,
            tls: false,
        };
        Protocol::by_name(name).map_or_else(unknown, Protocol::facts)
    }

    /// Returns whether the protocol is the ceiling of a carrier.
    pub fn is_ceiling(&self) -> bool {
        self.kind == Some(ProtocolKind::Ceiling)
    }

    /// Returns a key that sorts protocols by carrier, the known carriers first. On each carrier the baseline comes
    /// first, then the versions of HTTP, then the ceiling.
    pub fn rank(&self) -> (usize, &str, bool, Option<&str>, &str) {
        let known = PROTOCOLS.iter().position(|row| row.carrier.name() == self.carrier);
        let carrier = known.unwrap_or(PROTOCOLS.len());
        (carrier, &self.carrier, self.is_ceiling(), self.http.as_deref(), &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_records_without_ceilings_are_read() {
        let mut json = serde_json::to_value(ProtocolFacts::of("h3")).unwrap();
        json.as_object_mut().unwrap().retain(|name, _| name != "ceiling" && name != "kind");
        let facts: ProtocolFacts = serde_json::from_value(json).unwrap();
        assert_eq!((facts.ceiling.as_deref(), facts.kind, facts.is_ceiling()), (None, None, false));
    }

    #[test]
    fn the_rank_keeps_the_order_of_the_rows_and_puts_unknown_carriers_last() {
        let mut facts: Vec<_> = PROTOCOLS.iter().map(Protocol::facts).collect();
        facts.reverse();
        facts.push(ProtocolFacts::of("carrier-pigeon"));
        facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let names: Vec<_> = facts.iter().map(|facts| facts.name.as_ref()).collect();
        let rows: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        assert_eq!(names, [&rows[..], &["carrier-pigeon"]].concat());
    }

    #[test]
    fn facts_say_what_a_protocol_consists_of() {
        let h3 = ProtocolFacts::of("h3");
        assert_eq!(
            (h3.carrier.as_ref(), h3.http.as_deref(), h3.baseline.as_deref()),
            ("quic", Some("3"), Some("quic"))
        );
        assert!(h3.streams && h3.tls && h3.library.as_deref() == Some("h3"));
        assert_eq!((h3.kind, h3.ceiling.as_deref()), (Some(ProtocolKind::Http), Some("quic-ceiling")));
        let quic = ProtocolFacts::of("quic");
        assert!(quic.streams && quic.baseline.is_none() && quic.library.as_deref() == Some("quinn"));
        assert!(!ProtocolFacts::of("h1").streams && !ProtocolFacts::of("h1c").tls);
    }
}
