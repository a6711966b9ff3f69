//! The target of a transfer: a URL and a protocol.

use std::{fmt, os::unix::ffi::OsStrExt as _, path::Path};

use http::{
    Uri,
    uri::{InvalidUri, PathAndQuery},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use record::{Protocol, redacted_url};
use transport::Transport;

use crate::{
    Credentials, Options, TargetError,
    url::{in_zone, of_user, port, shown, with_zone, without_user, without_zone},
};

/// The characters of a file's name that are percent-encoded in a path segment: all except the unreserved characters
/// (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL, and the protocol of requests to that URL.
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
    /// The URL without user information, and without the zone of an address: a zone means nothing to the server (RFC 6874
    /// section 4).
    uri: Uri,
    host: String,
    /// The zone of a link-local address, percent-encoded as in the URL; `None` if the URL has none.
    zone: Option<String>,
    /// The host as the resolver takes it: with the zone.
    node: String,
    port: u16,
    credentials: Option<Credentials>,
}

impl Target {
    /// Parses a URL. The default protocol is HTTP/1.1 for `http` and HTTP/2 over TLS for `https`.
    ///
    /// User information becomes the credentials of requests. No request line, record or error contains it (RFC 9110
    /// section 4.2.4).
    ///
    /// # Errors
    /// Fails if the text is not a URL with the scheme `http` or `https`, a host and a valid port.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let url = &shown(text);
        let malformed = |source| TargetError::Malformed { url: url.into(), source };
        let uri: Uri = text.parse().map_err(|error: InvalidUri| malformed(error.into()))?;
        let (http, is_encrypted, default_port) = match uri.scheme_str() {
            Some("http") => ("1.1", false, 80),
            Some("https") => ("2", true, 443),
            _ => return Err(TargetError::Scheme { url: url.into() }),
        };
        let (uri, user) = without_user(uri).map_err(malformed)?;
        let (uri, zone) = without_zone(uri).map_err(malformed)?;
        let credentials = user.as_deref().map(of_user).transpose();
        let credentials = credentials.map_err(|source| TargetError::User { url: url.into(), source })?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| TargetError::NoHost { url: url.into() })?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let node = zone.as_deref().map_or_else(|| host.clone(), |zone| in_zone(&host, zone));
        let port = port(&uri, default_port).ok_or_else(|| TargetError::Port { url: url.into() })?;
        let is_default = |row: &Protocol| row.http() == Some(http) && row.is_encrypted() == is_encrypted;
        let transport = transport::all().find(|transport| is_default(transport.protocol()));
        let transport = transport.ok_or_else(|| TargetError::Scheme { url: url.into() })?;
        Ok(Self { transport, uri, host, zone, node, port, credentials })
    }

    /// Appends the name of an uploaded file if the path ends with a slash and there is no query, as curl does.
    #[must_use]
    pub fn with_file_name(self, file: &Path) -> Self {
        let (true, None, Some(name)) = (self.uri.path().ends_with('/'), self.uri.query(), file.file_name())
        else {
            return self;
        };
        let name = percent_encode(name.as_bytes(), RESERVED);
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = format!("{}{name}", self.uri.path()).parse::<PathAndQuery>().ok();
        match Uri::from_parts(parts) {
            Ok(uri) => Self { uri, ..self },
            Err(_) => self,
        }
    }

    /// Sets the protocol; `None` leaves the protocol unchanged.
    ///
    /// # Errors
    /// Fails if the protocol is a baseline or a ceiling, or does not fit the scheme of the URL.
    pub fn with_protocol(self, protocol: impl Into<Option<&'static Protocol>>) -> Result<Self, TargetError> {
        let Some(protocol) = protocol.into() else { return Ok(self) };
        if !protocol.is_http() {
            return Err(TargetError::NotHttp { protocol });
        }
        if Some(protocol.scheme()) != self.uri.scheme_str() {
            return Err(TargetError::OtherScheme { url: redacted_url(&self.url()), protocol });
        }
        let transport = transport::of(protocol).ok_or(TargetError::Unimplemented { protocol })?;
        Ok(Self { transport, ..self })
    }

    /// Returns the URL in its normal form: with a path and the query, but without user information and fragment.
    pub fn url(&self) -> String {
        let url = self.uri.to_string();
        match &self.zone {
            Some(zone) => with_zone(&url, zone),
            None => url,
        }
    }

    /// Returns the peer as records state it: the URL without secrets, the host that requests name if it differs from the
    /// URL's, and the proxy.
    pub(crate) fn peer(&self, options: &Options) -> String {
        let host = options.request.host().map(|host| format!("Host: {host}"));
        let proxy = options.proxy.as_ref().map(|proxy| format!("proxy: {proxy}"));
        let additions: Vec<_> = host.into_iter().chain(proxy).collect();
        let url = redacted_url(&self.url());
        if additions.is_empty() { url } else { format!("{url} ({})", additions.join(", ")) }
    }

    /// Returns the value of a parameter in the query; `None` if the query does not have it.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.uri.query()?.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns the protocol for requests to the URL.
    pub fn protocol(&self) -> &'static Protocol {
        self.transport.protocol()
    }

    pub(crate) fn transport(&self) -> &'static dyn Transport {
        self.transport
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Takes the credentials of another target, if this target has none.
    pub(crate) fn or_credentials_of(self, other: &Self) -> Self {
        Self { credentials: self.credentials.or_else(|| other.credentials.clone()), ..self }
    }

    /// Takes the zone of another target if both have the same address, and this target has no zone. A server does not
    /// know the zone by which its client reaches it.
    pub(crate) fn or_zone_of(self, other: &Self) -> Self {
        match &other.zone {
            Some(_) if self.zone.is_none() && self.host.eq_ignore_ascii_case(&other.host) => {
                Self { zone: other.zone.clone(), node: other.node.clone(), ..self }
            }
            _ => self,
        }
    }

    /// Returns the credentials in the URL; `None` if there are none.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Returns the host name, or the address without brackets and zone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the host as the resolver takes it: the name, or the address with its zone, such as `fe80::1%eth0`.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Returns the port of the URL, or the default port of its scheme.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &redacted_url(&self.url()))
            .field("protocol", self.protocol())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use record::PROTOCOLS;

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
    fn the_zone_of_an_address_is_part_of_the_url_and_not_of_the_request() {
        let zoned = target("http://me:pw@[fe80::1%25eth%2D0]:8080/a?b=]");
        assert_eq!((zoned.host(), zoned.node(), zoned.port()), ("fe80::1", "fe80::1%eth-0", 8080));
        assert_eq!(zoned.url(), "http://[fe80::1%25eth%2D0]:8080/a?b=]");
        assert_eq!(zoned.uri().to_string(), "http://[fe80::1]:8080/a?b=]");
        assert_eq!(target("http://[fe80::1]/").or_zone_of(&zoned).node(), "fe80::1%eth-0");
        for other in ["http://[fe80::2]/", "http://[fe80::1%25lo]/", "http://x/"] {
            assert_eq!(target(other).or_zone_of(&zoned).node(), target(other).node());
        }
        assert_eq!(target("http://[::1]:1/").node(), "::1");
    }

    #[test]
    fn user_information_and_fragments_leave_the_url_and_the_query_stays() {
        let normal = |url| target(url).url();
        assert_eq!(normal("http://me:pass@word@x:1/a?b=c#d"), "http://x:1/a?b=c");
        assert_eq!(normal("http://me@[::1]/a"), "http://[::1]/a");
        assert_eq!(normal("http://x?size=1"), "http://x/?size=1");
        let debug = format!("{:?}", target("http://me:secret@x/?token=secret"));
        assert!(!debug.contains("secret"), "{debug}");
    }

    #[test]
    fn user_information_becomes_credentials() {
        let sent = |url| target(url).credentials().map(|credentials| credentials.value().clone());
        assert_eq!(sent("http://x/"), None);
        for (url, user) in [
            ("http://Aladdin:open%20sesame@x/", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("http://me@x/", "bWU6"),
            ("http://me:a:b@x/", "bWU6YTpi"),
        ] {
            assert_eq!(sent(url).unwrap(), format!("Basic {user}"), "{url}");
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        for url in [
            "hunter2@x",
            "ftp://me:hunter2@x/",
            "http://me:hunter2@/",
            "http://me:hunter2@x:0/",
            "http://me:a/hunter2@x/",
            "http://me:hunter2@x y/",
            "http://me%3Aa:hunter2@x/",
            "http://x:0/?token=hunter2",
        ] {
            let text = refused(url);
            assert!(!text.contains("hunter2"), "{text}");
        }
        let text = target("https://x/?token=hunter2").with_protocol(Protocol::by_name("h2c")).unwrap_err();
        assert!(!text.to_string().contains("hunter2"), "{text}");
    }

    #[test]
    fn a_path_that_ends_with_a_slash_gets_the_name_of_the_file() {
        let named = |url: &str, file: &str| target(url).with_file_name(Path::new(file)).url();
        for (url, file, expected) in [
            ("http://x", "/a/some.iso", "http://x/some.iso"),
            ("http://x/b/", "some file?#ä%.iso", "http://x/b/some%20file%3F%23%C3%A4%25.iso"),
            ("http://x/b", "some.iso", "http://x/b"),
            ("http://x/?file=a", "some.iso", "http://x/?file=a"),
            ("http://x/", "/", "http://x/"),
        ] {
            assert_eq!(named(url, file), expected);
        }
        let bytes = std::ffi::OsStr::from_bytes(b"\xff");
        assert_eq!(target("http://x/").with_file_name(Path::new(bytes)).url(), "http://x/%FF");
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
                assert!(text.contains(if protocol.is_http() { &needs } else { "without HTTP" }), "{text}");
            }
        }
        let text = target("http://x/").with_protocol(Protocol::by_name("tcp")).unwrap_err().to_string();
        assert_eq!(text, "tcp is a baseline without HTTP; use h1c, h2c, h1, h2 or h3");
        assert_eq!(target("http://x/").with_protocol(None).unwrap().protocol().name, "h1c");
    }

    #[test]
    fn a_protocol_without_an_implementation_is_refused() {
        static H3C: Protocol =
            Protocol { name: "h3c", carrier: record::Carrier::Tcp, engine: record::Engine::Http3 };
        let error = target("http://x/").with_protocol(&H3C).unwrap_err();
        assert!(matches!(error, TargetError::Unimplemented { .. }), "{error}");
    }
}
