//! Networks of packets on Linux.
//!
//! Nothing of a network has a name: files of the relay's process are all that leads to the namespaces of the ends, and
//! the namespaces and their interfaces end with the processes that use them.

mod carry;
mod counters;
mod echo;
mod ends;
mod kernel;
mod namespaces;
mod queue_length;
mod rights;
mod tun;
mod tun_network;

use record::{NetworkSpec, RelayKind};

pub use self::namespaces::enter;
use self::{kernel::KernelNetwork, tun_network::TunNetwork};
use crate::{RelayFault, RelayJob};

/// Two namespaces, and what carries packets from one to the other.
pub(crate) enum PacketNetwork {
    /// This process.
    Tun(TunNetwork),
    /// The kernel.
    Kernel(KernelNetwork),
}

impl PacketNetwork {
    /// Creates the network. The process must have one thread.
    ///
    /// # Errors
    /// Fails if the rights or the kernel do not allow the network.
    pub(crate) fn create(network: &NetworkSpec) -> Result<Self, RelayFault> {
        let (created, other) = match network.relay {
            RelayKind::Kernel => (
                KernelNetwork::create(network).map(Self::Kernel),
                "use --network, which needs no queue of the kernel",
            ),
            RelayKind::Packets | RelayKind::Sockets => (
                TunNetwork::create().map(Self::Tun),
                "choose a network without loss= and reorder=, which needs no packets",
            ),
        };
        // The kernel forgets the signal when a process changes its rights, as for a user namespace.
        process::end_with_parent();
        created.map_err(|mut fault| {
            if fault.is_unsupported {
                fault.message += "; or ";
                fault.message += other;
            }
            fault
        })
    }

    /// Carries packets until the session orders the end, and reports what it measured.
    ///
    /// # Errors
    /// Fails if packets can no longer be carried.
    pub(crate) async fn serve(self, job: &RelayJob) -> Result<(), RelayFault> {
        match self {
            Self::Tun(network) => network.serve(job).await,
            Self::Kernel(network) => network.serve(job).await,
        }
    }
}
