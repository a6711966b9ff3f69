//! `longhaul serve`, against clients of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod adversity;
mod files;
mod hostile;
mod http1_framing;
mod http2_frames;
mod http3_frames;
mod observed;
mod requests;
mod resumable;
mod resumable_rules;
mod stop;
