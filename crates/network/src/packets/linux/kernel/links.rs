//! The interfaces: a pair from the bridge to each end.

use std::path::PathBuf;

use super::{
    super::ends::{CLIENT, End, INTERFACE, MTU, SERVER, V4_PREFIX, V6_PREFIX},
    programs::{self, Refusal},
};

/// The port of the bridge that leads to the client.
pub(super) const CLIENT_PORT: &str = "client";

/// The port of the bridge that leads to the server.
pub(super) const SERVER_PORT: &str = "server";

/// The settings of each interface: packets leave it one by one, and the kernel sends none on its own.
const PLAIN: &str = "gso_max_segs 1 addrgenmode none up";

/// Creates the bridge in the namespace of this process, and its links to those of the client and the server.
///
/// # Errors
/// Fails if `ip` does.
pub(super) fn create([client, server]: [PathBuf; 2]) -> Result<(), Refusal> {
    let mut lines = vec!["link add name bridge type bridge mcast_snooping 0".to_owned()];
    for (port, end, namespace) in [(CLIENT_PORT, &CLIENT, client), (SERVER_PORT, &SERVER, server)] {
        let (address, namespace) = (hardware_address(end), namespace.display());
        let peer = format!("name {INTERFACE} mtu {MTU} address {address} netns {namespace}");
        lines.push(format!("link add name {port} mtu {MTU} type veth peer {peer}"));
        lines.push(format!("link set dev {port} master bridge {PLAIN}"));
        // The messages by which an end joins IPv6 groups do not belong to a transfer.
        lines.push(format!("link set dev {port} type bridge_slave mcast_flood off"));
    }
    lines.push(format!("link set dev bridge {PLAIN}"));
    programs::batch("ip", &lines).map(drop)
}

/// Gives the interface in the namespace of this process the addresses of an end. Also sets the hardware address of the
/// other end, because a query for it could be lost on the network.
///
/// # Errors
/// Fails if `ip` does.
pub(super) fn configure(own: &End, other: &End) -> Result<(), Refusal> {
    let neighbour = hardware_address(other);
    let to = format!("lladdr {neighbour} dev {INTERFACE} nud permanent");
    let lines = [
        "link set dev lo up".to_owned(),
        format!("link set dev {INTERFACE} {PLAIN}"),
        format!("address add {}/{V4_PREFIX} dev {INTERFACE}", own.v4),
        format!("neighbour replace {} {to}", other.v4),
    ];
    programs::batch("ip", &lines)?;
    let lines = [
        format!("address add {}/{V6_PREFIX} dev {INTERFACE} nodad", own.v6),
        format!("neighbour replace {} {to}", other.v6),
    ];
    // A kernel may have no IPv6.
    let _ = programs::batch("ip", &lines);
    Ok(())
}

/// Returns the hardware address of an end: a locally administered one, whose last byte is that of the IPv4 address.
fn hardware_address(end: &End) -> String {
    let [.., last] = end.v4.octets();
    format!("02:00:00:00:00:{last:02x}")
}
