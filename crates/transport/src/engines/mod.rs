//! The protocols that run over any byte stream.

pub(crate) mod frame;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod raw;
