//! Facts about a socket that the kernel states only through options without a safe wrapper.
//!
//! Linux only; on other systems nothing is known.

/// The state of the receive buffer of a UDP socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveBuffer {
    /// The size of the buffer in bytes, for datagrams and the kernel's bookkeeping of them.
    pub(crate) size: u32,
    /// The part of the buffer that is in use, in bytes.
    pub(crate) used: u32,
    /// The number of datagrams that were dropped because they did not fit.
    pub(crate) drops: u32,
}

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{receive_buffer, socket_memory_bytes, tcp_stats, undelivered_bytes};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{receive_buffer, socket_memory_bytes, tcp_stats, undelivered_bytes};
