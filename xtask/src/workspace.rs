//! The workspace according to cargo: packages, their licences and sources, and the dependencies below each crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// Returns the root folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The needed part of the output of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// The folder of build artefacts.
    pub(crate) target_directory: PathBuf,
}

/// A package of the workspace, or a dependency of one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) repository: Option<String>,
    /// The registry or repository; `None` for members of the workspace.
    pub(crate) source: Option<String>,
    /// The oldest Rust that builds the package; `None` if the package does not state it.
    pub(crate) rust_version: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a package's dependency tables, including development and build dependencies.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

impl Package {
    /// Returns whether the package belongs to the workspace.
    pub(crate) fn is_member(&self) -> bool {
        self.source.is_none()
    }

    /// Returns the folder name of a member: the package name without its prefix.
    pub(crate) fn short_name(&self) -> &str {
        self.name.strip_prefix("longhaul-").unwrap_or(&self.name)
    }
}

impl Metadata {
    /// Reads the metadata from cargo. The lock file must be complete.
    pub(crate) fn read() -> Result<Self> {
        let output = cargo(&["metadata", "--format-version", "1", "--locked"])?;
        serde_json::from_slice(&output).context("cargo metadata is not as expected")
    }

    /// Returns the packages by name and version.
    pub(crate) fn by_identity(&self) -> BTreeMap<(&str, &str), &Package> {
        self.packages
            .iter()
            .map(|package| ((package.name.as_str(), package.version.as_str()), package))
            .collect()
    }
}

/// Returns the names and versions of all packages below a package on any target, by normal dependencies. Unlike in
/// `cargo metadata`, features of other members do not count.
pub(crate) fn below(package: &str, default_features: bool) -> Result<BTreeSet<(String, String)>> {
    let mut arguments = vec![
        "tree",
        "--locked",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--target",
        "all",
    ];
    if !default_features {
        arguments.push("--no-default-features");
    }
    let output = String::from_utf8(cargo(&arguments)?).context("cargo tree printed no UTF-8")?;
    output.lines().filter(|line| !line.is_empty()).map(identity).collect()
}

/// Parses the name and version in a line such as `serde v1.0.229 (*)`.
fn identity(line: &str) -> Result<(String, String)> {
    let mut words = line.split(' ');
    let (name, version) = (words.next(), words.next().and_then(|word| word.strip_prefix('v')));
    let Some((name, version)) = name.zip(version) else { bail!("cargo tree printed '{line}'") };
    Ok((name.to_owned(), version.to_owned()))
}

/// Runs cargo in the workspace. Returns its standard output.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo {} failed ({})", arguments.join(" "), output.status);
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_tree_are_packages() {
        let own = "longhaul-record v0.1.0 (/somewhere/crates/record)";
        assert_eq!(identity(own).unwrap(), ("longhaul-record".into(), "0.1.0".into()));
        let known = "toml v1.2.1+spec-1.1.0 (*)";
        assert_eq!(identity(known).unwrap(), ("toml".into(), "1.2.1+spec-1.1.0".into()));
        assert!(identity("[build-dependencies]").is_err());
    }
}
