//! The authority of a request: the name by which its client reached the server.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use http::{HeaderValue, StatusCode, Version, header, request::Parts, uri::Authority};

use crate::refusal::Refusal;

/// The name of a host, or `*` for any name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// The error for a text that is not the name of a host.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a host name; use a name such as files.example.org, or * for any")]
pub struct InvalidHost(String);

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let authority = Authority::from_str(text).map_err(|_| invalid())?;
        match authority.host() {
            host if host.is_empty() || authority.as_str().contains('@') => Err(invalid()),
            host => Ok(Self(normal(host))),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Normalises a host name: lower case, without the final dot of the root.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Returns the authority of a request, or `None` for HTTP/1.0 without one.
///
/// # Errors
/// Fails if the authority is missing, given twice, contradictory or malformed (400; RFC 9112 section 3.2, RFC 9113
/// section 8.3.1).
pub(super) fn of(request: &Parts) -> Result<Option<Authority>, Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next(), hosts.next()) else { return Err(bad("two Host fields")) };
    let host = host.map(parse).transpose()?;
    let target = request.uri.authority().cloned().map(checked).transpose()?;
    match (target, host) {
        // RFC 9112 section 3.2.2: the authority of an absolute URI, as sent to proxies, overrides Host.
        (Some(target), Some(host)) if request.version >= Version::HTTP_2 && !is_same(&target, &host) => {
            Err(bad(":authority and Host differ"))
        }
        // RFC 9112 section 3.2: Host is required beside an absolute URI, too.
        (_, None) if request.version == Version::HTTP_11 => Err(bad("the Host field is missing")),
        (Some(authority), _) | (None, Some(authority)) => Ok(Some(authority)),
        (None, None) if request.version <= Version::HTTP_10 => Ok(None),
        (None, None) => Err(bad("the authority is missing")),
    }
}

fn is_same(one: &Authority, other: &Authority) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// Parses the value of a Host field.
fn parse(value: &HeaderValue) -> Result<Authority, Refusal> {
    let authority = value.to_str().ok().and_then(|text| Authority::from_str(text).ok());
    authority.ok_or_else(|| bad("the Host field is malformed")).and_then(checked)
}

/// Refuses authorities that the `http` crate accepts: with user information, an empty name, or any text as a port (RFC
/// 9110 sections 4.2.1 and 4.2.4).
fn checked(authority: Authority) -> Result<Authority, Refusal> {
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(bad("the authority has user information or no name"));
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    match port.strip_prefix(':') {
        Some(digits) if !is_port(digits) => {
            Err(bad("the port of the authority is not a number of at most 65535"))
        }
        None if !port.is_empty() => Err(bad("the authority is malformed")),
        Some(_) | None => Ok(authority),
    }
}

/// Returns whether a text is a port. It may be empty (RFC 3986 section 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

/// Refuses a name that does not belong to this server. The server's names are all IP addresses, `localhost`, `names`,
/// and the names that are `certified`. IP addresses and `localhost` are safe from DNS rebinding, because browsers do
/// not look them up.
///
/// # Errors
/// Fails if the name is none of these (421).
pub(super) fn check(host: &str, names: &[HostName], certified: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let host = normal(host);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    let is_address = address.parse::<Ipv4Addr>().is_ok() || address.parse::<Ipv6Addr>().is_ok();
    let named = || names.iter().any(|name| name.0 == "*" || name.0 == host);
    if is_address || host == "localhost" || named() || certified(&host) {
        return Ok(());
    }
    let reason = format!("'{host}' is not a name of this server; --host {host} makes it one");
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, reason))
}

