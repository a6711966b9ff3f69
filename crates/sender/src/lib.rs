//! The sender's side of a body: payload → meter → what a protocol pulls.

mod body;

pub use body::{MeteredBody, Sent};
