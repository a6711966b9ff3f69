//! The content of bodies: the bytes, and the digest that verifies them.
//!
//! A [`Payload`] is prepared once per process and opened once per body. Its [`Source`] is a stream of
//! [`Bytes`](bytes::Bytes), each of exactly one chunk except for the last. A generated body consists of slices of one
//! shared block: no copy and no allocation per chunk, whatever the size. Files and standard input are read piece by
//! piece. A [`Digest`] over the bytes proves the transfer. The digest of a generated body is known in advance.
//!
//! ```
//! use futures_util::TryStreamExt as _;
//! use longhaul_payload::{Hasher, Payload};
//! use longhaul_record::{ChunkSize, PayloadKind};
//! # use record as longhaul_record;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), longhaul_payload::PayloadError> {
//! let payload = Payload::prepare(&PayloadKind::Random, 1, ChunkSize::DEFAULT);
//! let mut source = payload.open(1 << 20)?;
//! let mut hasher = Hasher::new();
//! while let Some(chunk) = source.try_next().await? {
//!     assert_eq!(chunk.len(), 64 << 10);
//!     hasher.update(&chunk);
//! }
//! assert_eq!(Some(hasher.digest()), payload.digest(1 << 20));
//! # Ok(())
//! # }
//! ```

mod buffer;
mod digest;
mod error;
mod file;
mod footprint;
mod generated;
mod input;
mod payload;
mod reader;
mod segments;
mod source;

pub use digest::{ALGORITHM, Digest, Hasher};
pub use error::PayloadError;
pub use footprint::footprint;
pub use generated::PERIOD;
pub use payload::{Payload, size};
pub use segments::Segment;
pub use source::Source;
