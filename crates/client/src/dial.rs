//! The connection to a target: all its addresses are tried as RFC 8305 describes, over TCP and over QUIC.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use metrics::Stamp;
use record::{Fault, FaultKind};
use tokio::time::{sleep, timeout};
use transport::{ChunkExtensions, Connection, Peer, Sessions, seed_random_numbers};

use crate::{Options, Proxy, Target, addresses::HostPort};

/// The delay before the next address is tried in parallel: the recommended Connection Attempt Delay (RFC 8305 section
/// 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection, and the duration of its handshake.
pub(crate) struct Dialled {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) handshake: Duration,
    peer: Peer,
}

impl Dialled {
    /// Returns the address that was dialled.
    pub(crate) fn address(&self) -> SocketAddr {
        self.peer.addr
    }

    /// Opens another connection to the same address, with the same TLS sessions.
    ///
    /// # Errors
    /// Fails if the server does not answer within the timeout.
    pub(crate) async fn again(self, target: &Target, options: &Options) -> Result<Self, DialError> {
        let address = self.peer.addr;
        let dialled = timeout(options.timeout, connect(self.peer, target, options)).await;
        let dialled = dialled.unwrap_or_else(|_| {
            let waited = options.timeout.as_secs_f64();
            let message = format!("no second handshake with {address} within {waited} s");
            Err(Fault::new(FaultKind::Timeout, message))
        });
        dialled.map_err(DialError::Unreachable)
    }
}

/// A failure to connect.
#[derive(Debug)]
pub(crate) enum DialError {
    /// No address of the host was found.
    Unresolved(Fault),
    /// No address answered.
    Unreachable(Fault),
}

/// The fault of a thread that ended without a connection counts as an unreachable address.
impl From<Fault> for DialError {
    fn from(fault: Fault) -> Self {
        Self::Unreachable(fault)
    }
}

impl From<DialError> for Fault {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unresolved(fault) | DialError::Unreachable(fault) => fault,
        }
    }
}

/// Connects to the address of the target that answers first.
///
/// # Errors
/// Fails if the host name has no address, if no address answers, or if the timeout has passed. The timeout includes the
/// resolution of the name.
pub(crate) async fn dial(target: &Target, options: &Options) -> Result<Dialled, DialError> {
    dial_sharing(None, target, options).await
}

/// Connects as [`dial`] does, and shares TLS sessions with other connections to the same target.
///
/// # Errors
/// Fails as `dial` does.
pub(crate) async fn dial_sharing(
    sessions: Option<&Sessions>,
    target: &Target,
    options: &Options,
) -> Result<Dialled, DialError> {
    if let Some(path) = &options.addresses.unix_socket {
        return dial_unix(path, sessions, target, options).await.map_err(DialError::Unreachable);
    }
    let mut tried = Vec::new();
    // The zone of an address means nothing to a proxy.
    let host = if options.proxy.is_some() { target.host() } else { target.node() };
    let server = options.addresses.dialled(HostPort { host, port: target.port() });
    let host_port = options.proxy.as_ref().map_or(server, Proxy::host_port);
    let dialling = async {
        let proxy = options.proxy.as_ref().map(|proxy| proxy.to(target, server)).transpose();
        let proxy = proxy.map_err(DialError::Unreachable)?;
        let found = options.addresses.find(host_port).await.map_err(DialError::Unresolved)?;
        let attempt = |address| {
            let peer = peer(address, target, options).with_proxy(proxy.clone());
            connect(peer.with_sessions(sessions.cloned()), target, options)
        };
        race(interleaved(found), &mut tried, attempt).await.map_err(DialError::Unreachable)
    };
    let dialled = timeout(options.timeout, dialling).await;
    dialled.unwrap_or_else(|_| {
        let waited = options.timeout.as_secs_f64();
        let tried: Vec<_> = tried.iter().map(SocketAddr::to_string).collect();
        let message = match tried.as_slice() {
            [] => format!("the name {} was not resolved within {waited} s", host_port.host),
            _ => format!("no handshake with {} within {waited} s", tried.join(" or ")),
        };
        Err(DialError::Unreachable(Fault::new(FaultKind::Timeout, message)))
    })
}

/// Connects through a Unix socket.
async fn dial_unix(
    path: &Path,
    sessions: Option<&Sessions>,
    target: &Target,
    options: &Options,
) -> Result<Dialled, Fault> {
    let protocol = target.protocol();
    if protocol.is_over_udp() {
        let message = format!("{} runs over UDP; --unix-socket takes h1c, h2c, h1 and h2", protocol.name);
        return Err(Fault::new(FaultKind::Connect, message));
    }
    let peer = peer(UNUSED, target, options).with_sessions(sessions.cloned());
    timeout(options.timeout, connect(peer, target, options)).await.unwrap_or_else(|_| {
        let waited = options.timeout.as_secs_f64();
        let message = format!("no handshake at {} within {waited} s", path.display());
        Err(Fault::new(FaultKind::Timeout, message))
    })
}

