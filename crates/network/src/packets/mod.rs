//! A network of packets: two network namespaces, between which this process or the kernel carries IP packets.

use std::{io, path::PathBuf};

use record::{NetworkSpec, RelayKind};
use serde::{Deserialize, Serialize};

use crate::{RelayFault, RelayJob};

/// A network namespace of another process, and the user namespace that owns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// The file of the network namespace, below `/proc`.
    pub network: PathBuf,
    /// The file of its user namespace; `None` if it is that of the session.
    pub user: Option<PathBuf>,
}

/// Two namespaces, and what carries packets from one to the other.
pub(crate) struct PacketNetwork {}

impl PacketNetwork {
    /// Creates the network. The process must have one thread.
    ///
    /// # Errors
    /// Fails if the rights or the kernel do not allow the network.
    pub(crate) fn create(network: &NetworkSpec) -> Result<Self, RelayFault> {
        let message = match network.relay {
            RelayKind::Kernel => "the kernel's network is not available on this system; use --network",
            _ => "loss and reordering of TCP need packets, which are not available on this system",
        };
        Err(RelayFault { message: message.into(), is_unsupported: true })
    }

    /// Carries packets until the session orders the end, and reports what it measured.
    ///
    /// # Errors
    /// Fails if packets can no longer be carried.
    pub(crate) async fn serve(self, _job: &RelayJob) -> Result<(), RelayFault> {
        Ok(())
    }
}

/// Moves this process, which must have one thread, to a namespace.
///
/// # Errors
/// Fails if the namespace is gone.
pub fn enter(_namespace: &Namespace) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
