//! `cargo xtask rules`: checks the rules of the workspace, and prints one line for each violation.
//!
//! The rules are those of `docs/architecture.md` that can be checked automatically. From the dependency graph: the
//! edges between crates, the libraries that a crate must not depend on, the oldest Rust that builds a crate, licences
//! and sources. From the source text: the use of let chains and of protocol names, and the tests that the page of
//! limits names.

mod edges;
mod libraries;
mod licences;
mod named_tests;
#[cfg(test)]
mod sample;
mod sources;
mod toolchain;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::workspace::{self, Metadata, Package};

/// Check the rules for dependencies, licences and sources of all crates
#[derive(Args)]
pub(crate) struct Arguments {}

/// The packages below a crate, by normal dependencies.
#[derive(Debug)]
struct Below<'a> {
    /// The crate.
    package: &'a Package,
    /// The packages below the crate, including the crate itself.
    packages: Vec<&'a Package>,
}

pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let metadata = Metadata::read()?;
    let broken = broken(&metadata)?;
    let mut out = io::stdout().lock();
    for rule in &broken {
        writeln!(out, "{rule}")?;
    }
    if broken.is_empty() {
        let members = metadata.packages.iter().filter(|package| package.is_member()).count();
        writeln!(out, "rules: {members} members, {} packages, all rules hold", metadata.packages.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Returns one line for each violated rule.
fn broken(metadata: &Metadata) -> Result<Vec<String>> {
    let mut broken = edges::broken(&metadata.packages);
    for package in metadata.packages.iter().filter(|package| package.is_member()) {
        if libraries::are_restricted(package) {
            broken.extend(libraries::broken(&below(metadata, package, true)?));
        }
        if let Some(features) = toolchain::restricted(package) {
            broken.extend(toolchain::broken(&below(metadata, package, features)?));
        }
    }
    broken.extend(licences::broken(&metadata.packages));
    broken.extend(named_tests::broken(workspace::root())?);
    broken.extend(sources::broken(workspace::root(), &metadata.packages)?);
    Ok(broken)
}

fn below<'a>(metadata: &'a Metadata, package: &'a Package, default_features: bool) -> Result<Below<'a>> {
    let known = metadata.by_identity();
    let below = workspace::below(&package.name, default_features)?;
    let packages = below.iter().filter_map(|(name, version)| known.get(&(name.as_str(), version.as_str())));
    Ok(Below { package, packages: packages.copied().collect() })
}
