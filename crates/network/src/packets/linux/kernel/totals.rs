//! The counts of a direction, from the kernel's counters.

use record::DirectionCount;

use super::{
    super::{counters, ends::INTERFACE},
    loss::Loss,
    queues::Dropped,
};
use crate::RelayFault;

/// The bytes of an Ethernet header, which interfaces count as a part of each packet.
const ETHERNET: u64 = 14;

/// Returns the counts so far of the direction to the end in whose namespace this process is.
///
/// # Errors
/// Fails if a counter cannot be read.
pub(super) fn count(dropped: &Dropped, loss: Loss) -> Result<DirectionCount, RelayFault> {
    let (came, lost) = (counters::read(INTERFACE)?, loss.by_rule()?);
    let headers = came.packets.saturating_mul(ETHERNET);
    Ok(DirectionCount {
        packets: came.packets.saturating_sub(lost.packets),
        bytes: came.bytes.saturating_sub(headers).saturating_sub(lost.bytes),
        lost: Some(dropped.lost().saturating_add(lost.packets)),
        overflowed: Some(dropped.overflowed),
        ..DirectionCount::default()
    })
}

/// Returns the difference between two counts.
pub(super) fn since(now: DirectionCount, before: DirectionCount) -> DirectionCount {
    let difference = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
    DirectionCount {
        packets: now.packets.saturating_sub(before.packets),
        bytes: now.bytes.saturating_sub(before.bytes),
        lost: difference(now.lost, before.lost),
        overflowed: difference(now.overflowed, before.overflowed),
        ..now
    }
}
