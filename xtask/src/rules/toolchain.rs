//! The rule about the oldest Rust version that builds the crates for other programs.

use super::Below;
use crate::workspace::Package;

/// The Rust version that the crates in [`CRATES`] declare, and that all packages below them must support.
const OLDEST: &str = "1.85";

/// The crates for other programs, by folder name, and whether their default features count.
const CRATES: &[(&str, bool)] =
    &[("record", true), ("stats", true), ("process", true), ("analyse", false), ("prove", false)];

/// Libraries whose minor versions raise their required Rust version, which is now above [`OLDEST`]. No version of these
/// libraries is allowed.
const RESTLESS: &[&str] = &["uuid", "statrs", "hdrhistogram"];

/// Returns whether default features count for a member that must build on [`OLDEST`]. `None` for any other member.
pub(super) fn restricted(package: &Package) -> Option<bool> {
    CRATES.iter().find(|(name, _)| *name == package.short_name()).map(|(_, features)| *features)
}

/// Returns the packages below a crate that need a newer Rust, or are in [`RESTLESS`]. Includes the crate itself if it
/// declares another version.
pub(super) fn broken(below: &Below<'_>) -> Vec<String> {
    let package = below.package;
    let declared = package.rust_version.as_deref().unwrap_or("none");
    let own = (declared != OLDEST)
        .then(|| format!("{}: declares rust-version {declared}, expected {OLDEST}", package.name));
    let others = || below.packages.iter().filter(|other| other.name != package.name);
    let newer = others().filter_map(|other| {
        let needs = other.rust_version.as_deref().filter(|needs| number(needs) > number(OLDEST))?;
        Some((other, format!("needs Rust {needs}, expected {OLDEST}")))
    });
    let restless = others().filter(|other| RESTLESS.contains(&other.name.as_str()));
    let restless = restless.map(|other| (other, "raises the Rust that it needs too often".to_owned()));
    let line = |(other, why): (&&Package, String)| {
        format!("{}: {} {} below it {why}", package.name, other.name, other.version)
    };
    let broken = newer.chain(restless).map(line);
    own.into_iter().chain(broken).collect()
}

/// Returns a version as numbers, for comparison. A part that is not a number counts as the greatest.
fn number(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap_or(u64::MAX)).collect();
    numbers.resize(3, 0);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::{library, member};

    #[test]
    fn versions_compare_by_number() {
        assert!(number("1.9") < number("1.85"));
        assert!(number("1.85.1") > number(OLDEST));
        assert_eq!(number("1.85.0"), number(OLDEST));
    }

    #[test]
    fn a_library_that_needs_a_newer_rust_is_one_line() {
        let (record, old, new) =
            (member("longhaul-record", &[]), library("serde", "1.56"), library("new", "1.88.0"));
        let below = Below { package: &record, packages: vec![&record, &old, &new] };
        assert_eq!(broken(&below), ["longhaul-record: new 0.1.0 below it needs Rust 1.88.0, expected 1.85"]);
    }

    #[test]
    fn a_library_that_will_need_a_newer_rust_is_one_line() {
        let (record, uuid) = (member("longhaul-record", &[]), library("uuid", "1.85"));
        let below = Below { package: &record, packages: vec![&record, &uuid] };
        assert_eq!(
            broken(&below),
            ["longhaul-record: uuid 0.1.0 below it raises the Rust that it needs too often"]
        );
    }

    #[test]
    fn the_crate_itself_declares_the_oldest_rust() {
        let mut stats = member("longhaul-stats", &[]);
        stats.rust_version = Some("1.89".into());
        let below = Below { package: &stats, packages: vec![&stats] };
        assert_eq!(broken(&below), ["longhaul-stats: declares rust-version 1.89, expected 1.85"]);
    }

    #[test]
    fn other_crates_may_need_any_rust() {
        assert_eq!(restricted(&member("longhaul-run", &[])), None);
        assert_eq!(restricted(&member("longhaul-analyse", &[])), Some(false));
    }
}
