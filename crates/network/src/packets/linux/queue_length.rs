//! The length of an interface's queue, set by netlink. The ioctl for it is permitted only to root of the initial user
//! namespace.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// The bytes of a message's header (`nlmsghdr` of linux/netlink.h), which the answer's error code follows.
const HEADER: usize = 16;

/// Sets the number of packets that may wait at an interface of the namespace of this process.
///
/// # Errors
/// Fails if the process lacks the rights.
pub(super) fn set(interface: u32, packets: u32) -> io::Result<()> {
    // The default protocol of these sockets is that of links and routes.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(interface, packets), SendFlags::empty())?;
    let mut answer = [0; 64];
    let (_, length) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let code = answer.get(..length).and_then(|answer| answer.get(HEADER..)?.first_chunk());
    match code.map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Returns a message `RTM_NEWLINK` (linux/rtnetlink.h) with the attribute `IFLA_TXQLEN` (linux/if_link.h).
fn request(interface: u32, packets: u32) -> Vec<u8> {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let attribute =
        [&8_u16.to_ne_bytes()[..], &libc::IFLA_TXQLEN.to_ne_bytes(), &packets.to_ne_bytes()].concat();
    // No address family and no type, the index of the interface, and no change of flags.
    let link = [&[0; 4][..], &interface.to_ne_bytes(), &[0; 8]].concat();
    let length = (HEADER + link.len() + attribute.len()) as u32;
    let header =
        [&length.to_ne_bytes()[..], &libc::RTM_NEWLINK.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
    [header, link, attribute].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_that_there_is_no_such_interface() {
        let error = set(u32::from(u16::MAX), 1).unwrap_err();
        // A process without the rights gets EPERM.
        let code = error.raw_os_error();
        assert!([Some(libc::ENODEV), Some(libc::EPERM)].contains(&code), "{error}");
    }
}
