//! The packages that the program links, and the licence files in their folders.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::workspace;

/// The target whose packages are listed. Other targets only add bindings to their systems.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The prefixes of names of licence files, in upper case.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "UNLICENSE", "COPYING", "COPYRIGHT", "NOTICE"];

/// The number of levels of folders that are searched, including the package's own. aws-lc-sys bundles code with a
/// licence three levels below.
const DEPTH: u32 = 4;

/// A package from a registry.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    name: String,
    version: String,
    license: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
    source: Option<String>,
    /// The registries that the package may be published to; `None` for all.
    publish: Option<Vec<String>>,
}

impl Package {
    /// Returns the name and version.
    pub(super) fn identity(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Returns the licence that the package states.
    pub(super) fn licence(&self) -> &str {
        self.license.as_deref().unwrap_or("not stated")
    }

    /// Returns the authors that the package states, without their addresses.
    pub(super) fn authors(&self) -> String {
        let name = |author: &String| author.split('<').next().unwrap_or_default().trim().to_owned();
        self.authors.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Returns the folder of the package's sources.
    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Returns the licence files that apply, relative to the folder. Among alternatives, MIT is chosen if its text
    /// exists.
    pub(super) fn licence_files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        search(self.folder(), "", DEPTH, &mut files)
            .with_context(|| format!("cannot list the files of {}", self.identity()))?;
        files.sort();
        Ok(chosen(self.licence(), files))
    }

    fn is_published_member(&self) -> bool {
        self.source.is_none() && self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

/// Adds the licence files of a folder and of the folders below it. `within` is the path of the folder in the package,
/// with a slash at its end.
fn search(folder: &Path, within: &str, depth: u32, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if depth > 1 {
                search(&entry.path(), &format!("{within}{name}/"), depth - 1, files)?;
            }
        } else if NAMES.iter().any(|start| name.to_uppercase().starts_with(start)) {
            files.push(format!("{within}{name}"));
        }
    }
    Ok(())
}

/// Returns the files that apply under a licence expression. If MIT is an alternative, the files of the others are left
/// out.
fn chosen(expression: &str, files: Vec<String>) -> Vec<String> {
    let is_mit = |file: &String| file.to_uppercase().contains("MIT");
    let alternatives = expression.replace('/', " OR ");
    let mut words = alternatives.split_whitespace();
    if alternatives.contains(" AND ") || !words.any(|word| word == "MIT") || !files.iter().any(is_mit) {
        return files;
    }
    let is_notice =
        |file: &String| ["NOTICE", "COPYRIGHT"].iter().any(|name| file.to_uppercase().contains(name));
    files.into_iter().filter(|file| is_mit(file) || is_notice(file) || file.contains('/')).collect()
}

/// The part of `cargo metadata`'s output that the texts of licences need.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Returns the packages from registries that the published members of the workspace link.
pub(super) fn linked() -> Result<Vec<Package>> {
    let answer = cargo(&["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Metadata = serde_json::from_slice(&answer).context("cargo metadata is not as expected")?;
    let mut packages = metadata.packages;

    // `cargo metadata` lists optional packages that no feature enables; `cargo tree` does not.
    let mut tree = vec!["tree", "--locked", "--edges", "normal", "--prefix", "none", "--target", TARGET];
    let members = packages.iter().filter(|package| package.is_published_member());
    tree.extend(members.flat_map(|member| ["--package", member.name.as_str()]));
    let lines = String::from_utf8(cargo(&tree)?).context("cargo tree printed no UTF-8")?;
    let linked: BTreeSet<String> = lines.lines().map(identity).collect();

    packages.retain(|package| package.source.is_some() && linked.contains(&package.identity()));
    packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(packages)
}

/// Returns the name and version in a line such as `serde v1.0.229 (*)`.
fn identity(line: &str) -> String {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let version = words.next().unwrap_or_default();
    format!("{name} {}", version.trim_start_matches('v'))
}

/// Runs cargo in the workspace. Returns its standard output.
fn cargo(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo {} failed ({})", arguments.join(" "), output.status);
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn of_alternatives_mit_is_chosen_with_its_notices() {
        let all = ["COPYRIGHT", "LICENSE-APACHE", "LICENSE-MIT", "bundled/COPYING"];
        let fewer = files(&["COPYRIGHT", "LICENSE-MIT", "bundled/COPYING"]);
        assert_eq!(chosen("MIT OR Apache-2.0", files(&all)), fewer);
        assert_eq!(chosen("Apache-2.0/MIT", files(&all)), fewer);
    }

    #[test]
    fn lines_of_cargo_tree_are_packages() {
        assert_eq!(identity("toml v1.2.1+spec-1.1.0 (*)"), "toml 1.2.1+spec-1.1.0");
    }

    #[test]
    fn licences_without_alternatives_are_kept() {
        let all = files(&["LICENSE-APACHE", "LICENSE-MIT"]);
        assert_eq!(chosen("Apache-2.0 AND MIT", all.clone()), all);
        assert_eq!(chosen("Apache-2.0", all.clone()), all);
        let one = files(&["LICENSE"]);
        assert_eq!(chosen("MIT OR Apache-2.0", one.clone()), one);
    }
}
