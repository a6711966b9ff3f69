//! The addresses that a client dials for a host: those of the resolver, or those of the user's rules.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    path::PathBuf,
    str::FromStr,
};

use record::{Fault, FaultKind};
use tokio::net::lookup_host;

/// The choice of the addresses that a client dials. The default dials all addresses that the resolver knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressOptions {
    /// The only family of addresses that the resolver is asked for; `None` for both.
    pub family: Option<AddressFamily>,
    /// The addresses of hosts that the resolver is not asked for. A later rule replaces an earlier one.
    pub resolve: Vec<ResolveRule>,
    /// The hosts and ports that are dialled in place of those of URLs. The first rule that fits applies.
    pub connect_to: Vec<ConnectRule>,
    /// The Unix socket that is dialled for every host; `None` dials addresses.
    pub unix_socket: Option<PathBuf>,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    fn contains(self, address: SocketAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// A host, without brackets, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl AddressOptions {
    /// Sets the only family of addresses that the resolver is asked for; `None` allows both.
    #[must_use]
    pub fn with_family(self, family: impl Into<Option<AddressFamily>>) -> Self {
        Self { family: family.into(), ..self }
    }

    /// Adds rules for the addresses of hosts.
    #[must_use]
    pub fn resolving(mut self, rules: impl IntoIterator<Item = ResolveRule>) -> Self {
        self.resolve.extend(rules);
        self
    }

    /// Adds rules for the hosts and ports that are dialled.
    #[must_use]
    pub fn connecting_to(mut self, rules: impl IntoIterator<Item = ConnectRule>) -> Self {
        self.connect_to.extend(rules);
        self
    }

    /// Sets the Unix socket that is dialled for every host; `None` dials addresses.
    #[must_use]
    pub fn through(self, unix_socket: impl Into<Option<PathBuf>>) -> Self {
        Self { unix_socket: unix_socket.into(), ..self }
    }

    /// Returns the host and port to dial for the host and port of a URL.
    pub(crate) fn dialled<'a>(&'a self, asked: HostPort<'a>) -> HostPort<'a> {
        // As in curl, a rule without a new host and port leaves the choice to later rules.
        self.connect_to
            .iter()
            .filter(|rule| !rule.is_empty())
            .find_map(|rule| rule.apply(asked))
            .unwrap_or(asked)
    }

    /// Finds the addresses of a host, in the order of the resolver or of the rule.
    ///
    /// # Errors
    /// Fails if the host has no address, or none of the family.
    pub(crate) async fn find(&self, host_port: HostPort<'_>) -> Result<Vec<SocketAddr>, Fault> {
        let HostPort { host, port } = host_port;
        if let Some(addresses) = self.stated(host_port) {
            return Ok(addresses.iter().map(|address| (*address, port).into()).collect());
        }
        let unknown = |error| Fault::new(FaultKind::Connect, format!("cannot find {host}: {error}"));
        let found = lookup(host, port).await.map_err(unknown)?.into_iter();
        let fits = |address: &SocketAddr| self.family.is_none_or(|family| family.contains(*address));
        let found: Vec<_> = found.filter(fits).collect();
        if found.is_empty() {
            let family = self.family.map(|family| format!("{} ", family.name())).unwrap_or_default();
            return Err(Fault::new(FaultKind::Connect, format!("{host} has no {family}address")));
        }
        Ok(found)
    }

    /// Returns the addresses that the rules state for a host and port; `None` if no rule fits. A rule for any host applies last.
    fn stated(&self, host_port: HostPort<'_>) -> Option<&[IpAddr]> {
        let of = |host: &str| {
            let fits =
                |rule: &&ResolveRule| rule.port == host_port.port && rule.host.eq_ignore_ascii_case(host);
            self.resolve.iter().rev().find(fits).and_then(|rule| rule.addresses.as_deref())
        };
        of(host_port.host).or_else(|| of(ANY_HOST))
    }
}

/// Asks the resolver for the addresses of a host, which may be an address with a zone.
async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let zoned = host.split_once('%');
    let zoned = zoned.and_then(|(address, zone)| Some((address.parse::<Ipv6Addr>().ok()?, zone)));
    let Some((address, zone)) = zoned else { return Ok(lookup_host((host, port)).await?.collect()) };
    // Resolvers know the names of zones beside link-local addresses only, and kernels heed the zones of these alone.
    let found = lookup_host((format!("fe80::%{zone}"), port)).await?;
    let in_zone = |found: SocketAddrV6| {
        let scope = if address.is_unicast_link_local() { found.scope_id() } else { 0 };
        SocketAddrV6::new(address, port, 0, scope).into()
    };
    let found = found.filter_map(|found| match found {
        SocketAddr::V6(found) => Some(in_zone(found)),
        SocketAddr::V4(_) => None,
    });
    Ok(found.collect())
}

