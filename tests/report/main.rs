//! Views of records: `report`, `compare`, `merge` and `reproduce`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod comparison;
mod merge;
mod page;
mod reproduce;
mod scale;
mod views;
