//! The commands and files of README, `docs`, `deploy` and `action.yml`, run as a reader would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod action;
mod deployments;
mod prove_pages;
mod readme;
mod recipes;
mod records_page;
mod scaling_page;
