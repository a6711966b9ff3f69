//! The fallback for systems without the socket options of Linux: nothing is known.

use std::os::fd::BorrowedFd;

use record::TcpStats;

use super::ReceiveBuffer;

pub(crate) fn tcp_stats(_socket: BorrowedFd<'_>) -> Option<TcpStats> {
    None
}

pub(crate) fn undelivered_bytes(_socket: BorrowedFd<'_>) -> u64 {
    0
}

pub(crate) fn socket_memory_bytes(_socket: BorrowedFd<'_>) -> Option<u64> {
    None
}

pub(crate) fn receive_buffer(_socket: BorrowedFd<'_>) -> Option<ReceiveBuffer> {
    None
}
