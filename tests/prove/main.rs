//! `longhaul prove` and `longhaul conform`: known answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cgroups;
mod conform;
mod proof;
mod proxy_subject;
mod server_subject;
mod subject;
mod subject_flags;