fn bad(reason: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn host(version: Version, target: &str, hosts: &[&str]) -> Result<Option<String>, u16> {
        let mut request = Request::get(target).version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let authority = of(&parts).map_err(|refusal| refusal.status().as_u16())?;
        Ok(authority.map(|authority| authority.host().to_owned()))
    }

    #[test]
    fn a_request_has_one_authority() {
        let found = |name: &str| Ok(Some(name.to_owned()));
        for (version, target, hosts, expected) in [
            (Version::HTTP_11, "/", &["a:80"][..], found("a")),
            (Version::HTTP_11, "/", &["[::1]:80"], found("[::1]")),
            (Version::HTTP_11, "http://a/", &["a"], found("a")),
            (Version::HTTP_11, "http://a/", &["b"], found("a")),
            (Version::HTTP_10, "/", &[], Ok(None)),
            (Version::HTTP_10, "http://a/", &[], found("a")),
            (Version::HTTP_2, "https://a/", &[], found("a")),
            (Version::HTTP_2, "https://a/", &["A"], found("a")),
            (Version::HTTP_2, "/", &["a"], found("a")),
            (Version::HTTP_11, "/", &[], Err(400)),
            (Version::HTTP_11, "http://a/", &[], Err(400)),
            (Version::HTTP_11, "/", &["a", "a"], Err(400)),
            (Version::HTTP_11, "/", &[""], Err(400)),
            (Version::HTTP_11, "/", &["a b"], Err(400)),
            (Version::HTTP_11, "/", &["a, b"], Err(400)),
            (Version::HTTP_11, "/", &["user@a"], Err(400)),
            (Version::HTTP_11, "http://user:x@a/", &["a"], Err(400)),
            (Version::HTTP_11, "/", &["a:65535"], found("a")),
            (Version::HTTP_11, "/", &["a:080"], found("a")),
            (Version::HTTP_11, "/", &["a:"], found("a")),
            (Version::HTTP_11, "/", &["[::1]:"], found("[::1]")),
            (Version::HTTP_11, "/", &["a:65536"], Err(400)),
            (Version::HTTP_11, "/", &["a:99999999"], Err(400)),
            (Version::HTTP_11, "/", &["a:+80"], Err(400)),
            (Version::HTTP_11, "/", &["a:http"], Err(400)),
            (Version::HTTP_11, "/", &["a:80:80"], Err(400)),
            (Version::HTTP_11, "/", &["[::1]:65536"], Err(400)),
            (Version::HTTP_11, "/", &["[::1]x"], Err(400)),
            (Version::HTTP_11, "/", &[":80"], Err(400)),
            (Version::HTTP_11, "http://a:65536/", &["a"], Err(400)),
            (Version::HTTP_2, "https://a:65536/", &[], Err(400)),
            (Version::HTTP_2, "https://a:http/", &[], Err(400)),
            (Version::HTTP_2, "https://a:/", &[], found("a")),
            (Version::HTTP_2, "https://user@a/", &[], Err(400)),
            (Version::HTTP_2, "https://a/", &["b"], Err(400)),
            (Version::HTTP_3, "/", &[], Err(400)),
        ] {
            assert_eq!(host(version, target, hosts), expected, "{version:?} {target} {hosts:?}");
        }
    }

    #[test]
    fn addresses_localhost_and_given_names_are_those_of_the_server() {
        let given = ["files.Example.org".parse().unwrap()];
        for host in ["127.0.0.1", "[::1]", "192.0.2.1", "[2001:db8::1]", "localhost", "LocalHost."] {
            assert!(check(host, &[], |_| false).is_ok(), "{host}");
        }
        for host in ["files.example.org", "FILES.example.org."] {
            assert!(check(host, &given, |_| false).is_ok(), "{host}");
        }
        let foreign =
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "example.org", "x", "127.1"];
        for host in foreign {
            let refusal = check(host, &given, |_| false).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
            assert!(check(host, &given, |name| name == host).is_ok(), "{host}");
            assert!(check(host, &["*".parse().unwrap()], |_| false).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_name_to_listen_to_is_a_host_without_decoration() {
        for text in ["", "a b", "user@a", "http://a", "a/b", "*.a b"] {
            assert!(HostName::from_str(text).is_err(), "{text}");
        }
        assert_eq!(HostName::from_str("A:8080").unwrap().to_string(), "a");
    }
}
