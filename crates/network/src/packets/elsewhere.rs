//! Systems without network namespaces.

use std::io;

use record::{NetworkSpec, RelayKind};

use super::Namespace;
use crate::{RelayFault, RelayJob};

/// A network that this system does not offer.
pub(crate) struct PacketNetwork {}

impl PacketNetwork {
    /// Fails: the network is not available on this system.
    pub(crate) fn create(network: &NetworkSpec) -> Result<Self, RelayFault> {
        let message = match network.relay {
            RelayKind::Kernel => "the kernel's network is not available on this system; use --network",
            _ => "loss and reordering of TCP need packets, which are not available on this system",
        };
        Err(RelayFault { message: message.into(), is_unsupported: true })
    }

    pub(crate) async fn serve(self, _job: &RelayJob) -> Result<(), RelayFault> {
        Ok(())
    }
}

/// Fails: this system has no network namespaces.
///
/// # Errors
/// Fails always.
pub fn enter(_namespace: &Namespace) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
