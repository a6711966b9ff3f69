//! HTTP/2 over a byte stream, by h2.

use async_trait::async_trait;
use record::{H2_CORK, H2_FRAME, H2_GATHER, H2_SEND_BUFFER, H2_TURNS, H2_WINDOW, Limits};

use crate::{
    Connection, Error, Guards, Session,
    carriers::{ClientEngine, ServerEngine, Stream, StreamInfo},
    framing::Observed,
    probe::Cork,
    settings::{FromLimits, bytes, choice},
};
use frame_heads::{PREFACE, Parser};
use gather::{Gather, Gathering};
use turns::{QUOTA, ReadQuota, Turns};
pub(crate) use watched::READ_BEYOND;

mod bandwidth_delay;
mod body;
mod client;
mod failure;
mod footprint;
mod frame_heads;
mod gather;
mod heads;
mod opening;
mod receiving;
mod refusals;
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
    /// The receive window of a stream in bytes. It is also the default window of the connection, or the bound of an
    /// adaptive one.
    window: u32,
    sizing: Sizing,
    /// The largest DATA frame that is accepted, in bytes.
    frame: u32,
    /// The most bytes that h2 queues for one stream.
    send_buffer: usize,
    /// The layers between h2 and the carrier.
    layers: Layers,
}

/// The size of a connection's receive window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizing {
    /// The size of the limits.
    Fixed,
    /// A size that follows the path, up to the size of the limits.
    Adaptive,
}

/// The layers between h2 and the carrier. Without any, h2 runs with its own defaults.
#[derive(Clone, Copy)]
struct Layers {
    gathering: Gathering,
    corking: Corking,
    /// The bytes that a connection reads before its bodies are polled.
    quota: usize,
}

/// The treatment of partial segments by the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Corking {
    On,
    Off,
}

impl Layers {
    /// Returns whether no layer is in use, so that h2 runs directly on the carrier.
    fn are_none(self) -> bool {
        (self.gathering, self.corking, self.quota) == (Gathering::Off, Corking::Off, usize::MAX)
    }
}

impl FromLimits for Http2 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            window: bytes(limits, &H2_WINDOW)?,
            sizing: limits.auto_bound(&H2_WINDOW).map_or(Sizing::Fixed, |_| Sizing::Adaptive),
            frame: bytes(limits, &H2_FRAME)?,
            send_buffer: bytes(limits, &H2_SEND_BUFFER)?,
            layers: Layers {
                gathering: choice(limits, &H2_GATHER, &[("on", Gathering::On), ("off", Gathering::Off)])?,
                corking: choice(limits, &H2_CORK, &[("on", Corking::On), ("off", Corking::Off)])?,
                quota: choice(limits, &H2_TURNS, &[("on", QUOTA), ("off", usize::MAX)])?,
            },
        })
    }
}

#[async_trait]
impl ClientEngine for Http2 {
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error> {
        client::start(self, observed(stream, &info, Parser::after(0)), info).await
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
        server::start(self, observed(stream, &info, Parser::after(PREFACE)), info, guards).await
    }
}

/// Wraps the stream below h2 and its layers, to count received DATA frames if there is an observer.
fn observed<S: Stream>(stream: S, info: &StreamInfo, parser: Parser) -> Observed<S, Parser> {
    Observed::new(stream, parser, info.framing().map(|framing| &framing.data_frames))
}

/// Puts the layers between h2 and the carrier.
fn layered<S: Stream>(layers: Layers, stream: S, info: &StreamInfo, turns: &Turns) -> Gather<ReadQuota<S>> {
    let cork = if layers.corking == Corking::On { info.cork() } else { Cork::none() };
    let stream = ReadQuota::new(stream, turns.clone(), layers.quota);
    Gather::new(stream, cork, turns.clone(), layers.gathering)
}
