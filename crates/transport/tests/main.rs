//! Clients and servers over real sockets, against each other and against peers that write bytes themselves. They are one
//! test program: to link one takes less time than to link one for each module, and tests that wait leave the cores to others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod chunked;
mod common;
mod connections;
mod early_data;
mod exchange;
mod http1;
mod http2;
mod http2_adaptive_window;
mod http2_client;
mod http2_send_window;
mod http3;
mod http3_window;
mod limits;
mod resumption;
mod trust;
