//! The flags of the addresses that a client dials, with curl's names.

use std::path::PathBuf;

use clap::Args;
use client::{AddressFamily, AddressOptions, ConnectRule, ResolveRule};

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Resolve names to IPv4 addresses only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    ipv4: bool,
    /// Resolve names to IPv6 addresses only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    ipv6: bool,
    /// Addresses of a host at a port, in place of the resolver's; host * is any host, and -HOST:PORT removes an entry
    /// (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS[,ADDRESS]", allow_hyphen_values = true)]
    resolve: Vec<ResolveRule>,
    /// Connect to HOST2:PORT2 in place of HOST1:PORT1; an empty HOST1 or PORT1 matches any, and an empty HOST2 or PORT2
    /// keeps that of the URL. The request and the certificate keep the name in the URL (repeatable)
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    connect_to: Vec<ConnectRule>,
    /// Connect through this Unix socket, whatever the host in the URL (h1c, h2c, h1, h2)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["resolve", "connect_to"])]
    unix_socket: Option<PathBuf>,
}

impl ConnectArgs {
    /// Returns whether any flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.ipv4
            || self.ipv6
            || !self.resolve.is_empty()
            || !self.connect_to.is_empty()
            || self.unix_socket.is_some()
    }

    /// Returns the choice of the addresses that are dialled.
    pub(crate) fn addresses(&self) -> AddressOptions {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Some(AddressFamily::V4),
            (_, true) => Some(AddressFamily::V6),
            (false, false) => None,
        };
        AddressOptions::default()
            .with_family(family)
            .resolving(self.resolve.iter().cloned())
            .connecting_to(self.connect_to.iter().cloned())
            .through(self.unix_socket.clone())
    }
}
