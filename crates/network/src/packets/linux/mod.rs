//! Networks of packets on Linux.
//!
//! Nothing of a network has a name: files of the relay's process are all that leads to the namespaces of the ends, and
//! the namespaces and their interfaces end with the processes that use them.

mod carry;
mod counters;
mod echo;
mod ends;
mod namespaces;
mod rights;
mod tun;
mod tun_network;

use record::{NetworkSpec, RelayKind};

pub use self::namespaces::enter;
use self::tun_network::TunNetwork;
use crate::{RelayFault, RelayJob};

/// Two namespaces, and what carries packets from one to the other.
pub(crate) enum PacketNetwork {
    /// This process.
    Tun(TunNetwork),
}

impl PacketNetwork {
    /// Creates the network. The process must have one thread.
    ///
    /// # Errors
    /// Fails if the rights or the kernel do not allow the network.
    pub(crate) fn create(network: &NetworkSpec) -> Result<Self, RelayFault> {
        if network.relay == RelayKind::Kernel {
            let message = "the kernel's network is not available on this system; use --network".into();
            return Err(RelayFault { message, is_unsupported: true });
        }
        let network = TunNetwork::create().map(Self::Tun);
        // The kernel forgets the signal when a process changes its rights, as for a user namespace.
        crate::relay::end_with_parent();
        network
    }

    /// Carries packets until the session orders the end, and reports what it measured.
    ///
    /// # Errors
    /// Fails if packets can no longer be carried.
    pub(crate) async fn serve(self, job: &RelayJob) -> Result<(), RelayFault> {
        match self {
            Self::Tun(network) => network.serve(job).await,
        }
    }
}
