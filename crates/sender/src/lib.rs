//! The sender's side of a body: payload → meter → the protocol that pulls it.
//!
//! A [`MeteredBody`] is an [`http_body::Body`] for any HTTP library. It hands on the chunks of a
//! [`Source`](payload::Source) without a copy, counts them in a [`Meter`](metrics::Meter), and times the protocol from
//! a stamped chunk to its request for the next one. The protocol's request for a chunk is the only backpressure. A
//! [`SendProgress`] outlives the body and reports its outcome.
//!
//! ```
//! use http_body_util::BodyExt as _;
//! use longhaul_metrics::Meter;
//! use longhaul_payload::Payload;
//! use longhaul_record::{ChunkSize, PayloadKind};
//! use longhaul_sender::MeteredBody;
//! # use {metrics as longhaul_metrics, payload as longhaul_payload, record as longhaul_record};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let payload = Payload::prepare(&PayloadKind::Random, 1, ChunkSize::DEFAULT);
//! let meter = Meter::new(ChunkSize::DEFAULT.into());
//! let body = MeteredBody::new(payload.open(1 << 20)?, meter.clone()).digesting();
//! let progress = body.progress();
//!
//! let received = body.collect().await?.to_bytes();
//! assert_eq!((received.len(), meter.bytes()), (1 << 20, 1 << 20));
//! assert!(meter.readings().pull_wait.is_some());
//! assert_eq!(progress.digest(), payload.digest(1 << 20));
//! # Ok(())
//! # }
//! ```

mod body;
mod progress;

pub use body::MeteredBody;
pub use progress::SendProgress;
