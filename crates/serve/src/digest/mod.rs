//! Digests of bodies (RFC 9530): verified on uploads that state a digest, and added to downloads on request. Only the
//! bodies of such requests are hashed.

mod field;
mod stated;
mod verified;
mod wanted;

pub(crate) use stated::{Mismatch, Scope, Stated};
pub(crate) use verified::Verified;
pub(crate) use wanted::attach;
