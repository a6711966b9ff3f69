//! A sample workspace for tests.

use crate::workspace::{Dependency, Package};

/// Returns a member of the workspace with normal `dependencies`.
pub(super) fn member(name: &str, dependencies: &[&str]) -> Package {
    let dependency = |name: &&str| Dependency { name: (*name).to_owned() };
    Package {
        name: name.into(),
        version: "0.1.0".into(),
        repository: None,
        license: Some("MIT OR Apache-2.0".into()),
        source: None,
        rust_version: Some("1.85".into()),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

/// Returns a package of crates.io that needs `rust_version`.
pub(super) fn library(name: &str, rust_version: &str) -> Package {
    Package {
        source: Some("registry+https://github.com/rust-lang/crates.io-index".into()),
        rust_version: Some(rust_version.into()),
        ..member(name, &[])
    }
}
