//! One connection: its requests side by side, until it ends or has been idle for too long.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{sync::watch, time::timeout};
use tracing::debug;
use transport::{Handshake, Session};

use super::{Patience, answer::Site, answering::After};

/// How long a connection that is to end may take to deliver what was answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// Makes the handshake and serves the connection to its end. What a stranger does wrong ends it, and is
/// nobody else's concern.
pub(super) async fn serve(
    handshake: Handshake,
    site: &Site,
    patience: Patience,
    alt_svc: Option<&str>,
    stopping: watch::Receiver<bool>,
) {
    let session = match timeout(patience.handshake, handshake).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return debug!("no connection: {error}"),
        Err(_) => return debug!("no connection: the handshake took too long"),
    };
    let link = session.link();
    let alt_svc = alt_svc.filter(|_| link.cipher.is_some() && link.alpn.as_deref() != Some("h3"));
    answer_all(session.as_ref(), site, patience.idle, alt_svc, stopping).await;
    let _ = timeout(FAREWELL, session.close()).await;
}

/// Answers requests until the client ends the connection, the server is stopping, or nothing is asked for
/// `idle`; those begun are answered in any case.
async fn answer_all(
    session: &dyn Session,
    site: &Site,
    idle: Duration,
    alt_svc: Option<&str>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut answers = FuturesUnordered::new();
    let mut next = session.accept();
    loop {
        tokio::select! {
            incoming = &mut next => {
                let incoming = match incoming {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) => break,
                    Err(error) => {
                        debug!("the connection broke: {error}");
                        break;
                    }
                };
                answers.push(site.answer(incoming, idle, alt_svc));
                next = session.accept();
            }
            Some(after) = answers.next() => {
                if after == After::Close {
                    return;
                }
            }
            () = tokio::time::sleep(idle), if answers.is_empty() => return,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
    }
    while let Some(after) = answers.next().await {
        if after == After::Close {
            return;
        }
    }
}
