//! Systems without Linux's socket options.

use std::os::fd::BorrowedFd;

use crate::TcpStats;

pub(crate) fn tcp_stats(_socket: BorrowedFd<'_>) -> Option<TcpStats> {
    None
}

pub(crate) fn socket_memory_bytes(_socket: BorrowedFd<'_>) -> Option<u64> {
    None
}
