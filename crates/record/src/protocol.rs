//! The protocols: one row each, a carrier and the engine on top of it.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The transport below a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// TCP in cleartext.
    Tcp,
    /// TLS 1.3 over TCP.
    Tls,
    /// QUIC over UDP.
    Quic,
}

impl Carrier {
    /// The carrier's name, which is also the name of the protocol that runs the raw engine on it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }

    /// The library that implements the carrier.
    fn library(self) -> &'static str {
        match self {
            Self::Tcp => "tokio",
            Self::Tls => "rustls",
            Self::Quic => "quinn",
        }
    }
}

/// The protocol on top of a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The body without HTTP, behind a small head: the baseline.
    Raw,
    /// HTTP/1.1 with chunked bodies.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Engine {
    /// The version of HTTP, or nothing for the baseline.
    fn http(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            Self::Http1 => Some("1.1"),
            Self::Http2 => Some("2"),
            Self::Http3 => Some("3"),
        }
    }

    /// The library that implements the engine; the raw engine is a loop over the carrier.
    fn library(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            Self::Http1 => Some("hyper"),
            Self::Http2 => Some("h2"),
            Self::Http3 => Some("h3"),
        }
    }
}

/// One protocol: a row of [`PROTOCOLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// The `--protocol` flag's value and the first part of a case's name.
    pub name: &'static str,
    /// The transport below.
    pub carrier: Carrier,
    /// The protocol on top.
    pub engine: Engine,
}

/// All protocols, each baseline before the HTTP versions that are compared with it.
pub static PROTOCOLS: &[Protocol] = &[
    Protocol { name: "tcp", carrier: Carrier::Tcp, engine: Engine::Raw },
    Protocol { name: "h1c", carrier: Carrier::Tcp, engine: Engine::Http1 },
    Protocol { name: "h2c", carrier: Carrier::Tcp, engine: Engine::Http2 },
    Protocol { name: "tls", carrier: Carrier::Tls, engine: Engine::Raw },
    Protocol { name: "h1", carrier: Carrier::Tls, engine: Engine::Http1 },
    Protocol { name: "h2", carrier: Carrier::Tls, engine: Engine::Http2 },
    Protocol { name: "quic", carrier: Carrier::Quic, engine: Engine::Raw },
    Protocol { name: "h3", carrier: Carrier::Quic, engine: Engine::Http3 },
];

impl Protocol {
    /// The row of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|protocol| protocol.name == name)
    }

    /// Whether the protocol carries HTTP and is compared with a baseline.
    pub fn is_http(&self) -> bool {
        self.engine != Engine::Raw
    }

    /// Whether the protocol encrypts, by TLS 1.3 or by QUIC.
    pub fn is_encrypted(&self) -> bool {
        self.carrier != Carrier::Tcp
    }

    /// Whether one connection carries several bodies concurrently.
    pub fn has_streams(&self) -> bool {
        self.carrier == Carrier::Quic || matches!(self.engine, Engine::Http2 | Engine::Http3)
    }

    /// The protocol that moves the same bytes over the same carrier without HTTP; none for such a baseline itself.
    pub fn baseline(&self) -> Option<&'static str> {
        self.is_http().then(|| self.carrier.name())
    }

    /// The scheme of the protocol's URLs.
    pub fn scheme(&self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }

    /// The facts about the protocol that a record states.
    pub fn facts(&self) -> ProtocolFacts {
        let library = self.engine.library().unwrap_or_else(|| self.carrier.library());
        ProtocolFacts {
            name: self.name.into(),
            carrier: self.carrier.name().into(),
            http: self.engine.http().map(Cow::from),
            library: Some(library.into()),
            baseline: self.baseline().map(Cow::from),
            streams: self.has_streams(),
            tls: self.is_encrypted(),
        }
    }
}

/// The facts about a protocol that decide tables, charts and notes. With them, readers need not know the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ProtocolFacts {
    /// The protocol's name, as in the case.
    pub name: Cow<'static, str>,
    /// The transport below: `tcp`, `tls`, `quic`, or another.
    pub carrier: Cow<'static, str>,
    /// The version of HTTP; null for a baseline.
    pub http: Option<Cow<'static, str>>,
    /// The library that implements the protocol; null if it is not known.
    pub library: Option<Cow<'static, str>>,
    /// The protocol that moves the same bytes without HTTP; null for a baseline.
    pub baseline: Option<Cow<'static, str>>,
    /// Whether one connection carries several bodies concurrently.
    pub streams: bool,
    /// Whether the protocol encrypts.
    pub tls: bool,
}

impl ProtocolFacts {
    /// The facts of a protocol by its name. A name without a row counts as a carrier of its own, without a baseline.
    pub fn of(name: &str) -> Self {
        let unknown = || Self {
            name: name.to_owned().into(),
            carrier: name.to_owned().into(),
            http: None,
            library: None,
            baseline: None,
            streams: false,
            tls: false,
        };
        Protocol::by_name(name).map_or_else(unknown, Protocol::facts)
    }

    /// A key that sorts protocols by carrier (the known ones first), the baseline before the versions of HTTP.
    pub fn rank(&self) -> (usize, &str, Option<&str>, &str) {
        let known = ["tcp", "tls", "quic"];
        let carrier = known.iter().position(|name| *name == self.carrier).unwrap_or(known.len());
        (carrier, &self.carrier, self.http.as_deref(), &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_a_name_of_its_own_and_a_baseline_that_is_a_row() {
        for protocol in PROTOCOLS {
            assert_eq!(Protocol::by_name(protocol.name), Some(protocol));
            let baseline = protocol.baseline().map(|name| Protocol::by_name(name).unwrap());
            assert!(baseline.is_none_or(|row| !row.is_http() && row.carrier == protocol.carrier));
        }
    }

    #[test]
    fn the_rank_keeps_the_order_of_the_rows_and_puts_unknown_carriers_last() {
        let mut facts: Vec<_> = PROTOCOLS.iter().map(Protocol::facts).collect();
        facts.reverse();
        facts.push(ProtocolFacts::of("carrier-pigeon"));
        facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let names: Vec<_> = facts.iter().map(|facts| facts.name.as_ref()).collect();
        assert_eq!(names, ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3", "carrier-pigeon"]);
    }

    #[test]
    fn facts_say_what_a_protocol_consists_of() {
        let h3 = ProtocolFacts::of("h3");
        assert_eq!(
            (h3.carrier.as_ref(), h3.http.as_deref(), h3.baseline.as_deref()),
            ("quic", Some("3"), Some("quic"))
        );
        assert!(h3.streams && h3.tls && h3.library.as_deref() == Some("h3"));
        let quic = ProtocolFacts::of("quic");
        assert!(quic.streams && quic.baseline.is_none() && quic.library.as_deref() == Some("quinn"));
        assert!(!ProtocolFacts::of("h1").streams && !ProtocolFacts::of("h1c").tls);
    }
}
