//! The rule for source files: every page of `docs` that a comment or a message names must exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The folders with source files.
const FOLDERS: [&str; 7] = ["src", "crates", "tests", "xtask", "benches", "scripts", "fuzz"];

/// Folders that are left out: build output, and the tests of this check with their samples.
const LEFT_OUT: [&str; 2] = ["target", "xtask/src/docs"];

/// The start of the path of a page.
const PAGES: &str = "docs/";

/// Returns one line for each page that a source file names and that does not exist.
///
/// # Errors
/// Fails if a folder cannot be listed.
pub(super) fn broken(root: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for file in sources(root)? {
        // A file that is not text names no page.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for page in named(&text).into_iter().filter(|page| !root.join(page).exists()) {
            let file = file.strip_prefix(root).unwrap_or(&file);
            broken.push(format!("{}: there is no {page}", file.display()));
        }
    }
    Ok(broken)
}

/// Returns the source files: Rust, and the scripts.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), FOLDERS.map(|folder| root.join(folder)).to_vec());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders
                    .extend(Some(path).filter(|path| !LEFT_OUT.iter().any(|folder| path.ends_with(folder))));
            } else if path.extension().is_none_or(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the pages that a text names: `docs/`, a path and `.md`, not as part of a longer path or of a URL.
fn named(text: &str) -> Vec<&str> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let mut pages = Vec::new();
    for (start, _) in text.match_indices(PAGES) {
        let (before, rest) = text.split_at(start);
        let path = rest.split(|c| !in_path(c)).next().unwrap_or_default();
        let is_relative = before.ends_with("../");
        if (is_relative || !before.ends_with(in_path))
            && let Some((page, _)) = path.rsplit_once(".md")
        {
            pages.push(rest.get(..page.len() + ".md".len()).unwrap_or_default());
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_comments_and_includes_and_not_in_urls() {
        let text = "//! `docs/a.md` and docs/b/c.md.\ninclude_str!(\"../../docs/d.md\");\n// https://x/docs/e.md, docs/f";
        assert_eq!(named(text), ["docs/a.md", "docs/b/c.md", "docs/d.md"]);
    }

    #[test]
    fn a_page_that_was_moved_is_reported() {
        let root = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::create_dir(root.path().join("docs")).unwrap();
        fs::write(root.path().join("docs/here.md"), "").unwrap();
        fs::write(root.path().join("src/a.rs"), "// docs/here.md, docs/gone.md").unwrap();
        assert_eq!(broken(root.path()).unwrap(), ["src/a.rs: there is no docs/gone.md"]);
    }
}
