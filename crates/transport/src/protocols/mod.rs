//! One file a protocol: what it is made of, and the limits that matter to it.

pub(crate) mod h1;
mod h1c;
pub(crate) mod h2;
mod h2c;
mod h3;
mod quic;
mod tcp;
mod tls;

pub(crate) use h1::H1;
pub(crate) use h1c::H1c;
pub(crate) use h2::H2;
pub(crate) use h2c::H2c;
pub(crate) use h3::H3;
pub(crate) use quic::Quic;
pub(crate) use tcp::Tcp;
pub(crate) use tls::Tls;
