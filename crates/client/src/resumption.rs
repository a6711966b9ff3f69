//! The connections of a transfer. Before each that is to resume a TLS session, a connection of its own makes a full handshake.

use std::{sync::Arc, time::Duration};

use record::Resumption;
use tokio::time::timeout;
use transport::{Connection, Sessions};

use crate::{
    Options, Target,
    attempt::CLOSE_TIMEOUT,
    dial::{DialError, Dialled, dial, dial_sharing},
};

/// The longest wait for the session after a full handshake. Servers give it at once, a round trip after the handshake.
const SESSION: Duration = Duration::from_secs(2);

/// The handshake of the connections that carry bodies, over TLS and QUIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeKind {
    /// A full handshake.
    #[default]
    Full,
    /// A handshake that resumes the session of an earlier connection, if the server gives one.
    Resumed,
}

/// The connections that carry the bodies of a transfer.
pub(crate) struct Connections {
    pub(crate) connections: Vec<Arc<dyn Connection>>,
    /// The duration of the slowest handshake.
    pub(crate) handshake: Duration,
    /// The sessions that the connections were to resume; `None` without any.
    pub(crate) resumption: Option<Resumption>,
}

impl Connections {
    /// Opens all connections, one after the other.
    ///
    /// # Errors
    /// Fails if one of them cannot be opened.
    pub(crate) async fn open(target: &Target, options: &Options) -> Result<Self, DialError> {
        let mut opened = Self { connections: Vec::new(), handshake: Duration::ZERO, resumption: None };
        for _ in 0..options.load.connections {
            let dialled = if opened.is_next_resumed(target, options) {
                let (dialled, resumption) = resuming(target, options).await?;
                opened.resumption = Some(together(opened.resumption, resumption));
                dialled
            } else {
                dial(target, options).await?
            };
            opened.handshake = opened.handshake.max(dialled.handshake);
            opened.connections.push(dialled.connection);
        }
        Ok(opened)
    }

    /// Returns whether the next connection is to resume a session. A server that gives none is not waited for again.
    fn is_next_resumed(&self, target: &Target, options: &Options) -> bool {
        options.handshake == HandshakeKind::Resumed
            && target.protocol().is_encrypted()
            && self.resumption.is_none_or(|earlier| earlier.session_received)
    }
}

/// Makes a full handshake, waits for its session, closes the connection, and opens another one.
async fn resuming(target: &Target, options: &Options) -> Result<(Dialled, Resumption), DialError> {
    let sessions = Sessions::new();
    let first = dial_sharing(Some(&sessions), target, options).await?;
    let session_received = timeout(SESSION, sessions.received()).await.is_ok();
    let _ = timeout(CLOSE_TIMEOUT, first.connection.close()).await;
    let full_handshake_s = first.handshake.as_secs_f64();
    let next = first.again(target, options).await?;
    let resumed = next.connection.link().resumed;
    Ok((next, Resumption::new(full_handshake_s, session_received, resumed)))
}

/// Returns the facts about several sessions: the slowest handshake, and whether all were received and resumed.
fn together(earlier: Option<Resumption>, next: Resumption) -> Resumption {
    let Some(earlier) = earlier else { return next };
    let all = |one: Option<bool>, other: Option<bool>| Some(one? && other?);
    Resumption::new(
        earlier.full_handshake_s.max(next.full_handshake_s),
        earlier.session_received && next.session_received,
        all(earlier.resumed, next.resumed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sessions_are_resumed_if_all_are() {
        let (resumed, full) =
            (Resumption::new(2.0, true, Some(true)), Resumption::new(3.0, false, Some(false)));
        assert_eq!(together(None, resumed), resumed);
        assert_eq!(together(Some(resumed), full), full);
        assert_eq!(together(Some(full), resumed), full);
        let unknown = Resumption::new(1.0, true, None);
        assert_eq!(together(Some(resumed), unknown), Resumption::new(2.0, true, None));
    }
}
