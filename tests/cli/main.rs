//! The command line as people meet it: flags, texts, errors, and `longhaul plan`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod command_line;
mod faults;
mod plan;
mod terminal;
