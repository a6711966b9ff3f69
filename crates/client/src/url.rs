//! The parts of a URL that the crate `http` does not parse: user information and port.

use http::{
    Uri,
    uri::{Authority, InvalidUriParts},
};
use percent_encoding::percent_decode_str;
use record::redacted_url;

use crate::{Credentials, CredentialsError};

/// Returns a text that may be a URL, without its secrets. Everything before the last `@` is left out, because a password may
/// contain a slash.
pub(crate) fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { redacted_url(&format!("{scheme}://{rest}")) }
}

/// Splits a URI into the URI without user information, and the user information.
pub(crate) fn without_user(uri: Uri) -> Result<(Uri, Option<String>), http::Error> {
    let (mut parts, mut user) = (uri.into_parts(), None);
    if let Some(authority) = parts.authority.take() {
        parts.authority = Some(match authority.as_str().rsplit_once('@') {
            None => authority,
            Some((information, host_and_port)) => {
                user = Some(information.to_owned());
                host_and_port.parse::<Authority>()?
            }
        });
    }
    let uri = Uri::from_parts(parts).map_err(|error: InvalidUriParts| http::Error::from(error))?;
    Ok((uri, user))
}

/// The delimiter between an address and its zone in a URL (RFC 6874 section 2).
pub(crate) const ZONE: &str = "%25";

/// Removes the zone of an IPv6 address from a URI. Returns the URI and the zone, still percent-encoded; `None` without
/// a zone.
pub(crate) fn without_zone(uri: Uri) -> Result<(Uri, Option<String>), http::Error> {
    let host = uri.host().and_then(|host| host.strip_prefix('[')?.strip_suffix(']'));
    let zoned = host.and_then(|host| host.split_once(ZONE)).filter(|(_, zone)| !zone.is_empty());
    let Some((address, zone)) = zoned.map(|(address, zone)| (address.to_owned(), zone.to_owned())) else {
        return Ok((uri, None));
    };
    let mut parts = uri.into_parts();
    let port = parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once(']'));
    let authority = format!("[{address}]{}", port.map_or("", |(_, port)| port));
    parts.authority = Some(authority.parse()?);
    let uri = Uri::from_parts(parts).map_err(|error: InvalidUriParts| http::Error::from(error))?;
    Ok((uri, Some(zone)))
}

/// Returns an address with its zone, as the resolver takes them.
pub(crate) fn in_zone(address: &str, zone: &str) -> String {
    format!("{address}%{}", percent_decode_str(zone).decode_utf8_lossy())
}

/// Returns a URL with the zone of its address, percent-encoded.
pub(crate) fn with_zone(url: &str, zone: &str) -> String {
    url.replacen(']', &format!("{ZONE}{zone}]"), 1)
}

/// Parses percent-encoded user information as credentials (RFC 3986 section 3.2.1). A user without a password has an
/// empty password.
pub(crate) fn of_user(information: &str) -> Result<Credentials, CredentialsError> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let (user, password) = information.split_once(':').unwrap_or((information, ""));
    Credentials::basic(&decoded(user), &decoded(password))
}

/// Returns the port of a URL, or `default` if the URL states none. `None` if the stated port is invalid.
pub(crate) fn port(uri: &Uri, default: u16) -> Option<u16> {
    let authority = uri.authority()?;
    match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
        None | Some("") => Some(default),
        Some(_) => authority.port_u16().filter(|port| *port > 0),
    }
}
