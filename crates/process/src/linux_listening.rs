//! The sockets at which the members of a process tree listen.

use std::collections::BTreeSet;

use procfs::{
    net::TcpState,
    process::{FDTarget, Process},
};

use super::ProcessTree;

impl ProcessTree {
    /// Returns whether a member has a socket that listens at a TCP port, or one that is bound to a UDP port, in its own
    /// network namespace. Members whose descriptors may not be read do not count.
    pub fn listens_at(&self, port: u16) -> bool {
        self.members.values().any(|process| {
            let own = sockets(process);
            !own.is_empty() && listeners(process, port).any(|inode| own.contains(&inode))
        })
    }
}

/// Returns the inodes of the sockets that a process has open.
fn sockets(process: &Process) -> BTreeSet<u64> {
    let open = process.fd().into_iter().flatten().filter_map(Result::ok);
    let inode = |target| match target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    };
    open.filter_map(|descriptor| inode(descriptor.target)).collect()
}

/// Returns the inodes of the sockets at a port in the network namespace of a process.
fn listeners(process: &Process, port: u16) -> impl Iterator<Item = u64> + use<> {
    let tcp = [process.tcp(), process.tcp6()].into_iter().flatten().flatten();
    let tcp = tcp.filter(|entry| entry.state == TcpState::Listen).map(|it| (it.local_address, it.inode));
    let udp = [process.udp(), process.udp6()].into_iter().flatten().flatten();
    let all = tcp.chain(udp.map(|entry| (entry.local_address, entry.inode)));
    all.filter(move |(address, _)| address.port() == port).map(|(_, inode)| inode)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn a_tree_listens_at_the_ports_of_its_own_sockets() {
        let own = ProcessTree::of(std::process::id()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(own.listens_at(port));
        assert!(!own.listens_at(client.local_addr().unwrap().port()), "a connection does not listen");
        let udp = UdpSocket::bind("[::1]:0").or_else(|_| UdpSocket::bind("127.0.0.1:0")).unwrap();
        assert!(own.listens_at(udp.local_addr().unwrap().port()));
        let mut other = std::process::Command::new("sleep").arg("36").spawn().unwrap();
        let is_other = ProcessTree::of(other.id()).unwrap().listens_at(port);
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!is_other, "the socket is not that of the other process");
        drop(tcp);
        assert!(!own.listens_at(port));
    }
}
