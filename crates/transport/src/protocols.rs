//! The table of protocols: each row of [`PROTOCOLS`] with the carrier and the engine that implement it.

use std::{marker::PhantomData, sync::LazyLock};

use async_trait::async_trait;
use record::{Carrier, End, Engine, Limits, PROTOCOLS, Protocol, Term};

use crate::{
    Bind, Connection, Error, Listener, Peer, Shape, Transport,
    carriers::{Carries, plain::Plain, quic::Quic, secured::Secured, udp::Udp},
    engines::{
        ceiling::Ceiling, datagrams::Datagrams, http1::Http1, http2::Http2, http3::Http3, raw::Raw,
        raw_quic::RawQuic,
    },
    footprint::Footprint,
};

/// Returns the implementation of an engine on a carrier; `None` if there is none. Each carrier has one arm.
fn stack(carrier: Carrier, engine: Engine) -> Option<&'static dyn Stack> {
    match carrier {
        Carrier::Tcp => on_stream::<Plain>(engine),
        Carrier::Tls => on_stream::<Secured>(engine),
        Carrier::Quic => on_quic::<Quic>(engine),
        Carrier::Udp => (engine == Engine::Ceiling).then_some(&Over::<Udp, Datagrams>(PhantomData)),
        _ => None,
    }
}

/// Returns the implementation of an engine over byte streams; `None` if there is none. Each engine has one arm.
fn on_stream<C>(engine: Engine) -> Option<&'static dyn Stack>
where
    C: Carries<Raw> + Carries<Ceiling> + Carries<Http1> + Carries<Http2>,
{
    match engine {
        Engine::Raw => Some(&Over::<C, Raw>(PhantomData)),
        Engine::Ceiling => Some(&Over::<C, Ceiling>(PhantomData)),
        Engine::Http1 => Some(&Over::<C, Http1>(PhantomData)),
        Engine::Http2 => Some(&Over::<C, Http2>(PhantomData)),
        _ => None,
    }
}

/// Returns the implementation of an engine over QUIC connections; `None` if there is none. Each engine has one arm.
fn on_quic<C>(engine: Engine) -> Option<&'static dyn Stack>
where
    C: Carries<RawQuic> + Carries<Http3>,
{
    match engine {
        Engine::Raw => Some(&Over::<C, RawQuic>(PhantomData)),
        Engine::Http3 => Some(&Over::<C, Http3>(PhantomData)),
        _ => None,
    }
}

/// Returns all protocols that have an implementation, in the order of [`PROTOCOLS`].
pub fn all() -> impl Iterator<Item = &'static dyn Transport> {
    ROWS.iter().map(|row| row as &dyn Transport)
}

/// Returns the protocol of a name, such as `h2c`.
pub fn by_name(name: &str) -> Option<&'static dyn Transport> {
    all().find(|transport| transport.protocol().name == name)
}

/// Returns the implementation of a row of [`PROTOCOLS`]. `None` for any other row, or for an engine without an
/// implementation on the carrier.
pub fn of(protocol: &Protocol) -> Option<&'static dyn Transport> {
    all().find(|transport| transport.protocol() == protocol)
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |protocol: &'static Protocol| {
        stack(protocol.carrier, protocol.engine).map(|stack| Row { protocol, stack })
    };
    PROTOCOLS.iter().filter_map(row).collect()
});

/// A row of [`PROTOCOLS`] with its implementation.
struct Row {
    protocol: &'static Protocol,
    stack: &'static dyn Stack,
}

#[async_trait]
impl Transport for Row {
    fn protocol(&self) -> &'static Protocol {
        self.protocol
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        self.stack.footprint(limits, end, shape)
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        self.stack.connect(peer, limits).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        self.stack.listen(bind, limits)
    }
}

/// An engine on a carrier, with their types erased.
#[async_trait]
trait Stack: Send + Sync {
    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term>;
    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error>;
    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error>;
}

/// The engine `E` on the carrier `C`. This type holds neither: connections and listeners make their own values of both.
struct Over<C, E>(PhantomData<fn() -> (C, E)>);

#[async_trait]
impl<C: Carries<E>, E: Footprint + 'static> Stack for Over<C, E> {
    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        [C::footprint(limits, end, shape), E::footprint(limits, end, shape)].concat()
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        C::connect(peer, limits).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        C::listen(bind, limits)
    }
}

#[cfg(test)]
mod tests {
    use record::{ChunkSize, LIMITS, Profile};

    use super::*;

    #[test]
    fn every_row_of_the_table_has_an_implementation() {
        assert!(all().map(Transport::protocol).eq(PROTOCOLS));
        for protocol in PROTOCOLS {
            assert_eq!(of(protocol).unwrap().protocol(), protocol);
            assert_eq!(by_name(protocol.name).unwrap().protocol(), protocol);
        }
    }

    #[test]
    fn a_combination_that_nothing_implements_has_none() {
        assert!(stack(Carrier::Tcp, Engine::Http3).is_none());
        assert!(of(&Protocol { name: "h3c", carrier: Carrier::Tcp, engine: Engine::Http3 }).is_none());
        assert!(by_name("h3c").is_none());
    }

    #[test]
    fn every_profile_takes_more_memory_than_the_one_before() {
        let shape = Shape::new(1, 1, ChunkSize::DEFAULT).with_shared_chunks();
        for transport in all().filter(|transport| transport.protocol().is_http()) {
            let receives = |profile: Profile| -> u64 {
                let terms = transport.footprint(&Limits::of(profile), End::Receiver, shape);
                terms.iter().map(|term| term.bytes).sum()
            };
            let [lean, balanced, fast] = [Profile::Lean, Profile::Balanced, Profile::Fast].map(receives);
            let name = transport.protocol().name;
            assert!(lean < balanced && balanced <= fast, "{name}: {lean} {balanced} {fast}");
        }
    }

    /// Budgets are printed before connections are made, so limits from a file may still be invalid.
    #[test]
    fn a_footprint_of_limits_that_cannot_be_used_does_not_panic() {
        let shape = Shape::new(u32::MAX, u32::MAX, ChunkSize::DEFAULT);
        for value in [0, u64::MAX] {
            let values = LIMITS.iter().map(|limit| (limit.flag.to_owned(), value.into()));
            let json = serde_json::Value::Object(values.collect());
            let limits: Limits = serde_json::from_value(json).unwrap();
            for (transport, end) in all().flat_map(|transport| End::ALL.map(|end| (transport, end))) {
                assert!(transport.footprint(&limits, end, shape).iter().all(|term| !term.reason.is_empty()));
            }
        }
    }
}
