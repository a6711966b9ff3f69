//! The target of a transfer: a URL and a protocol.

use std::fmt;

use http::{
    Uri,
    uri::{Authority, InvalidUri, InvalidUriParts},
};
use record::{Engine, PROTOCOLS, Protocol};
use transport::Transport;

/// A URL, and the protocol for requests to it.
///
/// ```
/// # use record as longhaul_record;
/// use longhaul_client::Target;
/// use longhaul_record::Protocol;
///
/// # fn main() -> Result<(), longhaul_client::TargetError> {
/// let target = Target::parse("https://user:secret@example.org")?;
/// assert_eq!((target.url().as_str(), target.protocol().name), ("https://example.org/", "h2"));
/// assert_eq!(target.with_protocol(Protocol::by_name("h3"))?.protocol().name, "h3");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Target {
    transport: &'static dyn Transport,
    uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    /// Parses a URL. The default protocol is HTTP/1.1 for `http` and HTTP/2 over TLS for `https`.
    ///
    /// User information is dropped: a request must not contain it (RFC 9110 section 4.2.4), and a record should not.
    ///
    /// # Errors
    /// The text is not such a URL.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let malformed = |source| TargetError::Malformed { url: url.into(), source };
        let uri: Uri = url.parse().map_err(|error: InvalidUri| malformed(error.into()))?;
        let (engine, is_encrypted, default_port) = match uri.scheme_str() {
            Some("http") => (Engine::Http1, false, 80),
            Some("https") => (Engine::Http2, true, 443),
            _ => return Err(TargetError::Scheme { url: url.into() }),
        };
        let uri = without_user(uri).map_err(malformed)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| TargetError::NoHost { url: url.into() })?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port(&uri, default_port).ok_or_else(|| TargetError::Port { url: url.into() })?;
        let is_default = |row: &Protocol| row.engine == engine && row.is_encrypted() == is_encrypted;
        let transport = transport::all().find(|transport| is_default(transport.protocol()));
        let transport = transport.ok_or_else(|| TargetError::Scheme { url: url.into() })?;
        Ok(Self { transport, uri, host, port })
    }

    /// Chooses the protocol; `None` leaves it as it is.
    ///
    /// # Errors
    /// The protocol is a baseline without HTTP, or belongs to the other scheme.
    pub fn with_protocol(self, protocol: impl Into<Option<&'static Protocol>>) -> Result<Self, TargetError> {
        let Some(protocol) = protocol.into() else { return Ok(self) };
        if !protocol.is_http() {
            return Err(TargetError::NotHttp { protocol });
        }
        if Some(protocol.scheme()) != self.uri.scheme_str() {
            return Err(TargetError::OtherScheme { url: self.url(), protocol });
        }
        let transport = transport::of(protocol).ok_or(TargetError::Unimplemented { protocol })?;
        Ok(Self { transport, ..self })
    }

    /// The URL in its normal form: without user information and fragment, with a path. Its query is kept.
    pub fn url(&self) -> String {
        self.uri.to_string()
    }

    /// The protocol for requests to the URL.
    pub fn protocol(&self) -> &'static Protocol {
        self.transport.protocol()
    }

    pub(crate) fn transport(&self) -> &'static dyn Transport {
        self.transport
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host name, or the address without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url()).field("protocol", self.protocol()).finish()
    }
}

/// An invalid URL, or a protocol that does not fit the URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The text is not a URL.
    #[error("'{url}': not a URL: {source}")]
    Malformed {
        /// The text.
        url: String,
        /// The error of the parser.
        source: http::Error,
    },
    /// The URL has no scheme, or a scheme other than `http` and `https`.
    #[error("'{url}': a URL begins with http:// or https://")]
    Scheme {
        /// The URL.
        url: String,
    },
    /// The URL names no host.
    #[error("'{url}': there is no host in it")]
    NoHost {
        /// The URL.
        url: String,
    },
    /// The URL's port is not a number from 1 to 65535.
    #[error("'{url}': a port is a number from 1 to 65535")]
    Port {
        /// The URL.
        url: String,
    },
    /// The protocol is a baseline.
    #[error("{} is a baseline with no HTTP; use {}", protocol.name, http_names())]
    NotHttp {
        /// The protocol.
        protocol: &'static Protocol,
    },
    /// The protocol belongs to the other scheme.
    #[error("'{url}': {} needs {}://", protocol.name, protocol.scheme())]
    OtherScheme {
        /// The URL.
        url: String,
        /// The protocol.
        protocol: &'static Protocol,
    },
    /// Nothing implements the protocol.
    #[error("{} is not implemented; use {}", protocol.name, http_names())]
    Unimplemented {
        /// The protocol.
        protocol: &'static Protocol,
    },
}

