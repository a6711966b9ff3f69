//! UDP sockets of several threads on one port, to which the kernel hands datagrams by their connection IDs.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use socket2::SockRef;

use crate::socket;

/// Returns `threads` sockets on one address. The first socket is bound without SO_REUSEPORT, so that an address in use
/// by another program is refused, as it is for a single thread.
///
/// # Errors
/// Fails if the address cannot be bound, or the system refuses an option.
pub(super) fn sockets(addr: SocketAddr, buffer: Option<usize>, threads: u16) -> io::Result<Vec<UdpSocket>> {
    let first = socket::udp(addr, buffer)?;
    if threads <= 1 {
        return Ok(vec![first]);
    }
    SockRef::from(&first).set_reuse_port(true)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(socket::udp_beside(bound, buffer)?);
    }
    if let Some(first) = sockets.first() {
        steer(first, threads);
    }
    Ok(sockets)
}

/// Makes the kernel choose the socket by the connection ID, in place of a hash of the addresses: a classic BPF program
/// (SO_ATTACH_REUSEPORT_CBPF in socket(7)), which needs no privilege. If the kernel refuses the program, the threads
/// hand datagrams over among themselves, which costs time.
#[cfg(target_os = "linux")]
fn steer(socket: &UdpSocket, threads: u16) {
    use nix::sys::socket::{setsockopt, sockopt};

    let mut program = program(threads);
    let Ok(len) = u16::try_from(program.len()) else { return };
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    if let Err(error) = setsockopt(socket, sockopt::AttachReusePortCbpf, &filter) {
        tracing::debug!("the kernel does not steer datagrams by connection IDs: {error}");
    }
}

/// Does nothing: only Linux takes such a program.
#[cfg(not(target_os = "linux"))]
fn steer(_: &UdpSocket, _: u16) {}

/// Returns the program, which computes what [`thread_of`](super::connection_ids::thread_of) does. If the datagram is
/// too short for a load, the program ends and returns 0, the first socket.
#[cfg(target_os = "linux")]
fn program(threads: u16) -> [libc::sock_filter; 7] {
    use libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_JA, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_MOD, BPF_RET,
    };

    use super::connection_ids::{LONG_HEADER, LONG_OFFSET, SHORT_OFFSET};

    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    [
        step(BPF_LD | BPF_B | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JSET | BPF_K, 0, 2, LONG_HEADER.into()),
        step(BPF_LD | BPF_H | BPF_ABS, 0, 0, LONG_OFFSET.into()),
        step(BPF_JMP | BPF_JA, 0, 0, 1),
        step(BPF_LD | BPF_H | BPF_ABS, 0, 0, SHORT_OFFSET.into()),
        step(BPF_ALU | BPF_MOD | BPF_K, 0, 0, threads.into()),
        step(BPF_RET | BPF_A, 0, 0, 0),
    ]
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::carriers::quic::connection_ids::{ThreadIds, thread_of};

    #[test]
    fn the_kernel_hands_datagrams_to_the_socket_that_their_id_names() {
        use quinn::ConnectionIdGenerator as _;

        let sockets = sockets(([127, 0, 0, 1], 0).into(), None, 3).unwrap();
        let addr = sockets[0].local_addr().unwrap();
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap(), addr);
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        for round in 0..30_u16 {
            let id = ThreadIds::new(round % 3, 3).generate_cid();
            let head: &[u8] = if round % 2 == 0 { &[0x40] } else { &[0xc0, 0, 0, 0, 1, 8] };
            let datagram = [head, &id, &[7; 20]].concat();
            // The address changes from datagram to datagram.
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.send_to(&datagram, addr).unwrap();
            let mut received = [0; 64];
            let (len, from) = sockets[usize::from(round % 3)].recv_from(&mut received).unwrap();
            assert_eq!((&received[..len], from), (&datagram[..], client.local_addr().unwrap()));
            assert_eq!(thread_of(&datagram, 3), Some(round % 3));
        }
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_sockets_would_share_it() {
        let own = sockets(([127, 0, 0, 1], 0).into(), None, 2).unwrap();
        let refused = sockets(own[0].local_addr().unwrap(), None, 2).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
