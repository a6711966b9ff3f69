//! The end of a connection over a byte stream: the wait until the peer has received all bytes that were sent.

use std::{
    future::{pending, poll_fn},
    time::Duration,
};

use record::TransportStats;
use tokio::time::sleep;

use crate::tcp_stream::SharedSocket;

/// The interval at which the progress of the socket is checked.
const POLL: Duration = Duration::from_millis(50);

/// The time without an acknowledged byte after which a peer that still has bytes to receive is given up: the default
/// idle timeout of a server.
const STALL: Duration = Duration::from_secs(30);

/// The time that a peer has to close its direction once it has received everything. Closing the socket while the peer
/// still sends would cause a reset. On some systems, a reset discards the bytes that the peer has received but not
/// read.
const LINGER: Duration = Duration::from_secs(2);

/// The bytes that are read and discarded at once.
const SPACE: usize = 4 << 10;

/// Reads and discards until the peer has ended its direction, or the socket is closed.
pub(crate) async fn ended_by_peer(socket: &SharedSocket) {
    let mut space = [0; SPACE];
    while poll_fn(|cx| socket.poll_discard(cx, &mut space)).await.is_ok_and(|length| length > 0) {}
}

/// Waits until nothing has moved for [`STALL`], or for [`LINGER`] once there is nothing left to deliver.
pub(crate) async fn stalled(socket: &SharedSocket) {
    let (mut progress, mut still) = ((None, 0), Duration::ZERO);
    loop {
        sleep(POLL).await;
        still = still.saturating_add(POLL);
        let Some(undelivered) = socket.undelivered() else { return pending().await };
        // For a Unix socket, only the number of undelivered bytes is known.
        let now = (acknowledged_bytes(socket), undelivered);
        if now != progress {
            (progress, still) = (now, Duration::ZERO);
        }
        if still >= if undelivered == 0 { LINGER } else { STALL } {
            return;
        }
    }
}

fn acknowledged_bytes(socket: &SharedSocket) -> Option<u64> {
    match socket.link().stats {
        Some(TransportStats::Tcp(stats)) => Some(stats.bytes_acked),
        _ => None,
    }
}
