//! HTTP/1.1 over a byte stream, by hyper.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use record::{H1_BUFFER, Limits};

use crate::{
    Body, Connection, Error, Guards, Session,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    framing::{Http1Chunks, Observed},
    settings::{FromLimits, bytes},
};

mod chunks;
mod client;
mod footprint;
mod framing;
mod head_timer;
mod permission;
mod server;

/// The protocol's name in errors.
const PROTOCOL: &str = "HTTP/1.1";

/// The engine of the `h1c` and `h1` rows.
#[derive(Clone)]
pub(crate) struct Http1 {
    /// The bytes that hyper reads at once, and gathers for one write (`max_buf_size`).
    buffer: usize,
}

impl FromLimits for Http1 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self { buffer: bytes(limits, &H1_BUFFER)? })
    }
}

#[async_trait]
impl ClientEngine for Http1 {
    const SENDS_AT_ONCE: bool = true;

    /// True: servers without ALPN speak HTTP/1.1, as all servers did before RFC 7301. HTTP/2 must be agreed on (RFC 9113
    /// section 3.3).
    const ASSUMED_WITHOUT_ALPN: bool = true;

    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        client::start(observed(stream, &info), info, self.buffer).await
    }
}

#[async_trait]
impl ServerEngine for Http1 {
    /// The identifier that RFC 7301 section 6 registers.
    const ALPN: &'static [&'static str] = &["http/1.1"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        Ok(server::start(observed(stream, &info), info, self.buffer, guards))
    }
}

/// Wraps the stream below hyper, to count its chunks if there is an observer.
fn observed<S: Stream>(stream: S, info: &StreamInfo) -> Observed<S, Http1Chunks> {
    Observed::new(stream, Http1Chunks::default(), info.framing().map(|framing| &framing.http1_chunks))
}

/// Returns a body that is being received.
fn received(body: hyper::body::Incoming) -> Body {
    body.map_err(|error| Error::truncated(error).into()).boxed_unsync()
}
