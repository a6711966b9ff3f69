//! The capabilities of this machine's sockets.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
};

use quinn::udp::{UdpSockRef, UdpSocketState};
use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::socket::set_buffers;
#[cfg(target_os = "linux")]
use crate::{congestion::Congestion, socket::set_congestion};

/// The numbers of UDP datagrams that one system call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpOffload {
    /// The most datagrams of one send (GSO).
    pub send_segments: usize,
    /// The most datagrams of one receive (GRO).
    pub receive_segments: usize,
}

/// The buffers of a TCP socket, as the kernel accounts them: Linux doubles the requested sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketBuffers {
    /// The send buffer, in bytes.
    pub send_bytes: u64,
    /// The receive buffer, in bytes.
    pub receive_bytes: u64,
}

/// The offload that the kernel offers to UDP sockets.
///
/// # Errors
/// No socket can be created.
pub fn udp_offload() -> io::Result<UdpOffload> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|error| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map_err(|_| error))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(UdpOffload { send_segments: state.max_gso_segments(), receive_segments: state.gro_segments() })
}

/// The buffers that the kernel grants to a TCP socket that asks for `bytes` each.
///
/// # Errors
/// No socket can be created, or `bytes` exceeds the address space.
pub fn socket_buffers(bytes: u64) -> io::Result<SocketBuffers> {
    let socket = TcpSocket::new_v4().or_else(|_| TcpSocket::new_v6())?;
    set_buffers(&socket, bytes.try_into().map_err(io::Error::other)?)?;
    let socket = SockRef::from(&socket);
    Ok(SocketBuffers {
        send_bytes: socket.send_buffer_size()? as u64,
        receive_bytes: socket.recv_buffer_size()? as u64,
    })
}

/// The congestion controller that a TCP socket gets by default: CUBIC, or the kernel's own choice where this user may
/// not have it.
///
/// # Errors
/// No socket can be created, or it does not tell.
#[cfg(target_os = "linux")]
pub fn controller() -> io::Result<String> {
    let socket = TcpSocket::new_v4().or_else(|_| TcpSocket::new_v6())?;
    set_congestion(&socket, Congestion::Cubic)?;
    let name = SockRef::from(&socket).tcp_congestion()?;
    Ok(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
}

/// Always an error: only Linux tells.
#[cfg(not(target_os = "linux"))]
pub fn controller() -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_grants_small_buffers_in_full() {
        let granted = socket_buffers(64 << 10).unwrap();
        assert!(granted.send_bytes >= 64 << 10 && granted.receive_bytes >= 64 << 10, "{granted:?}");
        assert!(udp_offload().unwrap().send_segments >= 1);
    }
}
