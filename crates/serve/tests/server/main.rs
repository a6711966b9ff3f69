//! A server over real sockets: transfers, refusals, its end, and clients that send anything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod refusals;
mod running;
mod stop;
mod strangers;
mod transfers;
