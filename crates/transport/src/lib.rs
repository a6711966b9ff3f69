//! Clients and servers that carry bodies of any length in constant memory: over HTTP/1.1, HTTP/2 and HTTP/3, and over
//! TCP, TLS and QUIC without HTTP.
//!
//! A protocol is a *carrier* (TCP, TLS 1.3, QUIC) and an *engine* on top of it (raw, HTTP/1.1, HTTP/2, HTTP/3). Its
//! name and facts are a row of [`record::PROTOCOLS`]. Its [`Transport`], found by [`by_name`], makes connections:
//!
//! - A client calls [`Transport::connect`], and [`Connection::exchange`] for each request.
//! - A server calls [`Transport::listen`], drives each [`Handshake`] of the [`Listener`] to a [`Session`], and answers
//!   each [`Incoming`] request by its [`Responder`].
//!
//! Requests and responses are those of the `http` crate on every row. A [`Body`] is pulled: a protocol asks for the
//! next chunk when it has room for it, and that is the only backpressure. Windows, buffers, cipher and congestion
//! controller are [`record::Limits`], and [`Transport::footprint`] computes from them the memory that an end may take.
//! An invalid limit is an [`Error`] when a connection or a listener is made.
//!
//! This crate takes no measurements. A [`Link`] states the facts and counters of a connection, as known to protocol and
//! kernel. A [`FramingObserver`], if an end has one, counts the chunks, frames, records and datagrams that arrive.
//!
//! # Example
//! A server and a client in one process, which trusts the server's self-signed certificate:
//!
//! ```
//! # extern crate record as longhaul_record;
//! use http::{Request, Response};
//! use http_body_util::BodyExt as _;
//! use longhaul_record::Limits;
//! use longhaul_transport::{Bind, BodyError, Error, Identity, Peer, Trust, body, by_name};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BodyError> {
//! let (h2, limits) = (by_name("h2").ok_or("no such protocol")?, Limits::default());
//! let identity = Identity::self_signed(&["localhost"])?;
//! let trust = Trust::pem(identity.certificate_pem())?;
//!
//! // The server sends each body back.
//! let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity);
//! let listener = h2.listen(&bind, &limits)?;
//! let addr = listener.local_addr();
//! tokio::spawn(async move {
//!     let session = listener.accept().await?.handshake.await?;
//!     while let Some(incoming) = session.accept().await? {
//!         let response = Response::new(incoming.request.into_body());
//!         tokio::spawn(incoming.responder.respond(response));
//!     }
//!     Ok::<_, Error>(())
//! });
//!
//! let connection = h2.connect(&Peer::new(addr, "localhost", trust), &limits).await?;
//! let request = Request::put("https://localhost/").body(body::full("a long haul"))?;
//! let response = connection.exchange(request).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "a long haul");
//! assert_eq!(connection.link().alpn.as_deref(), Some("h2"));
//! # Ok(())
//! # }
//! ```

pub mod body;
pub mod capabilities;
mod carriers;
mod cipher;
mod client_authorities;
mod congestion;
mod delivery;
mod driver;
mod endpoint;
mod engines;
mod error;
mod footprint;
mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    //! Entry points of fuzz targets. Only cargo-fuzz and tests compile them.

    pub use crate::engines::http3::h3_frames;
}
mod guards;
pub mod in_memory;
mod kernel;
mod key_log;
mod link;
mod probe;
mod protocols;
mod proxy;
mod random;
mod reset_budget;
mod resumption;
mod server;
mod session;
mod settings;
mod socket;
mod spread;
mod stream_socket;
mod tasks;
mod tcp_stream;
mod traits;
mod trust;
mod unix_listener;
mod verifier;
mod window_budget;

#[doc(inline)]
pub use body::{Body, BodyError, BodyLength, BodySent, ContinueTimeout};
pub use carriers::quic::quic_closed;
pub use client_authorities::ClientAuthorities;
pub use endpoint::{Bind, ChunkExtensions, Peer, TlsVersion};
pub use error::Error;
pub use footprint::Shape;
pub use framing::FramingObserver;
pub use guards::Guards;
pub use key_log::KeyLog;
pub use link::Link;
pub use protocols::{all, by_name, of};
pub use proxy::{Proxy, ProxyWay};
pub use random::seed_random_numbers;
pub use reset_budget::ResetBudget;
pub use resumption::{MAX_EARLY_DATA, Resumption, Sessions};
pub use server::{listen_cleartext, listen_quic, listen_secured, rehearse_quic};
pub use spread::Spread;
pub use traits::{
    Accepted, Connection, Handshake, InEarlyData, Incoming, LengthBesideCoding, Listener, Responder, Session,
    Transport,
};
pub use trust::{Identity, Trust};
pub use window_budget::{FIRST_WINDOW, WindowBudget};