/// The host of a rule for any host.
const ANY_HOST: &str = "*";

/// The addresses of a host at a port, in the syntax of curl's `--resolve`.
///
/// ```
/// use longhaul_client::ResolveRule;
///
/// "example.org:443:127.0.0.1,[::1]".parse::<ResolveRule>()?;
/// "*:80:127.0.0.1".parse::<ResolveRule>()?;
/// assert!("example.org:443:localhost".parse::<ResolveRule>().is_err());
/// # Ok::<(), longhaul_client::AddressRuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveRule {
    host: String,
    port: u16,
    /// The addresses; `None` for a rule that cancels earlier rules for the host and port.
    addresses: Option<Vec<IpAddr>>,
}

impl FromStr for ResolveRule {
    type Err = AddressRuleError;

    fn from_str(text: &str) -> Result<Self, AddressRuleError> {
        Self::parse(text).ok_or_else(|| AddressRuleError::Resolve { text: text.to_owned() })
    }
}

impl ResolveRule {
    fn parse(text: &str) -> Option<Self> {
        if let Some(removed) = text.strip_prefix('-') {
            let (host, port) = split_host(removed)?;
            return Some(Self { host: given(host)?.to_owned(), port: number(port)?, addresses: None });
        }
        // In curl, `+` lets an entry expire after a minute. It has no effect here, because a transfer resolves its host
        // at its start.
        let (host, rest) = split_host(text.strip_prefix('+').unwrap_or(text))?;
        let (port, addresses) = rest.split_once(':')?;
        let addresses = addresses.split(',').map(address).collect::<Option<_>>()?;
        Some(Self { host: given(host)?.to_owned(), port: number(port)?, addresses: Some(addresses) })
    }
}

/// A host and a port that are dialled in place of those of a URL, in the syntax of curl's `--connect-to`. Requests and
/// the verification of certificates still use the host of the URL.
///
/// ```
/// use longhaul_client::ConnectRule;
///
/// "example.org:443:localhost:8443".parse::<ConnectRule>()?;
/// "::[::1]:8443".parse::<ConnectRule>()?;
/// # Ok::<(), longhaul_client::AddressRuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRule {
    asked_host: Option<String>,
    asked_port: Option<u16>,
    host: Option<String>,
    port: Option<u16>,
}

impl FromStr for ConnectRule {
    type Err = AddressRuleError;

    fn from_str(text: &str) -> Result<Self, AddressRuleError> {
        Self::parse(text).ok_or_else(|| AddressRuleError::ConnectTo { text: text.to_owned() })
    }
}

impl ConnectRule {
    fn parse(text: &str) -> Option<Self> {
        let port = |text: &str| if text.is_empty() { Some(None) } else { number(text).map(Some) };
        let (asked_host, rest) = split_host(text)?;
        let (asked_port, rest) = rest.split_once(':')?;
        let (host, last) = split_host(rest)?;
        Some(Self {
            asked_host: given(asked_host).map(ToOwned::to_owned),
            asked_port: port(asked_port)?,
            host: given(host).map(ToOwned::to_owned),
            port: port(last)?,
        })
    }

    fn is_empty(&self) -> bool {
        self.host.is_none() && self.port.is_none()
    }

    /// Returns the host and port to dial; `None` if the rule does not fit those that are asked for.
    fn apply<'a>(&'a self, asked: HostPort<'a>) -> Option<HostPort<'a>> {
        let fits = self.asked_host.as_ref().is_none_or(|host| host.eq_ignore_ascii_case(asked.host))
            && self.asked_port.is_none_or(|port| port == asked.port);
        let host = self.host.as_deref().unwrap_or(asked.host);
        fits.then_some(HostPort { host, port: self.port.unwrap_or(asked.port) })
    }
}

/// Splits a text into a host and the rest after its colon. The host may be empty, or an IPv6 address in brackets.
fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.split_once(':'),
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(text).parse().ok()
}

