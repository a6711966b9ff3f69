//! Why a connection or an exchange failed.

use std::{io, net::SocketAddr};

/// What went wrong between two ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be opened.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// Who was dialled.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address as it was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Certificate, name or key cannot be used.
    #[error("cannot use the certificate: {0}")]
    Identity(String),
    /// TLS, ALPN or QUIC could not agree.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// A body ended before its announced or framed end.
    #[error("the body broke off: {0}")]
    Truncated(String),
    /// The body to send failed; the exchange is over whatever the peer says.
    #[error("the body to send failed: {0}")]
    Body(String),
    /// The connection ended or the peer broke the protocol's rules.
    #[error("{protocol}: {reason}")]
    Protocol {
        /// Whose rules.
        protocol: &'static str,
        /// What happened.
        reason: String,
    },
}

impl Error {
    pub(crate) fn handshake(error: impl std::error::Error) -> Self {
        Self::Handshake(chain(&error))
    }

    pub(crate) fn truncated(error: impl std::error::Error) -> Self {
        Self::Truncated(chain(&error))
    }

    pub(crate) fn body(error: &crate::BodyError) -> Self {
        Self::Body(chain(error.as_ref()))
    }

    pub(crate) fn protocol(protocol: &'static str, error: impl std::error::Error) -> Self {
        Self::Protocol { protocol, reason: chain(&error) }
    }
}

/// An error with all its causes on one line: libraries say little in the outermost one. A cause that the
/// text already ends with is not repeated.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}
