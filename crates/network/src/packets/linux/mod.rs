//! Networks of packets on Linux.
//!
//! The namespaces have no names. Only open files of the relay's process lead to them, so they and their interfaces end
//! with the processes that use them.

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

/// A network between two namespaces, by the carrier of its packets.
pub(crate) enum PacketNetwork {
    /// This process carries the packets.
    Tun(TunNetwork),
    /// The kernel carries the packets.
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
        // The kernel resets this signal when a process changes its rights, for example by entering a user namespace.
        process::end_with_parent();
        created.map_err(|mut fault| {
            if fault.is_unsupported {
                fault.message += "; or ";
                fault.message += other;
            }
            fault
        })
    }

    /// Carries packets until the session orders the end. Then reports the measurements.
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
