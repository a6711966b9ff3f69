//! What the kernel knows about a socket and only tells through options that no safe wrapper reads.
//!
//! Linux only; elsewhere nothing is known.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{socket_memory_bytes, tcp_stats};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{socket_memory_bytes, tcp_stats};
