//! Digests of bodies (RFC 9530): verified on uploads that state one, given on downloads that want one. Bodies are hashed
//! for such requests only.

mod field;
mod stated;
mod verified;
mod wanted;

pub(crate) use stated::{Mismatch, Stated};
pub(crate) use verified::Verified;
pub(crate) use wanted::attach;
