//! A server over real sockets: transfers, refusals, shutdown, and hostile clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditions;
mod digests;
mod refusals;
mod running;
mod stop;
mod strangers;
mod transfers;
mod whole_body;
