//! The emulated network between longhaul and the program under test.

use std::net::SocketAddr;

use client::{AddressOptions, ConnectRule, Target};
use record::{NetworkSpec, Protocol};
use run::RelayProcess;
use tokio::net::lookup_host;

use super::trouble::Trouble;

/// A way to a server: directly, or through a relay that ends when this value is dropped.
pub(super) struct Path {
    /// The address to dial.
    pub(super) address: SocketAddr,
    _relay: Option<RelayProcess>,
}

impl Path {
    /// Returns the way to the server at `address`, over the network if there is one.
    pub(super) async fn to(
        address: SocketAddr,
        protocol: &Protocol,
        network: Option<NetworkSpec>,
    ) -> Result<Self, Trouble> {
        let Some(network) = network else { return Ok(Self { address, _relay: None }) };
        let mut relay = RelayProcess::of_this_program(network).await.map_err(Trouble::not_applicable)?;
        let address =
            relay.address_of(address, protocol.is_over_udp()).await.map_err(Trouble::not_applicable)?;
        Ok(Self { address, _relay: Some(relay) })
    }

    /// Returns the way to the server of a target, over the network.
    pub(super) async fn to_target(
        target: &Target,
        protocol: &Protocol,
        network: NetworkSpec,
    ) -> Result<Self, Trouble> {
        let host = target.host();
        let mut found = lookup_host((host, target.port())).await.map_err(Trouble::not_applicable)?;
        let address =
            found.next().ok_or_else(|| Trouble::not_applicable(format!("{host} has no address")))?;
        Self::to(address, protocol, Some(network)).await
    }

    /// Returns the choice of addresses that dials this way, whatever the URL.
    pub(super) fn addresses(&self) -> Result<AddressOptions, Trouble> {
        let rule: ConnectRule = format!("::{}", self.address).parse().map_err(Trouble::not_applicable)?;
        Ok(AddressOptions::default().connecting_to([rule]))
    }
}
