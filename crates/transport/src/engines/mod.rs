//! What protocols make of requests, responses and bodies: over any byte stream, and for HTTP/3 over streams of QUIC.

pub(crate) mod frame;
mod gather;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod http3;
pub(crate) mod raw;
mod turns;