/// The names of all protocols with HTTP, for messages.
fn http_names() -> String {
    let names: Vec<_> = PROTOCOLS.iter().filter(|row| row.is_http()).map(|row| row.name).collect();
    match names.split_last() {
        Some((last, names)) => format!("{} or {last}", names.join(", ")),
        None => String::new(),
    }
}

fn without_user(uri: Uri) -> Result<Uri, http::Error> {
    let mut parts = uri.into_parts();
    if let Some(authority) = &parts.authority
        && let Some((_, host_and_port)) = authority.as_str().rsplit_once('@')
    {
        parts.authority = Some(host_and_port.parse::<Authority>()?);
    }
    Uri::from_parts(parts).map_err(|error: InvalidUriParts| error.into())
}

/// The port of a URL, or `default` if the URL states none. `None` if the stated port is invalid.
fn port(uri: &Uri, default: u16) -> Option<u16> {
    let authority = uri.authority()?;
    match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
        None | Some("") => Some(default),
        Some(_) => authority.port_u16().filter(|port| *port > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    fn refused(url: &str) -> String {
        Target::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn the_scheme_decides_the_default_protocol_and_port() {
        let facts = |url| {
            let target = target(url);
            (target.protocol().name, target.port)
        };
        assert_eq!(facts("http://x"), ("h1c", 80));
        assert_eq!(facts("HTTPS://x/a"), ("h2", 443));
        assert_eq!(facts("http://x:/"), ("h1c", 80));
        assert_eq!(facts("https://x:8443/"), ("h2", 8443));
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        assert_eq!(target("http://example.org:1/").host(), "example.org");
        assert_eq!(target("http://127.0.0.1/").host(), "127.0.0.1");
        let ipv6 = target("http://[::1]:8080/a");
        assert_eq!((ipv6.host(), ipv6.port()), ("::1", 8080));
    }

    #[test]
    fn user_information_and_fragments_leave_the_url_and_the_query_stays() {
        let normal = |url| target(url).url();
        assert_eq!(normal("http://me:pass@word@x:1/a?b=c#d"), "http://x:1/a?b=c");
        assert_eq!(normal("http://me@[::1]/a"), "http://[::1]/a");
        assert_eq!(normal("http://x?size=1"), "http://x/?size=1");
        assert!(!format!("{:?}", target("http://me:secret@x/")).contains("secret"));
    }

    #[test]
    fn a_text_that_is_no_url_of_http_is_refused() {
        for url in ["", "nonsense", "ftp://x/", "//x/", "/a"] {
            let text = refused(url);
            assert!(text.contains("http:// or https://") || text.contains("not a URL"), "{url}: {text}");
        }
        for url in ["http:///a", "http://", "http://me@/", "http://:80/"] {
            let text = refused(url);
            assert!(text.contains("no host") || text.contains("not a URL"), "{url}: {text}");
        }
        for url in ["http://x:0/", "http://x:65536/"] {
            let text = refused(url);
            assert!(text.contains("from 1 to 65535") || text.contains("not a URL"), "{url}: {text}");
        }
    }

    #[test]
    fn every_protocol_fits_exactly_its_scheme_and_baselines_fit_none() {
        for protocol in PROTOCOLS {
            for (url, scheme) in [("http://x/", "http"), ("https://x/", "https")] {
                let chosen = target(url).with_protocol(protocol);
                if protocol.is_http() && protocol.scheme() == scheme {
                    assert_eq!(chosen.unwrap().protocol(), protocol);
                    continue;
                }
                let text = chosen.unwrap_err().to_string();
                let needs = format!("{} needs {}://", protocol.name, protocol.scheme());
                assert!(text.contains(if protocol.is_http() { &needs } else { "no HTTP" }), "{text}");
            }
        }
        let text = target("http://x/").with_protocol(Protocol::by_name("tcp")).unwrap_err().to_string();
        assert_eq!(text, "tcp is a baseline with no HTTP; use h1c, h2c, h1, h2 or h3");
        assert_eq!(target("http://x/").with_protocol(None).unwrap().protocol().name, "h1c");
    }

    #[test]
    fn a_row_that_nothing_implements_is_refused() {
        static H3C: Protocol = Protocol { name: "h3c", carrier: record::Carrier::Tcp, engine: Engine::Http3 };
        let error = target("http://x/").with_protocol(&H3C).unwrap_err();
        assert!(matches!(error, TargetError::Unimplemented { .. }), "{error}");
    }
}
