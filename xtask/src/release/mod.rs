//! `cargo xtask sbom` and `cargo xtask deb`: the parts of a release that no shell script makes.

pub(crate) mod deb;
mod linked;
pub(crate) mod sbom;
