//! Errors of connections and exchanges.

use std::{error::Error as StdError, io, net::SocketAddr, path::PathBuf};

use http::StatusCode;
use record::{Fault, FaultKind};

use crate::Peer;

/// A failure of a connection or an exchange. Its text is one line that includes all causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit has a value that cannot be used.
    #[error("{}", chain(.source.as_ref()))]
    Limit {
        /// The limit's flag, the value, and the values that would be right.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No connection could be opened.
    #[error("cannot connect to {addr}: {}", chain(.source))]
    Connect {
        /// The address that was dialled.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A proxy cannot be reached, or opened no tunnel.
    #[error("cannot connect through the proxy {addr}: {}", chain(.source.as_ref()))]
    Proxy {
        /// The address of the proxy.
        addr: SocketAddr,
        /// The error of the operating system, or the refusal of the proxy.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No connection could be opened over a Unix socket.
    #[error("cannot connect to {}: {}", path.display(), chain(.source))]
    ConnectUnix {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A Unix socket cannot be listened on.
    #[error("cannot listen on {}: {}", path.display(), chain(.source))]
    ListenUnix {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {}", chain(.source))]
    Listen {
        /// The address as it was requested.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A certificate, name or key cannot be used.
    #[error("cannot use the certificate: {}", chain(.source.as_ref()))]
    Identity {
        /// The error in the certificate, name or key.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The two ends did not agree on TLS, ALPN, QUIC or the protocol on top.
    #[error("handshake failed: {}", chain(.source.as_ref()))]
    Handshake {
        /// The error of the handshake.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A received body ended before its announced or framed end.
    #[error("the body broke off: {}", chain(.source.as_ref()))]
    Truncated {
        /// The error that ended the body.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The body to send failed. The exchange has failed, regardless of the response.
    #[error("the body to send failed: {}", chain(.source.as_ref()))]
    Body {
        /// The body's own error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection broke, or the peer violated the protocol.
    #[error("{protocol}: {}", chain(.source.as_ref()))]
    Protocol {
        /// The protocol's name.
        protocol: &'static str,
        /// The error that broke the connection, or the peer's violation.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A server refused a request before its head was complete or understood. Over HTTP/2 and HTTP/3 the connection may
    /// go on.
    #[error("{protocol}: {}", chain(.source.as_ref()))]
    Refused {
        /// The protocol's name.
        protocol: &'static str,
        /// The status that was sent. `None` if the stream or the connection ended without a response.
        status: Option<StatusCode>,
        /// The reason.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Returns the error of dialling the address of `peer`, as a proxy's error if `peer` has a proxy.
    pub(crate) fn of_proxy(self, peer: &Peer) -> Self {
        match self {
            Self::Connect { addr, source } if peer.proxy.is_some() => {
                Self::Proxy { addr, source: source.into() }
            }
            other => other,
        }
    }

    pub(crate) fn limit(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Limit { source: source.into() }
    }

    pub(crate) fn identity(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Identity { source: source.into() }
    }

    pub(crate) fn handshake(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Handshake { source: source.into() }
    }

    pub(crate) fn truncated(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Truncated { source: source.into() }
    }

    pub(crate) fn body(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Body { source: source.into() }
    }

    pub(crate) fn protocol(
        protocol: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Protocol { protocol, source: source.into() }
    }

    pub(crate) fn refused(
        protocol: &'static str,
        status: Option<StatusCode>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Refused { protocol, status, source: source.into() }
    }
}

/// Returns an error with all its causes on one line: the outermost error of a library often says little. A cause is
/// left out if its text is part of the line already.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

/// The fault that a record states. An invalid limit counts as a failed handshake, since records have no kind for
/// invalid limits.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Connect { .. } | Error::ConnectUnix { .. } | Error::Proxy { .. } => FaultKind::Connect,
            Error::Listen { .. } | Error::ListenUnix { .. } => FaultKind::Listen,
            Error::Limit { .. } | Error::Identity { .. } | Error::Handshake { .. } => FaultKind::Handshake,
            Error::Truncated { .. } => FaultKind::Truncated,
            Error::Body { .. } => FaultKind::Payload,
            Error::Protocol { .. } | Error::Refused { .. } => FaultKind::Protocol,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_prints_each_cause_once_and_keeps_all_of_them_as_sources() {
        let received = Error::truncated(Outer(io::Error::other("the wire was cut")));
        let sent = Error::body(received);
        let text = "the body to send failed: the body broke off: outer: the wire was cut";
        assert_eq!(sent.to_string(), text);
        let (mut causes, mut cause) = (Vec::new(), sent.source());
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        assert_eq!(causes, ["the body broke off: outer: the wire was cut", "outer", "the wire was cut"]);
    }

    #[test]
    fn a_fault_has_the_kind_and_the_text_of_the_error() {
        let fault = Fault::from(Error::protocol("HTTP/2", "reset"));
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Protocol, "HTTP/2: reset"));
        assert_eq!(Fault::from(Error::body("no more")).kind, FaultKind::Payload);
    }
}
