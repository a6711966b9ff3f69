//! The capabilities of this machine's sockets, and of its AES-GCM.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use quinn::udp::{UdpSockRef, UdpSocketState};
use socket2::SockRef;
use tokio::net::TcpSocket;

use record::Limits;

use crate::{
    Error,
    settings::FromLimits as _,
    socket::{TcpOptions, congestion_of, set_buffers},
};

/// The numbers of UDP datagrams that one system call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpOffload {
    /// The most datagrams that one call sends (GSO).
    pub send_segments: usize,
    /// The most datagrams that one call receives (GRO).
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

/// Returns the offload that the kernel offers to UDP sockets.
///
/// # Errors
/// Fails if no socket can be created.
pub fn udp_offload() -> io::Result<UdpOffload> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|error| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map_err(|_| error))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(UdpOffload { send_segments: state.max_gso_segments(), receive_segments: state.gro_segments() })
}

/// Returns the buffers that the kernel grants to a TCP socket that asks for `bytes` each.
///
/// # Errors
/// Fails if no socket can be created, or `bytes` exceeds the address space.
pub fn socket_buffers(bytes: u64) -> io::Result<SocketBuffers> {
    let socket = TcpSocket::new_v4().or_else(|_| TcpSocket::new_v6())?;
    set_buffers(&socket, bytes.try_into().map_err(io::Error::other)?)?;
    let socket = SockRef::from(&socket);
    Ok(SocketBuffers {
        send_bytes: socket.send_buffer_size()? as u64,
        receive_bytes: socket.recv_buffer_size()? as u64,
    })
}

/// The congestion controller of a TCP socket, by its names in Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Controller {
    /// The controller that the limits name, or `None` if the limits leave the choice to the kernel.
    pub asked: Option<&'static str>,
    /// The controller in effect: the default of the kernel if this user may not set the controller asked for.
    pub in_effect: String,
}

/// Returns the congestion controller of a TCP socket with these limits, or `None` if the system does not report it.
///
/// # Errors
/// Fails if a limit cannot be used, or no socket can be created.
pub fn controller(limits: &Limits) -> Result<Option<Controller>, Error> {
    let options = TcpOptions::from_limits(limits)?;
    let asked = options.controller();
    let addr = (Ipv4Addr::LOCALHOST, 0).into();
    let socket = options.socket(addr).or_else(|_| options.socket((Ipv6Addr::LOCALHOST, 0).into()));
    let socket = socket.map_err(|source| Error::Listen { addr, source })?;
    Ok(congestion_of(&socket).map(|in_effect| Controller { asked, in_effect }))
}

/// AES-128-GCM by aws-lc, which seals records of TLS and QUIC.
#[derive(Debug)]
pub struct Sealer {
    key: LessSafeKey,
    record: Vec<u8>,
    sealed: u64,
}

impl Sealer {
    /// Returns a sealer of records of `length` bytes, for measurements only: the key is all zeroes.
    ///
    /// # Errors
    /// Fails if aws-lc lacks the cipher.
    pub fn for_records_of(length: usize) -> io::Result<Self> {
        let key = UnboundKey::new(&AES_128_GCM, &[0; 16]).map_err(io::Error::other)?;
        Ok(Self { key: LessSafeKey::new(key), record: vec![0; length], sealed: 0 })
    }

    /// Encrypts and authenticates the record in place. Each call seals the result of the previous call.
    ///
    /// # Errors
    /// Fails if the record is too long for the cipher.
    pub fn seal(&mut self) -> io::Result<()> {
        self.sealed += 1;
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.sealed.to_le_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut self.record);
        sealed.map(drop).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_record_is_another_one_each_time() {
        let mut sealer = Sealer::for_records_of(1452).unwrap();
        let mut seen = vec![sealer.record.clone()];
        for _ in 0..3 {
            sealer.seal().unwrap();
            assert!(!seen.contains(&sealer.record));
            seen.push(sealer.record.clone());
        }
    }

    #[test]
    fn a_machine_grants_small_buffers_in_full() {
        let granted = socket_buffers(64 << 10).unwrap();
        assert!(granted.send_bytes >= 64 << 10 && granted.receive_bytes >= 64 << 10, "{granted:?}");
        assert!(udp_offload().unwrap().send_segments >= 1);
    }
}
