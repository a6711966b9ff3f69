//! What this machine's kernel gives to sockets.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
};

use quinn::udp::{UdpSockRef, UdpSocketState};
use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::socket::set_buffers;

/// How many datagrams the kernel takes and gives at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOffload {
    /// The most that one send takes (GSO).
    pub send_segments: usize,
    /// The most that one receive gives (GRO).
    pub receive_segments: usize,
}

/// What UDP sockets can here.
///
/// # Errors
/// There are no sockets to be had.
pub fn udp_offload() -> io::Result<UdpOffload> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(UdpOffload { send_segments: state.max_gso_segments(), receive_segments: state.gro_segments() })
}

/// The send and the receive buffer that a TCP socket gets which asks for `bytes` each, as the kernel tells them.
///
/// # Errors
/// There are no sockets to be had.
pub fn socket_buffers(bytes: u64) -> io::Result<(u64, u64)> {
    let socket = TcpSocket::new_v4()?;
    set_buffers(&socket, bytes)?;
    let socket = SockRef::from(&socket);
    Ok((socket.send_buffer_size()? as u64, socket.recv_buffer_size()? as u64))
}
