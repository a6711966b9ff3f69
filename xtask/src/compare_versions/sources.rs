//! A copy of the sources in which one library has another version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// A copy of the sources, in its own folder.
pub(super) struct Sources {
    folder: PathBuf,
}

impl Sources {
    /// Copies the files that git tracks, as they are in the work tree.
    pub(super) fn copy(root: &Path, folder: &Path) -> Result<Self> {
        let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
        let listed = listed.context("cannot start git")?;
        ensure!(listed.status.success(), "git ls-files failed ({}): no checkout", listed.status);
        let names = String::from_utf8(listed.stdout).context("a file name is not UTF-8")?;
        // Git tracks a deleted file until the deletion is committed.
        for name in names.split('\0').filter(|name| !name.is_empty() && root.join(name).is_file()) {
            let target = folder.join(name);
            let parent = target.parent().unwrap_or(folder);
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
            fs::copy(root.join(name), &target).with_context(|| format!("cannot copy {name}"))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the copy use a version of a library, or a checkout of it.
    pub(super) fn use_version(&self, library: &str, version: &str) -> Result<()> {
        let manifest = self.folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).context("no Cargo.toml")?;
        let checkout = Path::new(version).is_dir().then(|| Path::new(version).canonicalize()).transpose()?;
        let changed = match &checkout {
            Some(checkout) => patched(&text, library, checkout),
            None => pinned(&text, library, version),
        };
        fs::write(&manifest, changed).context("cannot write Cargo.toml")?;
        if checkout.is_some() {
            return Ok(());
        }
        let status = Command::new("cargo")
            .args(["update", "--quiet", "--package", library, "--precise", version])
            .current_dir(&self.folder)
            .status()
            .context("cannot start cargo")?;
        ensure!(status.success(), "cargo has no {library} {version} that fits ({status})");
        Ok(())
    }
}

/// Returns the manifest with a checkout in place of a library.
fn patched(manifest: &str, library: &str, checkout: &Path) -> String {
    // A quoted path of TOML has the escapes of a Rust string.
    format!("{manifest}\n[patch.crates-io]\n{library} = {{ path = {checkout:?} }}\n")
}

/// Returns the manifest with a library pinned to exactly this version, if the manifest names the library.
fn pinned(manifest: &str, library: &str, version: &str) -> String {
    let pin = |line: &str| pinned_line(line, library, version).unwrap_or_else(|| line.to_owned()) + "\n";
    manifest.lines().map(pin).collect()
}

/// Returns a line such as `h2 = "0.4"` or `quinn = { version = "0.11", … }` with another version; `None` for all other
/// lines.
fn pinned_line(line: &str, library: &str, version: &str) -> Option<String> {
    let value = line.strip_prefix(library)?.strip_prefix(" = ")?;
    let (before, rest) =
        ["\"", "{ version = \""].iter().find_map(|start| Some((*start, value.strip_prefix(start)?)))?;
    let (_, after) = rest.split_once('"')?;
    Some(format!("{library} = {before}={version}\"{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_pinned_in_either_form_of_a_requirement() {
        let manifest =
            "h2 = \"0.4.20\"\nh2-other = \"1\"\nquinn = { version = \"0.11.12\", features = [\"a\"] }\n";
        assert_eq!(pinned(manifest, "h2", "0.4.18"), manifest.replace("\"0.4.20\"", "\"=0.4.18\""));
        assert_eq!(pinned(manifest, "quinn", "0.11.8"), manifest.replace("\"0.11.12\"", "\"=0.11.8\""));
        // The library is not a direct dependency: another library depends on it.
        assert_eq!(pinned(manifest, "quinn-proto", "0.11.9"), manifest);
    }

    #[test]
    fn a_checkout_is_patched_in() {
        let manifest = patched("[workspace]\n", "h2", Path::new("/some/h2"));
        assert_eq!(manifest, "[workspace]\n\n[patch.crates-io]\nh2 = { path = \"/some/h2\" }\n");
    }

    #[test]
    fn the_copy_has_all_tracked_files() {
        let work = tempfile::tempdir().unwrap();
        let sources = Sources::copy(crate::workspace::root(), &work.path().join("copy")).unwrap();
        assert!(sources.folder().join("Cargo.lock").is_file());
        assert!(sources.folder().join("crates/record/src/lib.rs").is_file());
        assert!(!sources.folder().join("target").exists());
    }
}
