//! HTTP over a pipe in memory: engines without carrier and kernel, to count the instructions that they execute.

use futures_util::future::BoxFuture;
use record::Limits;
use tokio::io::duplex;

use crate::{
    Connection, Error, Guards, Handshake,
    carriers::{ClientEngine, StreamInfo},
    engines::{http1::Http1, http2::Http2},
    probe::Probe,
};

/// The handshake of a client. It makes progress only when it is polled.
pub type Dialing = BoxFuture<'static, Result<Box<dyn Connection>, Error>>;

/// Returns both ends of HTTP/1.1 over a pipe that holds `capacity` bytes each way. Each end has to be polled for the
/// other to make progress.
pub fn http1(capacity: usize, limits: &Limits) -> (Dialing, Handshake) {
    ends::<Http1>(capacity, limits)
}

/// Returns both ends of HTTP/2 over a pipe that holds `capacity` bytes each way. Each end has to be polled for the
/// other to make progress.
pub fn http2(capacity: usize, limits: &Limits) -> (Dialing, Handshake) {
    ends::<Http2>(capacity, limits)
}

fn ends<E: ClientEngine>(capacity: usize, limits: &Limits) -> (Dialing, Handshake) {
    let (near, far) = duplex(capacity);
    let (client, server) = (E::from_limits(limits), E::from_limits(limits));
    let info = || StreamInfo::cleartext(Probe::without_socket());
    (
        Box::pin(async move { client?.client(near, info()).await }),
        Box::pin(async move { server?.server(far, info(), &Guards::default()).await }),
    )
}
