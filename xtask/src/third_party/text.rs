//! Licence texts without duplicates, and the document that contains them.

use std::{collections::HashMap, fmt::Write as _};

use super::packages::Package;

/// The terms of the MIT licence, for packages that state it without including its text.
const MIT: &str = include_str!("../../LICENSE-MIT");

const RULE: &str = "--------------------------------------------------------------------------------";

const HEAD: &str = "\
Licences of the software in longhaul
====================================

The program longhaul contains the packages below, each under the licence that follows its name. Of alternative
licences MIT is chosen. A text that several packages share is given once. The last part is about the libraries in
the page that `longhaul report` writes. `cargo xtask third-party` makes this file.
";

/// The place where a text was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Name and version of the package.
    pub(super) package: String,
    /// The path of the file in the package.
    pub(super) file: String,
}

/// Texts with their sources, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: Vec<(String, Vec<Source>)>,
    known: HashMap<String, usize>,
}

impl Texts {
    /// Adds a text. A text that differs from an earlier one only in white space and capitals counts as equal.
    pub(super) fn add(&mut self, text: &str, source: Source) {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let index = *self.known.entry(words).or_insert(self.all.len());
        match self.all.get_mut(index) {
            Some((_, sources)) => sources.push(source),
            None => self.all.push((lines(text), vec![source])),
        }
    }
}

/// Returns the text with normalised line ends and without blank lines around it.
fn lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Returns the document. Packages in `without` have no licence file.
pub(super) fn document(texts: &Texts, without: &[&Package]) -> String {
    let mut document = HEAD.to_owned();
    for package in without {
        let title = format!(
            "{} (no file; states {}, by {})",
            package.identity(),
            package.licence(),
            package.authors()
        );
        part(
            &mut document,
            &title,
            "The terms of the MIT licence, as in the next part, without its copyright line.",
        );
    }
    if !without.is_empty() {
        part(&mut document, "The terms of the MIT licence", &lines(MIT));
    }
    for (text, sources) in &texts.all {
        let titles: Vec<String> =
            sources.iter().map(|source| format!("{} ({})", source.package, source.file)).collect();
        part(&mut document, &titles.join("\n"), text);
    }
    document
}

fn part(document: &mut String, title: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(document, "\n{RULE}\n{title}\n{RULE}\n\n{text}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(package: &str) -> Source {
        Source { package: package.into(), file: "LICENSE".into() }
    }

    #[test]
    fn a_shared_text_is_given_once_with_all_its_packages() {
        let mut texts = Texts::default();
        texts.add("Permission is\r\n granted.\r\n", of("first 1.0.0"));
        texts.add("Copyright somebody else", of("second 2.0.0"));
        texts.add("PERMISSION is granted.", of("third 3.0.0"));
        let document = document(&texts, &[]);
        assert_eq!(document.matches("granted.").count(), 1);
        assert!(document.contains("first 1.0.0 (LICENSE)\nthird 3.0.0 (LICENSE)\n"), "{document}");
        assert!(document.contains("second 2.0.0 (LICENSE)"), "{document}");
        assert!(!document.contains('\r'), "{document}");
    }
}
