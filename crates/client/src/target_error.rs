//! The reasons why a target cannot be used.

use record::{PROTOCOLS, Protocol};

use crate::CredentialsError;

/// An invalid URL, or a protocol that does not fit the URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The text is not a URL.
    #[error("'{url}': not a URL: {source}")]
    Malformed {
        /// The text that was given as the URL.
        url: String,
        /// The error of the URL parser.
        source: http::Error,
    },
    /// The URL has no scheme, or a scheme other than `http` and `https`.
    #[error("'{url}': a URL begins with http:// or https://")]
    Scheme {
        /// The URL that cannot be used.
        url: String,
    },
    /// The user information in the URL cannot be sent.
    #[error("'{url}': {source}")]
    User {
        /// The URL, without the user information.
        url: String,
        /// The reason why the user information cannot be sent.
        source: CredentialsError,
    },
    /// The URL names no host.
    #[error("'{url}': the URL has no host")]
    NoHost {
        /// The URL that cannot be used.
        url: String,
    },
    /// The URL's port is not a number from 1 to 65535.
    #[error("'{url}': a port is a number from 1 to 65535")]
    Port {
        /// The URL that cannot be used.
        url: String,
    },
    /// The protocol is a baseline or a ceiling.
    #[error("{} is a {} without HTTP; use {}", protocol.name, kind(protocol), http_names())]
    NotHttp {
        /// The protocol that cannot be used.
        protocol: &'static Protocol,
    },
    /// The protocol does not fit the scheme of the URL.
    #[error("'{url}': {} needs {}://", protocol.name, protocol.scheme())]
    OtherScheme {
        /// The URL that cannot be used.
        url: String,
        /// The protocol that cannot be used.
        protocol: &'static Protocol,
    },
    /// The protocol is not implemented in this version of longhaul.
    #[error("{} is not implemented; use {}", protocol.name, http_names())]
    Unimplemented {
        /// The protocol that cannot be used.
        protocol: &'static Protocol,
    },
}

/// Returns the kind of a protocol without HTTP in words: baseline or ceiling.
fn kind(protocol: &Protocol) -> &'static str {
    if protocol.is_ceiling() { "ceiling" } else { "baseline" }
}

/// Returns the names of all protocols with HTTP, for messages.
fn http_names() -> String {
    let names: Vec<_> = PROTOCOLS.iter().filter(|row| row.is_http()).map(|row| row.name).collect();
    match names.split_last() {
        Some((last, names)) => format!("{} or {last}", names.join(", ")),
        None => String::new(),
    }
}
