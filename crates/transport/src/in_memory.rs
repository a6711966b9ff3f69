//! HTTP over a pipe in memory: the engines without carrier and kernel, for counting what they execute.

use futures_util::future::BoxFuture;
use tokio::io::{DuplexStream, duplex};

use crate::{
    Connection, Error, Guards, Handshake, Limits,
    carriers::{ClientEngine, ServerEngine, Wire},
    engines::{http1::Http1, http2::Http2},
};

/// A client that is about to be there.
pub type Dialing = BoxFuture<'static, Result<Box<dyn Connection>, Error>>;

/// Both ends of HTTP/1.1 over a pipe that holds `capacity` bytes each way. Each has to be polled for the other
/// to go on.
pub fn http1(capacity: usize, limits: &Limits) -> (Dialing, Handshake) {
    ends::<Http1>(duplex(capacity), limits)
}

/// Both ends of HTTP/2, likewise.
pub fn http2(capacity: usize, limits: &Limits) -> (Dialing, Handshake) {
    ends::<Http2>(duplex(capacity), limits)
}

fn ends<E>((near, far): (DuplexStream, DuplexStream), limits: &Limits) -> (Dialing, Handshake)
where
    E: ClientEngine + ServerEngine,
{
    let (dialing, listening) = (limits.clone(), limits.clone());
    (
        Box::pin(async move { E::client(near, Wire::unknown(), &dialing).await }),
        Box::pin(async move { E::server(far, Wire::unknown(), &listening, &Guards::default()).await }),
    )
}
