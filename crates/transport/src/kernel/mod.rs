//! Facts about a socket that the kernel states only through options without a safe wrapper.
//!
//! Linux only; on other systems nothing is known.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{socket_memory_bytes, tcp_stats, undelivered_bytes};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{socket_memory_bytes, tcp_stats, undelivered_bytes};
