//! The HTTP proxy through which a client reaches servers.

use std::{fmt, str::FromStr};

use http::{
    Uri,
    uri::{Authority, InvalidUri},
};
use record::{Fault, FaultKind};
use transport::ProxyWay;

use crate::{
    Credentials, CredentialsError, Target,
    addresses::HostPort,
    url::{ZONE, in_zone, of_user, port, shown, without_user, without_zone},
};

/// The port of a proxy whose URL has none, as in curl.
const PORT: u16 = 1080;

/// An HTTP proxy, in the syntax of curl's `--proxy`. Requests over HTTP/1.1 in cleartext are forwarded, and all others go
/// through a tunnel (CONNECT).
///
/// ```
/// use longhaul_client::Proxy;
///
/// let proxy: Proxy = "http://user:secret@proxy.example:3128".parse()?;
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// assert_eq!("proxy.example".parse::<Proxy>()?.to_string(), "http://proxy.example:1080");
/// assert!("socks5://proxy.example".parse::<Proxy>().is_err());
/// # Ok::<(), longhaul_client::ProxyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Proxy {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    uses: Uses,
}

/// The requests for which a proxy opens a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uses {
    /// All but those over HTTP/1.1 in cleartext.
    TunnelIfNeeded,
    /// All.
    Tunnel,
}

impl Proxy {
    /// Sets the credentials; `None` leaves those of the URL.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<Option<Credentials>>) -> Self {
        Self { credentials: credentials.into().or(self.credentials), ..self }
    }

    /// Opens a tunnel for HTTP/1.1 in cleartext as well.
    #[must_use]
    pub fn tunnelling(self) -> Self {
        Self { uses: Uses::Tunnel, ..self }
    }

    /// Returns the host and the port that are dialled.
    pub(crate) fn host_port(&self) -> HostPort<'_> {
        HostPort { host: &self.host, port: self.port }
    }

    /// Returns the secret texts, which no message may contain.
    pub(crate) fn secrets(&self) -> &[String] {
        self.credentials.as_ref().map(Credentials::secrets).unwrap_or_default()
    }

    /// Returns the proxy for requests to a target whose server is reached at `host_port`.
    ///
    /// # Errors
    /// Fails if the protocol runs over UDP, or if `host_port` is not a valid authority.
    pub(crate) fn to(&self, target: &Target, host_port: HostPort<'_>) -> Result<transport::Proxy, Fault> {
        let protocol = target.protocol();
        if protocol.is_over_udp() {
            let message = format!("{} runs over UDP; --proxy takes h1c, h2c, h1 and h2", protocol.name);
            return Err(Fault::new(FaultKind::Connect, message));
        }
        let is_other = host_port != HostPort { host: target.host(), port: target.port() };
        let is_forwarded = !protocol.is_encrypted() && protocol.http() == Some("1.1");
        let way = match target.uri().authority() {
            Some(server) if is_forwarded && self.uses == Uses::TunnelIfNeeded && !is_other => {
                ProxyWay::Forward(server.clone())
            }
            _ => ProxyWay::Tunnel(authority(host_port)?),
        };
        let authorization = self.credentials.as_ref().map(|credentials| credentials.value().clone());
        Ok(transport::Proxy::new(way).with_authorization(authorization))
    }
}

fn authority(host_port: HostPort<'_>) -> Result<Authority, Fault> {
    let HostPort { host, port } = host_port;
    let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    text.parse().map_err(|error| Fault::new(FaultKind::Connect, format!("'{text}': {error}")))
}

/// Prints the URL of the proxy, without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "http://[{}]:{port}", host.replacen('%', ZONE, 1))
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let malformed = || ProxyError::Malformed { url: shown(text) };
        let uri: Uri = with_scheme.parse().map_err(|_: InvalidUri| malformed())?;
        if uri.scheme_str() != Some("http") {
            return Err(ProxyError::Scheme { url: shown(text) });
        }
        let (uri, user) = without_user(uri).map_err(|_| malformed())?;
        let (uri, zone) = without_zone(uri).map_err(|_| malformed())?;
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(malformed());
        }
        let credentials = user.as_deref().map(of_user).transpose();
        let credentials = credentials.map_err(|source| ProxyError::User { url: shown(text), source })?;
        let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let host = host.filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        let host = zone.map_or_else(|| host.to_owned(), |zone| in_zone(host, &zone));
        let port = port(&uri, PORT).ok_or_else(malformed)?;
        Ok(Self { host, port, credentials, uses: Uses::TunnelIfNeeded })
    }
}

