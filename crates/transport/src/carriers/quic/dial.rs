//! Handshakes of a client. The client waits for the server's confirmation of a slow one.

use std::time::Duration;

use quinn::{Connecting, Connection, ConnectionError};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::Error;

/// The duration from which a handshake counts as slow, and its confirmation is awaited. By then, the client has sent
/// probes (RFC 9002 section 6.2).
const SLOW: Duration = Duration::from_secs(1);

/// The most handshakes with one server.
const MOST: usize = 3;

/// The time between two looks for the confirmation.
const LOOK: Duration = Duration::from_millis(50);

/// Connects to a server. `begin` begins a handshake with it.
///
/// A server that is overloaded may lose the last message of a handshake, which completes the handshake for the client
/// alone. The client then repeats the message after multiples of the time that the handshake took, which double with
/// each probe that was sent before (RFC 9002 section 6.2.1): after 15 s and four probes, in 12 minutes. So if a
/// handshake was slow, the client waits as long again for HANDSHAKE_DONE (RFC 9001 section 4.1.2), and then begins
/// anew. The server has accepted no request before.
///
/// # Errors
/// Fails if a handshake fails, or if the server confirms none.
pub(super) async fn dial(begin: impl Fn() -> Result<Connecting, Error>) -> Result<Connection, Error> {
    for _ in 0..MOST {
        let began = Instant::now();
        let connection = begin()?.await.map_err(Error::handshake)?;
        let took = began.elapsed();
        if took < SLOW || is_confirmed(&connection, took).await {
            return Ok(connection);
        }
        debug!("the server did not confirm a handshake of {:.1} s", took.as_secs_f64());
        connection.close(0_u32.into(), b"the handshake was not confirmed");
    }
    Err(Error::handshake(format!("the server confirmed none of {MOST} slow handshakes")))
}

/// Waits at most `within` until the server has confirmed the handshake, or has closed the connection for a reason that
/// the next request will report. Returns whether it has.
async fn is_confirmed(connection: &Connection, within: Duration) -> bool {
    let confirmation = async {
        loop {
            match connection.close_reason() {
                // The server has forgotten the handshake.
                Some(ConnectionError::Reset | ConnectionError::TimedOut) => return false,
                Some(_) => return true,
                None if connection.stats().frame_rx.handshake_done > 0 => return true,
                None => sleep(LOOK).await,
            }
        }
    };
    timeout(within, confirmation).await.unwrap_or_default()
}
