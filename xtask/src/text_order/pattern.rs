//! Patterns for the names of functions, without what differs between two builds of the same code.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
};

use super::{executed::Executed, symbols::Symbol};

/// A pattern for the names of functions. A star stands for any text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pattern(String);

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Reads a pattern of a linker script.
    pub(super) fn parsed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the pattern of a function. A name of Rust's older scheme ends with a hash of 16 digits after `17h`, and those
    /// of its newer scheme have a hash of each crate between `Cs` and `_` (the rustc book, "Symbol Mangling").
    /// Both depend on the compiler and on the folder of the workspace. LLVM adds a suffix to names from several modules.
    pub(super) fn of(name: &str) -> Self {
        let name = name.split(".llvm.").next().unwrap_or(name);
        if let Some((path, _)) = name.rsplit_once("17h").filter(|_| name.starts_with("_ZN")) {
            return Self(format!("{path}17h*"));
        }
        if !name.starts_with("_R") {
            return Self(name.to_owned());
        }
        let mut parts = name.split("Cs");
        let mut pattern = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('_').filter(|(hash, _)| hash.chars().all(|c| c.is_ascii_alphanumeric())) {
                Some((_, rest)) => pattern += &format!("Cs*_{rest}"),
                None => pattern += &format!("Cs{part}"),
            }
        }
        Self(pattern)
    }
}

/// Returns the patterns of executed functions that the program has, for the linker. Functions that ends of all protocols
/// execute come first, and those of fewer protocols after them: an end touches as few pages as possible.
pub(super) fn ordered(executed: &Executed, symbols: &[Symbol]) -> Vec<Pattern> {
    let known: HashSet<&str> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    let mut protocols: BTreeMap<Pattern, BTreeSet<&str>> = BTreeMap::new();
    for (name, of_name) in executed.iter().filter(|(name, _)| known.contains(name.as_str())) {
        protocols.entry(Pattern::of(name)).or_default().extend(of_name);
    }
    let mut patterns: Vec<(Pattern, BTreeSet<&str>)> = protocols.into_iter().collect();
    // The patterns of a group stay in the order of their names.
    patterns.sort_by(|(_, a), (_, b)| (b.len(), a).cmp(&(a.len(), b)));
    patterns.into_iter().map(|(pattern, _)| pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_no_hashes() {
        let of = |name: &str| Pattern::of(name).to_string();
        assert_eq!(of("_ZN2h25serve17h0123456789abcdefE"), "_ZN2h25serve17h*");
        assert_eq!(of("_ZN2h25serve17h0123456789abcdefE.llvm.77"), "_ZN2h25serve17h*");
        assert_eq!(
            of("_RNvNtCsjrHSEGnQ3l9_3std2io4readCslNYArtu3iFV_5alloc"),
            "_RNvNtCs*_3std2io4readCs*_5alloc"
        );
        assert_eq!(of("malloc_init_hard"), "malloc_init_hard");
    }

    #[test]
    fn functions_of_all_protocols_come_first_and_unknown_ones_are_left_out() {
        let symbols: Vec<Symbol> =
            ["a", "b", "c", "d"].map(|name| Symbol { name: name.into(), address: 0, size: 1 }).to_vec();
        let by = |protocols: &[&'static str]| protocols.iter().copied().collect::<BTreeSet<_>>();
        let executed = Executed::from([
            ("a".into(), by(&["h2"])),
            ("b".into(), by(&["h1"])),
            ("c".into(), by(&["h1", "h2"])),
            ("d".into(), by(&["h1"])),
            ("of_a_library".into(), by(&["h1", "h2"])),
        ]);
        let names: Vec<String> = ordered(&executed, &symbols).iter().map(Pattern::to_string).collect();
        assert_eq!(names, ["c", "b", "d", "a"]);
    }
}
