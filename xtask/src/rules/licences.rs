//! The rule of licences and sources of all packages, as in a `deny.toml`.

use crate::workspace::Package;

/// The licences that a package may have, by SPDX identifier. All are permissive and require only that their text
/// accompanies the program. `deny.toml` has the same list.
const ALLOWED: &[&str] = &["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Zlib"];

/// The only source from which packages may come.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Returns the packages whose licence is not in the list, and packages from another source.
pub(super) fn broken(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .flat_map(|package| licence_fault(package).into_iter().chain(source_fault(package)))
        .collect()
}

fn licence_fault(package: &Package) -> Option<String> {
    let Package { name, version, license, .. } = package;
    match license {
        None => Some(format!("{name} {version}: states no licence")),
        Some(text) if !is_allowed(text) => Some(format!("{name} {version}: licence '{text}' is not allowed")),
        Some(_) => None,
    }
}

fn source_fault(package: &Package) -> Option<String> {
    let source = package.source.as_deref().filter(|source| *source != SOURCE)?;
    Some(format!("{} {}: comes from {source}, expected crates.io", package.name, package.version))
}

/// Returns whether an SPDX expression can be met with allowed licences. A slash is the old form of OR. Text that is not
/// an expression is not allowed.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    disjunction(&mut words).is_some_and(|allowed| allowed && words.next().is_none())
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// Parses a disjunction: conjunctions (see [`conjunction`]) that are joined by OR.
fn disjunction(words: &mut Words<'_>) -> Option<bool> {
    let mut allowed = conjunction(words)?;
    while words.next_if_eq(&"OR").is_some() {
        allowed |= conjunction(words)?;
    }
    Some(allowed)
}

/// Parses a conjunction: licences (see [`licence`]) that are joined by AND, which binds more tightly than OR.
fn conjunction(words: &mut Words<'_>) -> Option<bool> {
    let mut allowed = licence(words)?;
    while words.next_if_eq(&"AND").is_some() {
        allowed &= licence(words)?;
    }
    Some(allowed)
}

/// Parses a licence, with or without an exception, or an expression in parentheses.
fn licence(words: &mut Words<'_>) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let allowed = disjunction(words)?;
        return (words.next()? == ")").then_some(allowed);
    }
    if matches!(word, ")" | "OR" | "AND" | "WITH") {
        return None;
    }
    if words.next_if_eq(&"WITH").is_some() {
        return Some(ALLOWED.contains(&format!("{word} WITH {}", words.next()?).as_str()));
    }
    Some(ALLOWED.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::library;

    #[test]
    fn one_allowed_alternative_suffices() {
        for text in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "ISC AND (Apache-2.0 OR ISC)",
        ] {
            assert!(is_allowed(text), "{text}");
        }
    }

    #[test]
    fn every_part_that_must_hold_has_to_be_allowed() {
        for text in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-3.0 OR MIT AND MPL-2.0",
            "MIT WITH Some-exception",
            "(MIT",
            "MIT Apache-2.0",
            "",
        ] {
            assert!(!is_allowed(text), "{text}");
        }
    }

    #[test]
    fn a_licence_or_a_source_that_is_not_allowed_is_one_line() {
        let mut copyleft = library("copyleft", "1.56");
        copyleft.license = Some("GPL-3.0".into());
        let mut unstated = library("unstated", "1.56");
        unstated.license = None;
        let mut elsewhere = library("elsewhere", "1.56");
        elsewhere.source = Some("git+https://example.org/elsewhere".into());
        assert_eq!(
            broken(&[library("serde", "1.56"), copyleft, unstated, elsewhere]),
            [
                "copyleft 0.1.0: licence 'GPL-3.0' is not allowed",
                "unstated 0.1.0: states no licence",
                "elsewhere 0.1.0: comes from git+https://example.org/elsewhere, expected crates.io",
            ]
        );
    }
}
