//! A server for uploads and downloads of any size, over HTTP/1.1, HTTP/2 and HTTP/3, in constant memory.
//!
//! A [`Server`] is bound from [`Options`] and runs until it is stopped. It answers any HTTP client:
//!
//! | request | response |
//! |---|---|
//! | `PUT` or `POST` | takes the body and confirms it with a [`Receipt`](receiver::Receipt) in JSON |
//! | `GET /?size=2GiB&chunk=64KiB&seed=1` | a generated body; `chunk` and `seed` are optional |
//! | `GET /NAME` | a saved upload, whole or one range of it |
//! | `GET /` | a page that explains these requests |
//! | `POST /.longhaul/sessions` | a session of `longhaul bench --to`, if the options name a [`run::MeasuringHost`] |
//!
//! Clients are unknown: [`Options`] bounds what each may send, hold open and delay. A refused request gets a status
//! and a sentence with the reason. Failures to accept a connection are warnings of the crate `tracing`.
//!
//! # Example
//! A server on a free port of 127.0.0.1, and a client that uploads a body:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::Request;
//! use http_body_util::BodyExt as _;
//! use longhaul_receiver::Receipt;
//! use longhaul_record::Limits;
//! use longhaul_serve::{Options, Server};
//! use longhaul_transport::{Peer, Trust, body, by_name};
//! # use {receiver as longhaul_receiver, record as longhaul_record, transport as longhaul_transport};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let server = Server::bind(Options::default())?;
//! let addr = server.cleartext_addr().ok_or("no port for cleartext")?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(server.run(async { drop(stopped.await) }, Duration::from_secs(10)));
//!
//! let h1c = by_name("h1c").ok_or("no such protocol")?;
//! let peer = Peer::new(addr, "localhost", Trust::SystemRoots);
//! let client = h1c.connect(&peer, &Limits::default()).await?;
//! let request = Request::put("http://localhost/").body(body::full("abc"))?;
//! let response = client.exchange(request).await?;
//! let receipt: Receipt = serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?;
//! assert_eq!(receipt.bytes, 3);
//! // `xxhsum -H2` prints this digest for a file of these three bytes.
//! assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
//!
//! drop(stop);
//! running.await?;
//! # Ok(())
//! # }
//! ```

mod accept;
mod access;
mod capacity;
mod conditions;
mod connection;
mod content;
mod delivery;
mod destination;
mod digest;
mod download;
mod early_data;
mod entity_tags;
mod error;
mod framing;
mod front_page;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod generated;
mod line_queue;
mod listeners;
mod machine;
mod measuring;
mod metrics_port;
mod observe;
mod occasional;
mod options;
#[cfg(feature = "panic-injection")]
mod panic_injection;
mod patience;
mod payload_cache;
mod places;
mod range;
mod receipts;
mod refusal;
mod reply;
mod request;
mod requests;
mod response;
mod resumable;
mod saved_file;
mod server;
mod stall;
mod text;
mod unsent;
mod upload;
mod validators;
mod whole_body;

pub use access::{Access, HostName, InvalidHost, InvalidOrigin, InvalidToken, Origins, Token};
pub use capacity::{Asked, WorstCase};
pub use error::ServeError;
pub use line_queue::LineQueue;
pub use listeners::{DEFAULT_PORT, DEFAULT_TLS_PORT};
pub use machine::Machine;
pub use observe::{AccessLog, Traffic};
pub use options::Options;
pub use receipts::Receipts;
pub use server::Server;
