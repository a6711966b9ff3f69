//! The rule for `docs/reference/serve-limits.md`: every test that it names exists.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// The page, and the separator between the file and the function of a test.
const PAGE: &str = "docs/reference/serve-limits.md";
const SEPARATOR: &str = "::";

/// Returns the tests that the page names and that are not in their files, one line each.
pub(super) fn broken(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let missing = named(&page).into_iter().filter(|(file, test)| !exists(root, file, test));
    Ok(missing.map(|(file, test)| format!("{PAGE}: there is no test {file}{SEPARATOR}{test}")).collect())
}

/// Returns the files and functions in backquotes.
fn named(page: &str) -> Vec<(&str, &str)> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once(SEPARATOR)).filter(|(file, _)| file.ends_with(".rs")).collect()
}

fn exists(root: &Path, file: &str, test: &str) -> bool {
    fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_was_renamed_is_missed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(PAGE).parent().unwrap()).unwrap();
        fs::write(root.path().join("a.rs"), "async fn it_holds() {}").unwrap();
        let page = "| `--flag` | `a.rs::it_holds`, `a.rs::it_held`, `b.rs::it_holds` |";
        fs::write(root.path().join(PAGE), page).unwrap();
        let broken = broken(root.path()).unwrap();
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].ends_with("there is no test a.rs::it_held"), "{broken:?}");
    }
}
