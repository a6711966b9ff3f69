//! HTTP/3 against peers that break its rules, written byte by byte over quinn.

mod carrier;
mod client;
mod client_errors;
mod closing;
mod control;
mod early_data;
mod framing;
mod malformed;
mod peer;
mod server;
mod slow_handshake;
mod streams;
mod threads;
