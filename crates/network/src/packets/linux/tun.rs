//! TUN interfaces and the loopback interface, configured by ioctl. These few calls are less code than a library, which
//! could neither bring loopback up nor give an interface an IPv6 address.
#![allow(unsafe_code, reason = "interfaces are made by ioctl")]

use std::{
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
};

use libc::{__c_anonymous_ifr_ifru as Setting, c_char, c_short, ifreq, in6_addr, in6_ifreq, sockaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice::name_to_index, socket_with};
use tokio::io::unix::AsyncFd;

use super::{
    ends::{End, INTERFACE, MTU, V4_PREFIX, V6_PREFIX},
    queue_length, rights,
};
use crate::RelayFault;

nix::ioctl_write_ptr_bad!(set_interface, libc::TUNSETIFF, ifreq);
nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, ifreq);
nix::ioctl_write_ptr_bad!(set_address_v6, libc::SIOCSIFADDR, in6_ifreq);
nix::ioctl_write_ptr_bad!(set_mask, libc::SIOCSIFNETMASK, ifreq);
nix::ioctl_write_ptr_bad!(set_mtu, libc::SIOCSIFMTU, ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, ifreq);

/// The most packets that wait in front of the relay: enough that a burst of a sender is not lost there.
const QUEUE: u32 = 8192;

/// Creates the interface of an end in the namespace of this process. The kernel removes it when the file is closed.
///
/// # Errors
/// Fails if the driver or the rights for it are missing.
pub(super) fn create(end: &End) -> Result<OwnedFd, RelayFault> {
    let tun = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
    let tun = tun.map_err(|error| rights::without_tun(&error))?;
    configure(&tun, end).map_err(|error| rights::without_interface(&error))?;
    Ok(tun.into())
}

fn configure(tun: &File, end: &End) -> io::Result<()> {
    // Without a virtio header there is no offload: packets are at most as large as the MTU, and have valid checksums.
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as c_short;
    let tuned = request(INTERFACE, Setting { ifru_flags: flags });
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let by = socket.as_raw_fd();
    let mask = Ipv4Addr::from_bits(u32::MAX << (u32::BITS - u32::from(V4_PREFIX)));
    // SAFETY: each call gets the structure that its request defines, which lives until the call returns.
    unsafe {
        set_interface(tun.as_raw_fd(), &tuned)?;
        set_mtu(by, &request(INTERFACE, Setting { ifru_mtu: MTU.into() }))?;
        set_address(by, &request(INTERFACE, Setting { ifru_addr: address(end.v4) }))?;
        set_mask(by, &request(INTERFACE, Setting { ifru_netmask: address(mask) }))?;
        for name in ["lo", INTERFACE] {
            let up = (libc::IFF_UP | libc::IFF_RUNNING) as c_short;
            set_flags(by, &request(name, Setting { ifru_flags: up }))?;
        }
    }
    let index = name_to_index(socket.as_fd(), INTERFACE)?;
    queue_length::set(index, QUEUE)?;
    // A kernel may have no IPv6.
    let _ = configure_v6(index, end.v6);
    Ok(())
}

fn configure_v6(index: u32, address: Ipv6Addr) -> io::Result<()> {
    let by = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let wanted = in6_ifreq {
        ifr6_addr: in6_addr { s6_addr: address.octets() },
        ifr6_prefixlen: V6_PREFIX.into(),
        ifr6_ifindex: index.try_into().map_err(io::Error::other)?,
    };
    // SAFETY: the call gets the structure that its request defines, which lives until the call returns.
    unsafe { set_address_v6(by.as_raw_fd(), &wanted) }?;
    Ok(())
}

/// Returns a request for the interface `name`.
fn request(name: &str, setting: Setting) -> ifreq {
    let mut request = ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru: setting };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    request
}

/// Returns an IPv4 address as a socket address: two bytes for a port, then the address.
fn address(address: Ipv4Addr) -> sockaddr {
    let mut data = [0; 14];
    for (to, from) in data.iter_mut().skip(2).zip(address.octets()) {
        *to = from as c_char;
    }
    sockaddr { sa_family: libc::AF_INET as _, sa_data: data }
}

/// Registers an interface with the runtime.
///
/// # Errors
/// Fails if the kernel cannot watch a further descriptor.
pub(super) fn register(tun: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the interface owns its descriptor, which stays open and the same for as long as it is registered.
    Ok(unsafe { AsyncFd::register(tun) }?)
}
