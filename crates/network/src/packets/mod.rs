//! A network of packets: two network namespaces, between which this process or the kernel carries IP packets.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::PacketNetwork;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::enter;
#[cfg(target_os = "linux")]
pub(crate) use linux::PacketNetwork;
#[cfg(target_os = "linux")]
pub use linux::enter;

/// A network namespace of another process, and the user namespace that owns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// The file of the network namespace, below `/proc`.
    pub network: PathBuf,
    /// The file of the user namespace; `None` if the session's user namespace owns the network namespace.
    pub user: Option<PathBuf>,
}
