//! The receiver's side of a body: protocol → meter → sink → receipt.
//!
//! A [`Reception`] pulls an [`http_body::Body`] of any HTTP library to its end. Each piece passes a
//! [`Meter`](metrics::Meter) and then the [`Sink`], before the next piece is requested. The request for a piece is the
//! only backpressure, so memory stays constant, however long the body is. A [`Receipt`] states length, digest and time.
//! A server sends the receipt in response to an upload. The module [`save`] writes bodies to files.
//!
//! ```
//! use http_body_util::Full;
//! use longhaul_metrics::Meter;
//! use longhaul_receiver::{Reception, Sink};
//! # use metrics as longhaul_metrics;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), longhaul_receiver::ReceiveError> {
//! let meter = Meter::new(1 << 20);
//! let body = Full::from("abc");
//! let receipt = Reception::of(body, &meter).into_sink(Sink::verify()).expecting(3).run().await?;
//!
//! assert_eq!((receipt.bytes, meter.bytes()), (3, 3));
//! // `xxhsum -H2` prints this digest for a file of these three bytes.
//! assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
//! # Ok(())
//! # }
//! ```

mod activity;
mod burner;
mod busy_poll;
mod error;
mod footprint;
mod halt;
mod receipt;
mod reception;
pub mod resumable;
pub mod save;
mod sink;
mod spin_time;
mod stated_digest;
mod waiting;

pub use activity::SinkActivity;
pub use error::ReceiveError;
pub use footprint::footprint;
pub use halt::Halt;
pub use receipt::Receipt;
pub use reception::Reception;
pub use sink::Sink;
pub use spin_time::SpinTime;
pub use stated_digest::{DigestAlgorithm, DigestHasher, StatedDigest};