/// The reason why a text is not a rule for addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressRuleError {
    /// The text does not state the addresses of a host.
    #[error(
        "'{text}' is not HOST:PORT:ADDRESS[,ADDRESS] or -HOST:PORT; an address is a number, such as 127.0.0.1 or [::1]"
    )]
    Resolve {
        /// The text.
        text: String,
    },
    /// The text does not state a host and port to dial.
    #[error(
        "'{text}' is not HOST1:PORT1:HOST2:PORT2; each part may be empty, and an IPv6 address has brackets"
    )]
    ConnectTo {
        /// The text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(resolve: &[&str], connect_to: &[&str]) -> AddressOptions {
        AddressOptions::default()
            .resolving(resolve.iter().map(|rule| rule.parse().unwrap()))
            .connecting_to(connect_to.iter().map(|rule| rule.parse().unwrap()))
    }

    fn stated(rules: &[&str], host: &str, port: u16) -> Option<String> {
        let options = options(rules, &[]);
        let found = options.stated(HostPort { host, port })?;
        Some(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_later_rule_replaces_an_earlier_one_and_any_host_comes_last() {
        let rules = ["a:80:127.0.0.1", "*:80:127.0.0.9", "A:80:[::1],127.0.0.2", "+a:81:::2"];
        assert_eq!(stated(&rules, "a", 80).unwrap(), "::1 127.0.0.2");
        assert_eq!(stated(&rules, "a", 81).unwrap(), "::2");
        assert_eq!(stated(&rules, "b", 80).unwrap(), "127.0.0.9");
        assert_eq!(stated(&rules, "b", 81), None);
        assert_eq!(stated(&["a:80:127.0.0.1", "-a:80"], "a", 80), None);
        assert_eq!(stated(&["*:80:127.0.0.1", "-a:80"], "a", 80).unwrap(), "127.0.0.1");
        assert_eq!(stated(&["[::1]:80:127.0.0.1"], "::1", 80).unwrap(), "127.0.0.1");
    }

    #[test]
    fn the_first_rule_that_fits_names_the_host_and_port_to_dial() {
        let rules = ["a:80::", "a:80:b:", "a::c:1", ":90:[::1]:91", "::d:"];
        let options = options(&[], &rules);
        let dialled = |host, port| {
            let HostPort { host, port } = options.dialled(HostPort { host, port });
            (host.to_owned(), port)
        };
        assert_eq!(dialled("A", 80), ("b".to_owned(), 80));
        assert_eq!(dialled("a", 81), ("c".to_owned(), 1));
        assert_eq!(dialled("x", 90), ("::1".to_owned(), 91));
        assert_eq!(dialled("x", 1), ("d".to_owned(), 1));
    }

    #[test]
    fn a_text_that_is_no_rule_is_refused_with_its_form() {
        for text in ["", "a", "a:80", "a:80:", "a:0:127.0.0.1", ":80:127.0.0.1", "a:80:b", "-a", "a:80:[::1"]
        {
            let error = text.parse::<ResolveRule>().unwrap_err().to_string();
            assert!(error.contains("HOST:PORT:ADDRESS"), "{error}");
        }
        for text in ["", "a:80", "a:80:b", "a:80:b:0", "a:x:b:1", "a:80:::1:81"] {
            let error = text.parse::<ConnectRule>().unwrap_err().to_string();
            assert!(error.contains("HOST1:PORT1:HOST2:PORT2"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_may_have_a_zone() {
        let find = async |host| {
            let found = AddressOptions::default().find(HostPort { host, port: 80 }).await;
            found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        // The loopback interface is the first one.
        for (host, expected) in [
            ("fe80::2%lo", "[fe80::2%1]:80"),
            ("fe80::2%1", "[fe80::2%1]:80"),
            ("::1%lo", "[::1]:80"),
            ("::1", "[::1]:80"),
        ] {
            assert_eq!(find(host).await.unwrap(), expected, "{host}");
        }
        let message = find("::1%no-such-zone").await.unwrap_err().message;
        assert!(message.starts_with("cannot find ::1%no-such-zone"), "{message}");
    }

    #[tokio::test]
    async fn a_family_narrows_the_resolver_and_not_the_rules() {
        let host_port = HostPort { host: "127.0.0.1", port: 80 };
        let only_v6 = options(&["a:80:127.0.0.1"], &[]).with_family(AddressFamily::V6);
        let fault = only_v6.find(host_port).await.unwrap_err();
        assert_eq!(fault.message, "127.0.0.1 has no IPv6 address");
        assert_eq!(only_v6.find(HostPort { host: "a", port: 80 }).await.unwrap().len(), 1);
        assert_eq!(only_v6.with_family(AddressFamily::V4).find(host_port).await.unwrap().len(), 1);
    }
}