/// The reason why a text is not the URL of a proxy. The message does not show credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The text is not a URL with a host.
    #[error(
        "'{url}' is not a proxy; use http://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them"
    )]
    Malformed {
        /// The text, without credentials.
        url: String,
    },
    /// The URL has another scheme than `http`.
    #[error("'{url}': a proxy is spoken to by http://; https:// and SOCKS proxies are not supported")]
    Scheme {
        /// The URL, without credentials.
        url: String,
    },
    /// The user information cannot be sent.
    #[error("'{url}': {source}")]
    User {
        /// The URL, without credentials.
        url: String,
        /// The reason why the user information cannot be sent.
        source: CredentialsError,
    },
}

#[cfg(test)]
mod tests {
    use record::Protocol;

    use super::*;

    fn proxy(text: &str) -> Proxy {
        text.parse().unwrap()
    }

    #[test]
    fn a_proxy_is_a_host_with_a_port_and_perhaps_a_user() {
        for (text, shown, user) in [
            ("p", "http://p:1080", None),
            ("127.0.0.1:8080", "http://127.0.0.1:8080", None),
            ("HTTP://p:1/", "http://p:1", None),
            ("[::1]:3128", "http://[::1]:3128", None),
            ("[fe80::1%25eth0]:3128", "http://[fe80::1%25eth0]:3128", None),
            ("me:pw@p", "http://p:1080", Some("Basic bWU6cHc=")),
            ("http://me:p%40@p:2", "http://p:2", Some("Basic bWU6cEA=")),
        ] {
            let proxy = proxy(text);
            let sent = proxy.credentials.as_ref().map(|credentials| credentials.value().to_str().unwrap());
            assert_eq!((proxy.to_string().as_str(), sent), (shown, user), "{text}");
        }
        assert_eq!(proxy("[fe80::1%25eth0]").host_port().host, "fe80::1%eth0");
        for text in
            ["", "http://", "p:0", "p:x", "http://p/a", "me:hunter2@", "socks5://me:hunter2@p", "https://p"]
        {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(error.contains("http://") && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn only_cleartext_of_http_1_to_the_host_of_the_url_is_forwarded() {
        let way = |proxy: &Proxy, url: &str, protocol: &str, port| {
            let target = Target::parse(url).unwrap().with_protocol(Protocol::by_name(protocol)).unwrap();
            proxy.to(&target, HostPort { host: target.host(), port }).map(|proxy| proxy.way)
        };
        let forward = |server: &str| ProxyWay::Forward(server.parse().unwrap());
        let tunnel = |server: &str| ProxyWay::Tunnel(server.parse().unwrap());
        let plain = proxy("p");
        assert_eq!(way(&plain, "http://me:pw@x/", "h1c", 80).unwrap(), forward("x"));
        assert_eq!(way(&plain, "http://[::1]:81/", "h1c", 81).unwrap(), forward("[::1]:81"));
        assert_eq!(way(&plain, "http://x/", "h1c", 81).unwrap(), tunnel("x:81"));
        assert_eq!(way(&plain.clone().tunnelling(), "http://[::1]/", "h1c", 80).unwrap(), tunnel("[::1]:80"));
        for (url, protocol, port) in
            [("http://x/", "h2c", 80), ("https://x/", "h1", 443), ("https://x/", "h2", 443)]
        {
            assert_eq!(way(&plain, url, protocol, port).unwrap(), tunnel(&format!("x:{port}")));
        }
        let fault = way(&plain, "https://x/", "h3", 443).unwrap_err();
        assert!(fault.message.contains("h3 runs over UDP"), "{fault:?}");
    }
}
