//! A server over real sockets: transfers, refusals, shutdown, and hostile clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod conditions;
mod digests;
mod neighbours;
mod observing;
mod refusals;
mod requests;
mod resumable;
mod running;
mod stop;
mod strangers;
mod streams;
mod transfers;
mod waits;
mod whole_body;
