//! HTTP/2 over a byte stream, by h2.

use async_trait::async_trait;
use record::{H2_FRAME, H2_SEND_BUFFER, H2_WINDOW, Limits};

use crate::{
    Connection, Error, Guards, Session,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    settings::{FromLimits, bytes},
};
use gather::Gather;
use turns::{ReadQuota, Turns};

mod body;
mod client;
mod failure;
mod footprint;
mod frame_heads;
mod gather;
mod send_window;
mod server;
mod small_frames;
mod turns;
mod watched;

/// The protocol's name in errors.
const PROTOCOL: &str = "HTTP/2";

/// The engine of the `h2c` and `h2` rows.
#[derive(Clone)]
pub(crate) struct Http2 {
    /// The receive window of a stream, and of the connection.
    window: u32,
    /// The largest DATA frame that is accepted.
    frame: u32,
    /// The bytes queued for a stream before it has no more capacity.
    send_buffer: usize,
}

impl FromLimits for Http2 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            window: bytes(limits, &H2_WINDOW)?,
            frame: bytes(limits, &H2_FRAME)?,
            send_buffer: bytes(limits, &H2_SEND_BUFFER)?,
        })
    }
}

#[async_trait]
impl ClientEngine for Http2 {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        client::start(self, stream, info).await
    }
}

#[async_trait]
impl ServerEngine for Http2 {
    /// The identifier that RFC 9113 section 3.2 registers.
    const ALPN: &'static [&'static str] = &["h2"];

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        server::start(self, stream, info, guards).await
    }
}

/// The layers between h2 and the carrier.
fn layers<S: Stream>(stream: S, info: &StreamInfo, turns: &Turns) -> Gather<ReadQuota<S>> {
    Gather::new(ReadQuota::new(stream, turns.clone()), info.cork(), turns.clone())
}
