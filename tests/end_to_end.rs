//! The program as its users run it: one module for each command or pair of commands. They are one test program, because
//! tests wait for time limits, stalls and other programs, and those of another command use the cores meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bench;
mod cli;
mod client;
mod common;
mod docs;
mod prove;
mod report;
mod serve;
