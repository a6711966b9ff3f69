//! The commands and files of README, `docs`, `deploy` and `action.yml`, run as a reader would.

mod action;
mod crate_readmes;
mod deployments;
mod prove_pages;
mod readme;
mod recipes;
mod records_page;
mod scaling_page;
