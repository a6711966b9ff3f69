//! The protocols on top of a carrier: over any byte stream, or over the streams of QUIC.

pub(crate) mod ceiling;
pub(crate) mod datagrams;
mod frame;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod http3;
mod patient;
mod pieces;
pub(crate) mod raw;
pub(crate) mod raw_quic;
mod send;
