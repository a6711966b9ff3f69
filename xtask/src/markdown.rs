//! The Markdown files of the documentation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Returns the Markdown files in a folder and in all folders below it.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_nested_folders_are_found_and_others_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let nested = root.path().join("a/b");
        fs::create_dir_all(&nested).unwrap();
        for file in [nested.join("page.md"), root.path().join("index.md"), root.path().join("chart.svg")] {
            fs::write(file, "").unwrap();
        }
        assert_eq!(below(root.path()).unwrap(), [nested.join("page.md"), root.path().join("index.md")]);
    }
}
