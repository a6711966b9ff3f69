//! A URL, and the connection to whoever is behind it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;
use metrics::Stamp;
use tokio::{net::lookup_host, time::timeout};
use transport::{Connection, Peer, Transport};

use crate::{
    cli::RemoteArgs,
    exit::Usage,
    record::{Fault, FaultKind, fault},
};

/// What a URL names.
pub(super) struct Target {
    pub(super) transport: &'static dyn Transport,
    pub(super) uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    /// # Errors
    /// The URL is none, or the protocol does not go with its scheme.
    pub(super) fn parse(args: &RemoteArgs) -> Result<Self, Usage> {
        let wrong = |reason: &str| Usage(format!("'{}': {reason}", args.url));
        let mut uri: Uri = args.url.parse().map_err(|error| wrong(&format!("not a URL: {error}")))?;
        let (tls, port, usual) = match uri.scheme_str() {
            Some("http") => (false, 80, "h1c"),
            Some("https") => (true, 443, "h2"),
            _ => return Err(wrong("a URL begins with http:// or https://")),
        };
        let transport = args.protocol.map(|protocol| protocol.0).or_else(|| transport::by_name(usual));
        let transport = transport.ok_or_else(|| wrong("no protocol"))?;
        let features = transport.features();
        if features.baseline.is_none() {
            return Err(wrong(&format!("{} is no HTTP: it is for bench", transport.name())));
        }
        if features.tls != tls {
            let (name, scheme) = (transport.name(), if features.tls { "https" } else { "http" });
            return Err(wrong(&format!("--protocol {name} needs {scheme}://")));
        }
        if uri.path().is_empty() {
            uri = format!("{uri}/").parse().map_err(|_| wrong("not a URL"))?;
        }
        let host = uri.host().ok_or_else(|| wrong("there is no host in it"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { transport, host, port: uri.port_u16().unwrap_or(port), uri })
    }

    /// Connects to the first address of the name that answers; tells how long that one's handshake took.
    pub(super) async fn connect(
        &self,
        args: &RemoteArgs,
    ) -> anyhow::Result<Result<(Arc<dyn Connection>, Duration), Fault>> {
        let (trust, key_log) = (args.trust()?, args.key_log.key_log()?);
        let addresses = match self.addresses().await {
            Ok(addresses) => addresses,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut failed = fault(FaultKind::Connect, format!("{} has no address", self.host));
        for addr in addresses {
            let peer = Peer { addr, name: self.host.clone(), trust: trust.clone(), key_log: key_log.clone() };
            let began = Stamp::now();
            match timeout(args.timeout, self.transport.connect(&peer, &args.limits.limits_for_anybody()))
                .await
            {
                Ok(Ok(connection)) => return Ok(Ok((connection.into(), began.elapsed()))),
                Ok(Err(error)) => failed = error.into(),
                Err(_) => {
                    let waited = format!("no handshake with {addr} within {} s", args.timeout.as_secs_f64());
                    failed = fault(FaultKind::Timeout, waited);
                }
            }
        }
        Ok(Err(failed))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Fault> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let unknown = |error| fault(FaultKind::Connect, format!("cannot find {}: {error}", self.host));
        Ok(found.map_err(unknown)?.collect())
    }
}
