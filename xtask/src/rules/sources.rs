//! The rules that are checked on the source text. Crates that build on an older Rust have no let chains. No code
//! outside `transport` and `record` compares protocols, carriers or engines by name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use record::PROTOCOLS;

use super::toolchain;
use crate::workspace::Package;

/// The crates whose sources may name protocols, carriers and engines: `record` has their table, and `transport`
/// implements them.
const NAMING: &[&str] = &["record", "transport"];

/// Returns the lines of the members below `root` that break a rule.
pub(super) fn broken(root: &Path, packages: &[Package]) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for package in packages.iter().filter(|package| package.is_member()) {
        let name = package.short_name();
        let folder = root.join("crates").join(name).join("src");
        let folder = if folder.exists() { folder } else { root.join("src") };
        let builds_on_older = toolchain::restricted(package).is_some();
        for file in files(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            for (line, number) in lines(&text).zip(1..) {
                let reason = if builds_on_older && is_let_chain(line) {
                    "let chains need Rust 1.88"
                } else if !NAMING.contains(&name) && compares_a_name(line) {
                    "a protocol is known by its name; take a fact of its row instead"
                } else if !NAMING.contains(&name) && names_a_variant(line) {
                    "a carrier or an engine is known by its name; take a fact of the protocol's row instead"
                } else {
                    continue;
                };
                broken.push(format!("{shown}:{number}: {reason}"));
            }
        }
    }
    broken.sort();
    broken.dedup();
    Ok(broken)
}

/// Returns the Rust files of a folder, at any depth.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    Ok(all)
}

/// Returns the lines of a file before its tests.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"))
}

fn is_let_chain(line: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//")
        && (code.contains("&& let ") || (code.contains("if let ") && code.contains(" && ")))
}

/// Returns whether a line compares a value with the name of a protocol, or matches on it.
fn compares_a_name(line: &str) -> bool {
    let code = line.trim_start();
    let compares = |name: &str| {
        let quoted = format!("\"{name}\"");
        [format!("== {quoted}"), format!("!= {quoted}"), format!("{quoted} =>"), format!("{quoted} |")]
            .iter()
            .any(|pattern| code.contains(pattern.as_str()))
    };
    !code.starts_with("//") && PROTOCOLS.iter().any(|protocol| compares(protocol.name))
}

/// Returns whether a line names a variant of the carriers or of the engines.
fn names_a_variant(line: &str) -> bool {
    let code = line.trim_start();
    let is_whole =
        |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    !code.starts_with("//")
        && ["Carrier::", "CarrierKind::", "Engine::"]
            .iter()
            .any(|path| code.match_indices(path).any(|(at, _)| is_whole(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::member;

    #[test]
    fn a_match_on_a_carrier_or_an_engine_is_one_line() {
        let root = tempfile::tempdir().unwrap();
        let source =
            "match row.carrier {\n    Carrier::Quic => 1,\n    _ => 2,\n}\n#[cfg(test)]\nEngine::Raw";
        for crate_name in ["run", "transport"] {
            let folder = root.path().join("crates").join(crate_name).join("src");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("lib.rs"), source).unwrap();
        }
        let members = ["run", "transport"].map(|name| member(&format!("longhaul-{name}"), &[]));
        let broken = broken(root.path(), &members).unwrap();
        let [line] = broken.as_slice() else { panic!("{broken:?}") };
        assert!(line.starts_with("crates/run/src/lib.rs:2: a carrier or an engine"), "{line}");
    }

    #[test]
    fn comments_and_tests_are_no_code() {
        assert!(is_let_chain("    && let Some(x) = y"));
        assert!(is_let_chain("if let Some(x) = y && z {"));
        assert!(!is_let_chain("// && let Some(x) = y") && !is_let_chain("if x && y {"));
        assert!(compares_a_name("if name == \"h3\" {") && compares_a_name("\"quic\" => 1,"));
        assert!(!compares_a_name("let h3 = by_name(\"h3\");") && !compares_a_name("/// `== \"h3\"`"));
        assert!(names_a_variant("(_, record::Engine::Raw) =>") && names_a_variant("CarrierKind::Quic"));
        assert!(!names_a_variant("// Engine::Raw") && !names_a_variant("ServerEngine::ALPN"));
        assert_eq!(lines("a\n#[cfg(test)]\nb").collect::<Vec<_>>(), ["a"]);
    }
}
