//! The protocols: one row each, with a carrier and the engine on top of that carrier.

use std::borrow::Cow;

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
    /// Bare datagrams over UDP, for the ceiling of QUIC.
    Udp,
}

impl Carrier {
    /// Returns the name of the carrier, which is also the name of the baseline on that carrier.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Udp => "udp",
        }
    }

    /// Returns the name of the ceiling for protocols on the carrier.
    fn ceiling(self) -> &'static str {
        match self {
            Self::Tcp => "tcp-ceiling",
            Self::Tls => "tls-ceiling",
            Self::Quic | Self::Udp => "quic-ceiling",
        }
    }

    /// Returns the library that implements the carrier.
    fn library(self) -> &'static str {
        match self {
            Self::Tcp => "tokio",
            Self::Tls => "rustls",
            Self::Quic => "quinn",
            Self::Udp => "tokio",
        }
    }
}

/// The protocol on top of a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The baseline: the body without HTTP, after a small head.
    Raw,
    /// The ceiling: the body without HTTP, in system calls of the carrier's best size, whatever the chunk size.
    Ceiling,
    /// HTTP/1.1 with chunked bodies.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Engine {
    /// Returns the version of HTTP; `None` for the baseline and the ceiling.
    fn http(self) -> Option<&'static str> {
        match self {
            Self::Raw | Self::Ceiling => None,
            Self::Http1 => Some("1.1"),
            Self::Http2 => Some("2"),
            Self::Http3 => Some("3"),
        }
    }

    /// Returns the library that implements the engine; `None` for the engines without HTTP, which are loops over the
    /// carrier.
    fn library(self) -> Option<&'static str> {
        match self {
            Self::Raw | Self::Ceiling => None,
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
    /// The transport below the engine.
    pub carrier: Carrier,
    /// The protocol on top of the carrier.
    pub engine: Engine,
}

/// All protocols, by carrier: the baseline, then the HTTP versions that are compared with it, then the ceiling.
pub static PROTOCOLS: &[Protocol] = &[
    Protocol { name: "tcp", carrier: Carrier::Tcp, engine: Engine::Raw },
    Protocol { name: "h1c", carrier: Carrier::Tcp, engine: Engine::Http1 },
    Protocol { name: "h2c", carrier: Carrier::Tcp, engine: Engine::Http2 },
    Protocol { name: "tcp-ceiling", carrier: Carrier::Tcp, engine: Engine::Ceiling },
    Protocol { name: "tls", carrier: Carrier::Tls, engine: Engine::Raw },
    Protocol { name: "h1", carrier: Carrier::Tls, engine: Engine::Http1 },
    Protocol { name: "h2", carrier: Carrier::Tls, engine: Engine::Http2 },
    Protocol { name: "tls-ceiling", carrier: Carrier::Tls, engine: Engine::Ceiling },
    Protocol { name: "quic", carrier: Carrier::Quic, engine: Engine::Raw },
    Protocol { name: "h3", carrier: Carrier::Quic, engine: Engine::Http3 },
    Protocol { name: "quic-ceiling", carrier: Carrier::Udp, engine: Engine::Ceiling },
];

impl Protocol {
    /// Returns the protocol called `name`, if there is one.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|protocol| protocol.name == name)
    }

    /// Returns whether the protocol carries HTTP. Such a protocol is compared with a baseline.
    pub fn is_http(&self) -> bool {
        self.kind() == ProtocolKind::Http
    }

    /// Returns whether the protocol is a ceiling.
    pub fn is_ceiling(&self) -> bool {
        self.kind() == ProtocolKind::Ceiling
    }

    /// Returns the part that the protocol plays in comparisons.
    pub fn kind(&self) -> ProtocolKind {
        match self.engine {
            Engine::Raw => ProtocolKind::Baseline,
            Engine::Ceiling => ProtocolKind::Ceiling,
            Engine::Http1 | Engine::Http2 | Engine::Http3 => ProtocolKind::Http,
        }
    }

    /// Returns whether the protocol encrypts its bytes, by TLS 1.3 or by QUIC.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.carrier, Carrier::Tls | Carrier::Quic)
    }

    /// Returns whether one connection carries several bodies concurrently.
    pub fn has_streams(&self) -> bool {
        self.carrier == Carrier::Quic || matches!(self.engine, Engine::Http2 | Engine::Http3)
    }

    /// Returns the name of the baseline: the protocol that moves the same bytes over the same carrier without HTTP,
    /// chunk by chunk. `None` for protocols without HTTP.
    pub fn baseline(&self) -> Option<&'static str> {
        self.is_http().then(|| self.carrier.name())
    }

    /// Returns the name of the ceiling: the protocol that moves bytes over the same carrier as fast as this machine
    /// can. `None` for a ceiling.
    pub fn ceiling(&self) -> Option<&'static str> {
        (!self.is_ceiling()).then(|| self.carrier.ceiling())
    }

    /// Returns the scheme of the protocol's URLs, `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }

    /// Returns the facts about the protocol that a record states.
    pub fn facts(&self) -> ProtocolFacts {
        let library = self.engine.library().unwrap_or_else(|| self.carrier.library());
        ProtocolFacts {
            name: self.name.into(),
            carrier: self.carrier.name().into(),
            http: self.engine.http().map(Cow::from),
            library: Some(library.into()),
            kind: Some(self.kind()),
            baseline: self.baseline().map(Cow::from),
            ceiling: self.ceiling().map(Cow::from),
            streams: self.has_streams(),
            tls: self.is_encrypted(),
        }
    }
}

/// The part that a protocol plays in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProtocolKind {
    /// A plain loop over the carrier, chunk by chunk.
    Baseline,
    /// A version of HTTP.
    Http,
    /// The most that the carrier gives on this machine, whatever the chunk.
    Ceiling,
}

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
    /// The part that the protocol plays in comparisons; null in records written before there were ceilings.
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

    /// Returns whether the protocol is a ceiling.
    pub fn is_ceiling(&self) -> bool {
        self.kind == Some(ProtocolKind::Ceiling)
    }

    /// Returns a key that sorts protocols by carrier, the known carriers first. On each carrier the baseline comes
    /// first, then the versions of HTTP, then the ceiling.
    pub fn rank(&self) -> (usize, &str, bool, Option<&str>, &str) {
        let known = ["tcp", "tls", "quic", "udp"];
        let carrier = known.iter().position(|name| *name == self.carrier).unwrap_or(known.len());
        (carrier, &self.carrier, self.is_ceiling(), self.http.as_deref(), &self.name)
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
    fn every_protocol_but_a_ceiling_has_a_ceiling_that_is_a_row() {
        for protocol in PROTOCOLS {
            let ceiling = protocol.ceiling().map(|name| Protocol::by_name(name).unwrap());
            assert_eq!(ceiling.is_none(), protocol.is_ceiling(), "{}", protocol.name);
            assert!(ceiling.is_none_or(Protocol::is_ceiling), "{}", protocol.name);
        }
        let ceilings: Vec<_> = PROTOCOLS.iter().filter(|protocol| protocol.is_ceiling()).collect();
        assert_eq!(ceilings.len(), 3);
        assert!(ceilings.iter().all(|ceiling| ceiling.baseline().is_none() && !ceiling.is_http()));
        assert!(!ceilings.iter().any(|ceiling| ceiling.has_streams()));
    }

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
