//! TCP_INFO, SO_MEMINFO and SIOCOUTQ, in the only module of this crate with unsafe code.
#![allow(unsafe_code)]

use std::{
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd},
};

use record::{TcpBusy, TcpStats};

use super::ReceiveBuffer;

/// The number of values that SO_MEMINFO yields (SK_MEMINFO_VARS in linux/sock_diag.h).
const MEMINFO_VALUES: usize = 9;

/// The positions of the bytes allocated for receiving and for sending (SK_MEMINFO_RMEM_ALLOC and
/// SK_MEMINFO_WMEM_ALLOC), of the bytes queued for TCP to send (SK_MEMINFO_WMEM_QUEUED), of the size of the receive
/// buffer (SK_MEMINFO_RCVBUF), and of the number of datagrams that did not fit in it (SK_MEMINFO_DROPS).
const RECEIVE: usize = 0;
const RECEIVE_BUFFER: usize = 1;
const SEND: usize = 2;
const QUEUED: usize = 5;
const DROPS: usize = 8;

/// Returns the counters of the TCP connection of `socket`.
pub(crate) fn tcp_stats(socket: BorrowedFd<'_>) -> Option<TcpStats> {
    // SAFETY: tcp_info is plain integers, for which all zeroes are valid.
    let info: libc::tcp_info = unsafe { option(socket, libc::IPPROTO_TCP, libc::TCP_INFO) }?;
    // Linux writes these times since 4.10. A connection has a round-trip time from its handshake on, so a kernel that
    // states none is older.
    let busy = TcpBusy {
        total_us: info.tcpi_busy_time,
        window_limited_us: info.tcpi_rwnd_limited,
        buffer_limited_us: info.tcpi_sndbuf_limited,
    };
    Some(TcpStats {
        retransmits: info.tcpi_total_retrans.into(),
        rtt_us: info.tcpi_rtt.into(),
        cwnd: info.tcpi_snd_cwnd.into(),
        mss: info.tcpi_snd_mss.into(),
        bytes_acked: info.tcpi_bytes_acked,
        bytes_received: info.tcpi_bytes_received,
        // Without a sample, the kernel states the largest 32-bit number (struct minmax in its tcp.h).
        min_rtt_us: Some(info.tcpi_min_rtt.into()).filter(|least| (1..u64::from(u32::MAX)).contains(least)),
        peer_window: Some(info.tcpi_snd_wnd.into()).filter(|window| *window > 0),
        busy: (info.tcpi_min_rtt > 0).then_some(busy),
    })
}

/// Returns the kernel memory that `socket` holds in its queues, in bytes.
pub(crate) fn socket_memory_bytes(socket: BorrowedFd<'_>) -> Option<u64> {
    let values = memory(socket)?;
    Some(u64::from(values[RECEIVE]) + u64::from(values[SEND].max(values[QUEUED])))
}

/// Returns the state of the receive buffer of a UDP socket.
pub(crate) fn receive_buffer(socket: BorrowedFd<'_>) -> Option<ReceiveBuffer> {
    let values = memory(socket)?;
    Some(ReceiveBuffer { size: values[RECEIVE_BUFFER], used: values[RECEIVE], drops: values[DROPS] })
}

fn memory(socket: BorrowedFd<'_>) -> Option<[u32; MEMINFO_VALUES]> {
    // SAFETY: an array of integers, for which all zeroes are valid.
    unsafe { option(socket, libc::SOL_SOCKET, libc::SO_MEMINFO) }
}

/// Returns the number of bytes that the peer of a TCP connection has not acknowledged. An unacknowledged end counts as
/// a byte (SIOCOUTQ, which has the number of TIOCOUTQ).
pub(crate) fn undelivered_bytes(socket: BorrowedFd<'_>) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: this request writes one integer to the pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { u64::try_from(bytes).unwrap_or_default() } else { 0 }
}

/// Reads a socket option into a `T` that starts as zeroes: older kernels write fewer bytes.
///
/// # Safety
/// All zeroes must be a valid `T`, and so must the bytes that the kernel writes for this option.
unsafe fn option<T>(socket: BorrowedFd<'_>, level: i32, name: i32) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = libc::socklen_t::try_from(mem::size_of::<T>()).ok()?;
    // SAFETY: the pointer is to `length` writable bytes, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut length)
    };
    // SAFETY: zeroes, or bytes that the kernel wrote, both of which the caller vouches for.
    (result == 0).then(|| unsafe { value.assume_init() })
}
