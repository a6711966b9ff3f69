//! The connections of a transfer. A connection that is to resume a TLS session follows a separate connection, which
//! makes a full handshake, receives the session, and closes.

use std::{sync::Arc, time::Duration};

use record::{Protocol, Resumption};
use run::Threads;
use tokio::time::timeout;
use transport::{Connection, Link, Sessions};

use crate::{
    Options, Target, Transfer,
    attempt::CLOSE_TIMEOUT,
    dial::{DialError, Dialled, dial, dial_sharing},
    redirect::Way,
};

/// The longest wait for the session ticket after a full handshake. Servers send the ticket at the end of the handshake,
/// so it arrives within a round trip.
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
    /// A resumed handshake whose early data is the request, if that is a GET or HEAD over HTTP/1.1 or HTTP/3 and the
    /// server accepts it. An attacker who records the packets can repeat the request (RFC 8446 section 8).
    EarlyData,
}

/// The connections that carry the bodies of a transfer.
pub(crate) struct Connections {
    pub(crate) connections: Vec<Arc<dyn Connection>>,
    /// The duration of the slowest handshake.
    pub(crate) handshake: Duration,
    /// The facts about the resumption of TLS sessions; `None` if no connection was to resume one.
    pub(crate) resumption: Option<Resumption>,
}

impl HandshakeKind {
    /// Returns whether a protocol can send a request in early data. Over HTTP/2, the client first waits for the
    /// server's settings, so that its windows are in force.
    pub fn can_be_early(protocol: &Protocol) -> bool {
        protocol.is_encrypted() && matches!(protocol.http(), Some("1.1" | "3"))
    }

    /// Returns the handshake for a request, which may go out in early data only if it is safe (RFC 8470 section 4).
    pub(crate) fn for_request(self, transfer: &Transfer, way: &Way<'_>) -> Self {
        let is_safe = way.options().is_safe(transfer.direction());
        match self {
            Self::EarlyData if !is_safe || !Self::can_be_early(way.target().protocol()) => Self::Resumed,
            kind => kind,
        }
    }
}

impl Connections {
    /// Opens all connections one after the other, and distributes them over the threads in turn.
    ///
    /// # Errors
    /// Fails if one of them cannot be opened.
    pub(crate) async fn open(
        threads: &Threads,
        target: &Target,
        options: &Options,
        kind: HandshakeKind,
    ) -> Result<Self, DialError> {
        let mut opened = Self { connections: Vec::new(), handshake: Duration::ZERO, resumption: None };
        for (thread, _) in (0..threads.count()).cycle().zip(0..options.load.connections) {
            let (target, options) = (target.clone(), options.clone());
            let dialled = if kind != HandshakeKind::Full && opened.is_next_resumed(&target) {
                let resuming = async move { resuming(&target, &options, kind).await };
                let (dialled, resumption) = threads.run(thread, resuming).await?;
                opened.resumption = Some(together(opened.resumption, resumption));
                dialled
            } else {
                threads.run(thread, async move { dial(&target, &options).await }).await?
            };
            opened.handshake = opened.handshake.max(dialled.handshake);
            opened.connections.push(dialled.connection);
        }
        Ok(opened)
    }

    /// Returns whether the next connection is to resume a session. If the server has once sent no session, the wait for
    /// one is not repeated.
    fn is_next_resumed(&self, target: &Target) -> bool {
        target.protocol().is_encrypted() && self.resumption.is_none_or(|earlier| earlier.session_received)
    }
}

/// Makes a full handshake, waits for its session, closes the connection, and opens another one.
async fn resuming(
    target: &Target,
    options: &Options,
    kind: HandshakeKind,
) -> Result<(Dialled, Resumption), DialError> {
    let sessions = Sessions::new();
    let sessions = if kind == HandshakeKind::EarlyData { sessions.with_early_data() } else { sessions };
    let first = dial_sharing(Some(&sessions), target, options).await?;
    let session_received = timeout(SESSION, sessions.received()).await.is_ok();
    let _ = timeout(CLOSE_TIMEOUT, first.connection.close()).await;
    let full_handshake_s = first.handshake.as_secs_f64();
    let next = first.again(target, options).await?;
    Ok((next, Resumption::new(full_handshake_s, session_received)))
}

/// Combines the facts about several sessions: the slowest handshake, and whether all sessions were received.
fn together(earlier: Option<Resumption>, mut next: Resumption) -> Resumption {
    if let Some(earlier) = earlier {
        next.full_handshake_s = next.full_handshake_s.max(earlier.full_handshake_s);
        next.session_received &= earlier.session_received;
    }
    next
}

/// Adds the facts that are known after the first exchange: whether all sessions were resumed, and whether all early
/// data was accepted.
pub(crate) fn completed(mut resumption: Resumption, links: &[Link]) -> Resumption {
    let all =
        |fact: fn(&Link) -> Option<bool>| links.iter().try_fold(true, |all, link| Some(all & fact(link)?));
    resumption.resumed = all(|link| link.resumed);
    resumption.early_data_accepted = all(|link| link.early_data);
    resumption
}

#[cfg(test)]
mod tests {
    use http::Method;
    use record::PayloadKind;

    use super::*;
    use crate::{Download, Output, RequestOptions, Upload};

    fn link(resumed: bool, early_data: Option<bool>) -> Link {
        let mut link = Link::default();
        (link.resumed, link.early_data) = (Some(resumed), early_data);
        link
    }

    #[test]
    fn several_sessions_are_resumed_if_all_are() {
        let resumption = together(Some(Resumption::new(2.0, true)), Resumption::new(1.0, true));
        assert_eq!((resumption.full_handshake_s, resumption.session_received), (2.0, true));
        for (links, resumed, early_data) in [
            ([link(true, None), link(true, None)], true, None),
            ([link(true, None), link(false, None)], false, None),
            ([link(true, Some(true)), link(true, Some(true))], true, Some(true)),
            ([link(true, Some(false)), link(true, Some(true))], true, Some(false)),
        ] {
            let facts = completed(resumption, &links);
            assert_eq!((facts.resumed, facts.early_data_accepted), (Some(resumed), early_data), "{links:?}");
        }
        assert_eq!(completed(resumption, &[Link::default()]).resumed, None);
    }

    #[test]
    fn only_a_safe_request_goes_out_in_early_data() {
        let [h1, h2, h3] = ["h1", "h2", "h3"].map(Protocol::by_name);
        let download = || Transfer::from(Download::new(Output::verify()));
        let upload = Transfer::from(Upload::new(PayloadKind::Zero).unwrap());
        for (protocol, transfer, method, expected) in [
            (h1, download(), None, HandshakeKind::EarlyData),
            (h1, download(), Some(Method::HEAD), HandshakeKind::EarlyData),
            (h1, download(), Some(Method::POST), HandshakeKind::Resumed),
            (h1, upload, None, HandshakeKind::Resumed),
            (h2, download(), None, HandshakeKind::Resumed),
            (h3, download(), None, HandshakeKind::EarlyData),
        ] {
            let target = Target::parse("https://x/").unwrap().with_protocol(protocol).unwrap();
            let options = RequestOptions::default().with_method(method);
            let way = Way::new(&target, &options);
            assert_eq!(HandshakeKind::EarlyData.for_request(&transfer, &way), expected, "{transfer:?}");
            assert_eq!(HandshakeKind::Full.for_request(&transfer, &way), HandshakeKind::Full);
        }
    }
}
