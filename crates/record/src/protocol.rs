//! The protocols: one row each, with a carrier and the engine on top of that carrier.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ProtocolFacts;

/// The carrier: the transport below a protocol, as one library implements it.
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
        self.facts().name
    }

    /// Returns the facts about the carrier, one entry per carrier.
    fn facts(self) -> CarrierFacts {
        match self {
            Self::Tcp => CarrierFacts { name: "tcp", kind: CarrierKind::Tcp, library: "tokio" },
            Self::Tls => CarrierFacts { name: "tls", kind: CarrierKind::Tls, library: "rustls" },
            Self::Quic => CarrierFacts { name: "quic", kind: CarrierKind::Quic, library: "quinn" },
            Self::Udp => CarrierFacts { name: "udp", kind: CarrierKind::Udp, library: "tokio" },
        }
    }
}

/// The facts about a carrier.
struct CarrierFacts {
    /// The name of the carrier.
    name: &'static str,
    /// The kind of the carrier.
    kind: CarrierKind,
    /// The library that implements the carrier.
    library: &'static str,
}

/// The kind of a carrier, whichever library implements it. Protocols on carriers of one kind have the same limits and
/// the same ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarrierKind {
    /// TCP in cleartext.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// QUIC over UDP.
    Quic,
    /// Bare datagrams over UDP.
    Udp,
}

impl CarrierKind {
    /// Returns the name of the ceiling for protocols on carriers of this kind.
    fn ceiling(self) -> &'static str {
        match self {
            Self::Tcp => "tcp-ceiling",
            Self::Tls => "tls-ceiling",
            Self::Quic | Self::Udp => "quic-ceiling",
        }
    }
}

/// The engine: the protocol on top of a carrier, as one library implements it.
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
    /// Returns the facts about an engine with HTTP; `None` for an engine without HTTP, which is a loop over the
    /// carrier.
    fn http(self) -> Option<HttpFacts> {
        match self {
            Self::Raw | Self::Ceiling => None,
            Self::Http1 => Some(HttpFacts { version: "1.1", library: "hyper" }),
            Self::Http2 => Some(HttpFacts { version: "2", library: "h2" }),
            Self::Http3 => Some(HttpFacts { version: "3", library: "h3" }),
        }
    }
}

/// The facts about an engine with HTTP.
struct HttpFacts {
    /// The version of HTTP.
    version: &'static str,
    /// The library that implements the engine.
    library: &'static str,
}

/// One protocol: a row of [`PROTOCOLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// The `--protocol` flag's value and the first part of a case's name.
    pub name: &'static str,
    /// The carrier: the transport below the engine.
    pub carrier: Carrier,
    /// The engine: the protocol on top of the carrier.
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

    /// Returns whether the protocol is the ceiling of a carrier.
    pub fn is_ceiling(&self) -> bool {
        self.kind() == ProtocolKind::Ceiling
    }

    /// Returns the role of the protocol in comparisons.
    pub fn kind(&self) -> ProtocolKind {
        match self.engine {
            Engine::Raw => ProtocolKind::Baseline,
            Engine::Ceiling => ProtocolKind::Ceiling,
            _ => ProtocolKind::Http,
        }
    }

    /// Returns the version of HTTP: `1.1`, `2` or `3`; `None` for a baseline or a ceiling.
    pub fn http(&self) -> Option<&'static str> {
        self.engine.http().map(|http| http.version)
    }

    /// Returns the kind of the carrier.
    pub fn carrier_kind(&self) -> CarrierKind {
        self.carrier.facts().kind
    }

    /// Returns whether the protocol encrypts its bytes, by TLS 1.3 or by QUIC.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.carrier_kind(), CarrierKind::Tls | CarrierKind::Quic)
    }

    /// Returns whether UDP carries the bodies, in QUIC or as bare datagrams, rather than TCP.
    pub fn is_over_udp(&self) -> bool {
        matches!(self.carrier_kind(), CarrierKind::Quic | CarrierKind::Udp)
    }

    /// Returns whether one connection carries several bodies concurrently.
    pub fn has_streams(&self) -> bool {
        self.carrier_kind() == CarrierKind::Quic || self.http() == Some("2")
    }

    /// Returns the name of the baseline: the protocol that moves the same bytes over the same carrier without HTTP,
    /// chunk by chunk. `None` for protocols without HTTP.
    pub fn baseline(&self) -> Option<&'static str> {
        self.is_http().then(|| self.carrier.name())
    }

    /// Returns the name of the ceiling: the protocol that moves bytes over the same carrier as fast as this machine
    /// can. `None` for a ceiling.
    pub fn ceiling(&self) -> Option<&'static str> {
        (!self.is_ceiling()).then(|| self.carrier_kind().ceiling())
    }

    /// Returns the scheme of the protocol's URLs, `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }

    /// Returns the facts about the protocol that a record states.
    pub fn facts(&self) -> ProtocolFacts {
        let carrier = self.carrier.facts();
        let library = self.engine.http().map_or(carrier.library, |http| http.library);
        ProtocolFacts {
            name: self.name.into(),
            carrier: carrier.name.into(),
            http: self.http().map(Cow::from),
            library: Some(library.into()),
            kind: Some(self.kind()),
            baseline: self.baseline().map(Cow::from),
            ceiling: self.ceiling().map(Cow::from),
            streams: self.has_streams(),
            tls: self.is_encrypted(),
        }
    }
}

/// The role of a protocol in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProtocolKind {
    /// A plain loop over the carrier, chunk by chunk.
    Baseline,
    /// A version of HTTP.
    Http,
    /// A loop over the carrier in the best size of system calls: the highest goodput of the carrier on this machine,
    /// whatever the chunk size.
    Ceiling,
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
}
