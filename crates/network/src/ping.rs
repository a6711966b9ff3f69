//! Pings through both directions of a relay of sockets.

use std::{io, time::Duration};

use process::Stamp;

use crate::{alarm::Alarm, link::SharedLink};

/// The number of pings before a transfer.
pub(crate) const PINGS: usize = 3;

/// The size of a ping in bytes, that of a small datagram.
const BYTES: usize = 64;

/// Sends pings one after the other through two idle links. Returns the round-trip time of each in microseconds; `None`
/// for a lost ping.
///
/// # Errors
/// Fails if there is no timer.
pub(crate) async fn ping([to_server, to_client]: &[SharedLink; 2]) -> io::Result<Vec<Option<f64>>> {
    let (mut alarm, mut times) = (Alarm::new()?, Vec::new());
    for _ in 0..PINGS {
        let began = Stamp::now();
        let arrived = pass(to_server, &mut alarm).await && pass(to_client, &mut alarm).await;
        times.push(arrived.then(|| began.elapsed().as_secs_f64() * 1e6));
    }
    Ok(times)
}

/// Waits until a ping has passed a link. Returns false if it is lost.
async fn pass(link: &SharedLink, alarm: &mut Alarm) -> bool {
    let passes = link.borrow_mut().take_packet(BYTES);
    let Some(arrival) = passes else { return false };
    let wait = arrival.saturating_sub(link.borrow().now());
    if wait > Duration::ZERO {
        alarm.after(wait).await;
    }
    true
}
