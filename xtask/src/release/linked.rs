//! The packages that the program links, and the dependencies between them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// Name and version of a package.
pub(super) type Identity = (String, String);

/// Each package, with the packages that it depends on.
pub(super) type Edges = BTreeMap<Identity, BTreeSet<Identity>>;

/// Returns the packages that the program links on a target. Unlike in `cargo metadata`, features that only other members
/// of the workspace turn on do not count.
pub(super) fn edges(target: &str) -> Result<Edges> {
    let of_program = ["tree", "--locked", "--package", "longhaul", "--edges", "normal", "--prefix", "depth"];
    let output = workspace::cargo(&[&of_program[..], &["--target", target]].concat())?;
    parse(&String::from_utf8(output).context("cargo tree printed no UTF-8")?)
}

/// Parses lines such as `2serde v1.0.229 (*)`, which begin with their depth.
fn parse(tree: &str) -> Result<Edges> {
    let mut edges = Edges::new();
    let mut path: Vec<Identity> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let name = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let depth: Option<usize> = line.strip_suffix(name).and_then(|digits| digits.parse().ok());
        let mut words = name.split(' ');
        let version = words.nth(1).and_then(|word| word.strip_prefix('v'));
        let (Some(depth), Some(version)) = (depth, version) else { bail!("cargo tree printed '{line}'") };
        let identity = (name.split(' ').next().unwrap_or_default().to_owned(), version.to_owned());
        path.truncate(depth);
        if let Some(parent) = path.last() {
            edges.entry(parent.clone()).or_default().insert(identity.clone());
        }
        edges.entry(identity.clone()).or_default();
        path.push(identity);
    }
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_needs_those_one_level_below_it() {
        let identity = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let tree = "0longhaul v0.1.0 (/somewhere)\n1serde v1.0.229\n2serde_core v1.0.229\n\
                    1toml v1.2.1+spec-1.1.0\n2serde_core v1.0.229 (*)\n";
        let edges = parse(tree).unwrap();
        let serde_core = identity("serde_core", "1.0.229");
        assert_eq!(edges.len(), 4);
        assert_eq!(edges[&identity("longhaul", "0.1.0")].len(), 2);
        assert_eq!(edges[&identity("toml", "1.2.1+spec-1.1.0")], BTreeSet::from([serde_core.clone()]));
        assert!(edges[&serde_core].is_empty());
        assert!(parse("[build-dependencies]").is_err());
    }
}
