//! The server behind a program in one case: it reads uploads and gives downloads in unusual ways.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use payload::Digest;
use record::{Fault, FaultKind, Limits, Protocol};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use transport::{Bind, Body, ChunkExtensions, Guards, Incoming, Listener, Session, body};

use super::{
    reading::{Reading, SLOW},
    script::{FIRST, SMALL, Script, TRAILER},
};

/// The time for which a client may be silent in the middle of a body.
const PATIENCE: Duration = Duration::from_secs(60);

/// The conduct of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Reads uploads whole and gives whole downloads.
    Plain,
    /// Reads slowly at first.
    Slow,
    /// Reads the first bytes, stands still for some time, and reads the rest.
    Stalled(Duration),
    /// Reads the first bytes, and closes the connection.
    Gone,
    /// Answers after some time without having read a byte.
    Unread(Duration),
    /// Refuses before the body has ended.
    Early,
    /// Breaks off uploads and downloads after the first bytes.
    Reset,
    /// Gives small downloads in tiny pieces.
    Tiny,
    /// Gives small downloads with trailers.
    Trailers,
    /// Gives downloads of twice the announced length.
    Larger,
}

/// The observations of a server.
#[derive(Default)]
pub(super) struct Scene {
    /// The requests so far.
    pub(super) requests: AtomicU64,
    /// The body bytes of uploads that were read.
    pub(super) received: Arc<AtomicU64>,
    /// The body bytes of downloads that were handed over.
    pub(super) given: Arc<AtomicU64>,
    whole: Mutex<Option<(u64, Digest)>>,
}

impl Scene {
    /// Returns the bytes and the digest of the last whole upload.
    pub(super) fn whole(&self) -> Option<(u64, Digest)> {
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that acts out a case.
pub(super) struct Stage {
    listener: Box<dyn Listener>,
    act: Act,
    scene: Arc<Scene>,
}

impl Stage {
    /// Listens in cleartext for a proxy, with both versions of HTTP over TCP.
    pub(super) fn behind_proxy(addr: SocketAddr, limits: &Limits, act: Act) -> Result<Self, Fault> {
        let listener = transport::listen_cleartext(&bind(addr), limits)?;
        Ok(Self { listener, act, scene: Arc::default() })
    }

    /// Listens for a client over a protocol, with a certificate if the protocol needs one.
    pub(super) fn for_client(
        protocol: &Protocol,
        addr: SocketAddr,
        identity: Option<transport::Identity>,
        limits: &Limits,
        act: Act,
    ) -> Result<Self, Fault> {
        let transport = transport::by_name(protocol.name)
            .ok_or_else(|| Fault::new(FaultKind::Listen, format!("{} is not served", protocol.name)))?;
        let listener = transport.listen(&bind(addr).with_identity(identity), limits)?;
        Ok(Self { listener, act, scene: Arc::default() })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    pub(super) fn scene(&self) -> Arc<Scene> {
        self.scene.clone()
    }

    /// Serves until this future is dropped.
    pub(super) async fn serve(self) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Ok(accepted) = accepted else { return pending().await };
                    let (act, scene) = (self.act, self.scene.clone());
                    sessions.spawn(async move {
                        if let Ok(session) = accepted.handshake.await {
                            play(session, act, scene).await;
                        }
                    });
                }
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            }
        }
    }
}

fn bind(addr: SocketAddr) -> Bind {
    let mut guards = Guards::default();
    // Third-party clients may send chunk extensions that hyper refuses.
    guards.chunk_extensions = ChunkExtensions::Any;
    Bind::new(addr).with_guards(guards)
}

/// Answers the requests of one connection.
async fn play(session: Box<dyn Session>, act: Act, scene: Arc<Scene>) {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            incoming = session.accept() => {
                let Ok(Some(incoming)) = incoming else { break };
                scene.requests.fetch_add(1, Relaxed);
                if act == Act::Gone && is_upload(&incoming) {
                    let mut reading = read(incoming.request.into_body(), &scene);
                    let _ = reading.up_to(FIRST).await;
                    // Dropping the session closes the connection.
                    return;
                }
                answers.spawn(answer(incoming, act, scene.clone()));
            }
            Some(_) = answers.join_next(), if !answers.is_empty() => {}
        }
    }
    while answers.join_next().await.is_some() {}
    let _ = timeout(Duration::from_secs(1), session.close()).await;
}

fn is_upload(incoming: &Incoming) -> bool {
    !matches!(*incoming.request.method(), Method::GET | Method::HEAD)
}

fn read(body: Body, scene: &Scene) -> Reading {
    Reading::of(body, PATIENCE, &scene.received)
}

async fn answer(incoming: Incoming, act: Act, scene: Arc<Scene>) {
    let response = match is_upload(&incoming) {
        true => take(incoming.request.into_body(), act, &scene).await,
        false => Some(give(incoming.request.uri().query().unwrap_or_default(), act, &scene)),
    };
    // Without a response, dropping the responder breaks the exchange off.
    if let Some(response) = response {
        let _ = incoming.responder.respond(response).await;
    }
}

/// Reads an upload, and returns the response. `None` breaks the exchange off.
async fn take(body: Body, act: Act, scene: &Scene) -> Option<Response<Body>> {
    match act {
        Act::Unread(time) => {
            sleep(time).await;
            return Some(text(StatusCode::OK, "nobody has read it\n"));
        }
        Act::Early => return Some(text(StatusCode::PAYLOAD_TOO_LARGE, "too large\n")),
        _ => {}
    }
    let mut reading = read(body, scene);
    match act {
        Act::Slow => reading.at_rate(SLOW.0, SLOW.1).await.ok()?,
        Act::Stalled(time) => {
            reading.up_to(FIRST).await.ok()?;
            sleep(time).await;
        }
        Act::Reset => {
            reading.up_to(FIRST).await.ok()?;
            return None;
        }
        _ => {}
    }
    reading.rest().await.ok()?;
    *scene.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading.bytes(), reading.digest()));
    Some(text(StatusCode::OK, format!("{} bytes\n", reading.bytes())))
}

/// Returns the response to a download, of the size in the query unless `act` demands another one.
fn give(query: &str, act: Act, scene: &Scene) -> Response<Body> {
    let size = query.split('&').find_map(|part| part.strip_prefix("size=")?.parse().ok());
    let size = match act {
        Act::Tiny | Act::Trailers => SMALL,
        Act::Larger => 2 * SMALL,
        _ => size.unwrap_or(SMALL),
    };
    let script = Script::of(size, &scene.given);
    let mut fields = HeaderMap::new();
    let script = match act {
        Act::Tiny => script.in_tiny_pieces(),
        Act::Trailers => {
            fields.insert(header::TRAILER, HeaderValue::from(TRAILER));
            script.with_trailers()
        }
        Act::Larger => {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(SMALL));
            script
        }
        Act::Reset => {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            script.breaking_after(FIRST)
        }
        _ => script,
    };
    let mut response = Response::new(script.body());
    response.headers_mut().extend(fields);
    response
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(body::full(text.into()));
    *response.status_mut() = status;
    response
}