/// The placeholder for the address of a peer that is dialled through a Unix socket.
const UNUSED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

fn peer(address: SocketAddr, target: &Target, options: &Options) -> Peer {
    Peer::new(address, target.host(), options.trust.clone())
        .with_unix_socket(options.addresses.unix_socket.clone())
        .with_identity(options.identity.clone())
        .with_oldest_tls(options.oldest_tls)
        .with_chunk_extensions(ChunkExtensions::Any)
        .with_connection_window(options.connection_window)
        .with_key_log(options.key_log.clone())
}

async fn connect(peer: Peer, target: &Target, options: &Options) -> Result<Dialled, Fault> {
    seed_random_numbers(target.protocol());
    let began = Stamp::now();
    let connection = target.transport().connect(&peer, &options.limits).await?;
    Ok(Dialled { handshake: began.elapsed(), connection: connection.into(), peer })
}

/// Returns the addresses with IPv6 and IPv4 alternating, the family of the first address first (RFC 8305 section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return addresses };
    let is_ipv4 = first.is_ipv4();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in addresses {
        let family = if address.is_ipv4() == is_ipv4 { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

/// Tries the addresses in order. The next attempt starts when an attempt fails, or when its delay has passed. The first
/// success cancels all other attempts.
///
/// # Errors
/// Fails if all attempts fail. The fault comes from the first address, which the resolver prefers, with the number of
/// the other addresses.
async fn race<T, F: Future<Output = Result<T, Fault>>>(
    addresses: Vec<SocketAddr>,
    tried: &mut Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Fault> {
    let (mut waiting, mut running) = (addresses.into_iter(), FuturesUnordered::new());
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let (place, attempt) = (tried.len(), attempt(address));
            running.push(async move { (place, attempt.await) });
            tried.push(address);
        }
        let is_last = waiting.len() == 0;
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = sleep(HEAD_START), if !is_last => continue,
        };
        match ended {
            Some((_, Ok(connected))) => return Ok(connected),
            Some((place, Err(fault))) => faults.push((place, fault)),
            None => return Err(first_fault(faults)),
        }
    }
}

fn first_fault(mut faults: Vec<(usize, Fault)>) -> Fault {
    faults.sort_by_key(|(place, _)| *place);
    let others = faults.len().saturating_sub(1);
    let Some((_, first)) = faults.into_iter().next() else {
        return Fault::new(FaultKind::Connect, "there is no address");
    };
    match others {
        0 => first,
        others => Fault::new(first.kind, format!("{}; {others} more failed", first.message)),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn addresses(last: impl IntoIterator<Item = u8>) -> Vec<SocketAddr> {
        last.into_iter().map(|last| ([127, 0, 0, last], 1).into()).collect()
    }

    #[test]
    fn families_alternate_and_the_first_one_leads() {
        let order = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "[::1]:1"].map(address).to_vec();
        let expected = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(address);
        assert_eq!(interleaved(order), expected);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_only_the_delay_of_an_attempt() {
        let began = tokio::time::Instant::now();
        let attempt = |address: SocketAddr| async move {
            if address == ([127, 0, 0, 3], 1).into() { Ok(address) } else { pending().await }
        };
        let mut tried = Vec::new();
        let connected = race(addresses(1..=4), &mut tried, attempt).await.unwrap();
        assert_eq!((connected, tried.len()), (address("127.0.0.3:1"), 3));
        assert_eq!(began.elapsed(), 2 * HEAD_START);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_is_followed_at_once_and_the_first_fault_is_reported() {
        let began = tokio::time::Instant::now();
        let log = RefCell::new(Vec::new());
        let attempt = |address: SocketAddr| {
            log.borrow_mut().push(address);
            async move { Err::<(), _>(Fault::new(FaultKind::Connect, format!("no {address}"))) }
        };
        let fault = race(addresses(1..=3), &mut Vec::new(), attempt).await.unwrap_err();
        assert_eq!(fault.message, "no 127.0.0.1:1; 2 more failed");
        assert_eq!((log.borrow().len(), began.elapsed()), (3, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_success_of_an_early_address_counts() {
        let attempt = |address: SocketAddr| async move {
            if address != ([127, 0, 0, 1], 1).into() {
                return Err(Fault::new(FaultKind::Connect, "refused"));
            }
            sleep(2 * HEAD_START).await;
            Ok(())
        };
        race(addresses(1..=2), &mut Vec::new(), attempt).await.unwrap();
    }
}
