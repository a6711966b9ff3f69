//! Where body bytes come from, and how they are proven.
//!
//! A [`Payload`] is prepared once per process and opened once per body. What it yields are
//! [`Bytes`](bytes::Bytes) of exactly one [`ChunkSize`], the last one excepted: slices of one block for a
//! generated body, freshly read pieces for a file. A [`Digest`] over the same bytes proves the transfer.

mod chunk;
mod digest;
mod file;
mod generated;
mod source;

pub use chunk::{ChunkSize, ChunkSizeError};
pub use digest::{ALGORITHM, Digest, Hasher};
pub use generated::PERIOD;
pub use source::{Error, Kind, Payload, Source};
