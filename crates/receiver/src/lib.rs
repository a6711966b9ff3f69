//! The receiver's side of a body: what a protocol delivers → meter → sink → receipt.

mod awake;
mod receive;
pub mod save;
mod sink;

pub use receive::{Error, Receipt, receive};
pub use sink::{Output, Sink};
