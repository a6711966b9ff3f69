//! A server in the process of the test, and a client of that server.

pub(crate) mod raw;

use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use longhaul_client::{Client, Options, Target};
use metrics::Meter;
use payload::Payload;
use receiver::{Reception, Sink};
use record::{Build, ByteSize, ChunkSize, DEFAULT_SEED, Limits, PROTOCOLS, PayloadKind, Protocol};
use sender::MeteredBody;
use transport::{Bind, Body, BodyError, Identity, Listener, Session, Trust, body};

/// The behaviour of a server towards the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// The server confirms the bytes received, and sends the bytes requested.
    Honest,
    /// The server confirms another digest, and sends other bytes.
    Lying,
    /// The server answers before it has read the body, which it never reads.
    Hasty,
}

/// Returns all protocols that carry HTTP.
pub(crate) fn protocols() -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().filter(|protocol| protocol.is_http())
}

/// Starts a server that ends with the test. Returns the URL of the server without a path, and options that trust the
/// server.
pub(crate) fn serve(protocol: &'static Protocol, honesty: Honesty) -> (String, Options) {
    let identity = Identity::self_signed(&["127.0.0.1"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity);
    let listener = transport::of(protocol).unwrap().listen(&bind, &Limits::default()).unwrap();
    let url = format!("{}://{}", protocol.scheme(), listener.local_addr());
    tokio::spawn(accept(listener, honesty));
    let options = Options::default().with_trust(trust).with_timeout(Duration::from_secs(20));
    (url, options.with_label("a label".to_owned()))
}

/// Returns a client with an empty build, and the target for a URL and a protocol.
pub(crate) fn client(options: Options, url: &str, protocol: &'static Protocol) -> (Client, Target) {
    let target = Target::parse(url).unwrap().with_protocol(protocol).unwrap();
    (Client::new(options, Build::default()), target)
}

async fn accept(listener: Box<dyn Listener>, honesty: Honesty) {
    while let Ok(accepted) = listener.accept().await {
        tokio::spawn(async move {
            if let Ok(session) = accepted.handshake.await {
                answer(session, honesty).await;
            }
        });
    }
}

async fn answer(session: Box<dyn Session>, honesty: Honesty) {
    let mut unread = Vec::new();
    while let Ok(Some(incoming)) = session.accept().await {
        if honesty == Honesty::Hasty {
            unread.push(incoming.request);
            let _ = incoming.responder.respond(Response::new(body::full("thanks"))).await;
            continue;
        }
        let response = if incoming.request.method() == Method::PUT {
            receive(incoming.request, honesty).await
        } else {
            send(&incoming.request, honesty)
        };
        let Ok(response) = response else { return };
        let _ = incoming.responder.respond(response).await;
    }
}

async fn receive(request: Request<Body>, honesty: Honesty) -> Result<Response<Body>, BodyError> {
    let meter = Meter::new(1 << 20);
    let mut receipt = Reception::of(request.into_body(), &meter).into_sink(Sink::verify()).run().await?;
    if honesty == Honesty::Lying {
        receipt.digest = Some("00".repeat(16));
    }
    Ok(Response::new(body::full(serde_json::to_vec(&receipt)?)))
}

/// Returns a response with the generated body that the query requests.
fn send(request: &Request<Body>, honesty: Honesty) -> Result<Response<Body>, BodyError> {
    let size = request.uri().query().and_then(|query| query.strip_prefix("size=")).unwrap_or("0");
    let size: ByteSize = size.parse()?;
    let seed = if honesty == Honesty::Lying { DEFAULT_SEED + 1 } else { DEFAULT_SEED };
    let payload = Payload::prepare(&PayloadKind::Random, seed, ChunkSize::DEFAULT);
    let body = MeteredBody::new(payload.open(size.0)?, Meter::new(1 << 20));
    let response = Response::builder().header("server", "longhaul/0.0.0");
    Ok(response.body(body.boxed_unsync())?)
}
