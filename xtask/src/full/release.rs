//! The step `release`: runs `scripts/release`, which makes the files of a release, installs them into empty roots and
//! uses them there. Then checks the files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// The kinds of files, by the ends of their names.
const KINDS: [&str; 6] = [".crate", ".tar.gz", ".deb", ".whl", ".cdx.json", "SHA256SUMS"];

pub(super) fn run(_: &Context<'_>) -> Result<Outcome> {
    if !is_installed("dpkg-deb") {
        return Ok(Outcome::not_run("dpkg-deb is not installed"));
    }
    let mut outcome = Outcome::default();
    let mut release = Command::new(workspace::root().join("scripts/release"));
    let output =
        release.arg("--yes").stderr(Stdio::inherit()).output().context("cannot start scripts/release")?;
    let measured = output.status.to_string();
    outcome.check("scripts/release", "exit status: 0", measured, output.status.success());
    if output.status.success() {
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
        list(&folder, &mut outcome)?;
    }
    if !is_installed("buildah") {
        outcome.notes.push("buildah is not installed, so there is no container image.".into());
    }
    Ok(outcome)
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Lists the files with their sizes, and checks that each kind exists and that the checksums match.
fn list(folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()));
    }
    files.sort();
    outcome.row(["file", "bytes"]);
    files.iter().for_each(|(name, bytes)| outcome.row([name.clone(), bytes.to_string()]));
    for kind in KINDS {
        let count = files.iter().filter(|(name, bytes)| name.ends_with(kind) && *bytes > 0).count();
        outcome.check(format!("files *{kind}"), "at least 1", count.to_string(), count > 0);
    }
    let mut sums = Command::new("sha256sum");
    let sums = sums.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(folder).output();
    let fits = sums.context("cannot start sha256sum")?.status.success();
    outcome.check("SHA256SUMS", "fits all files", if fits { "fits" } else { "does not" }, fits);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_kind_and_a_wrong_checksum_fail_the_step() {
        let folder = tempfile::tempdir().unwrap();
        for kind in KINDS {
            fs::write(folder.path().join(format!("longhaul{kind}")), "content").unwrap();
        }
        fs::rename(folder.path().join("longhaulSHA256SUMS"), folder.path().join("SHA256SUMS")).unwrap();
        let sum =
            Command::new("sh").args(["-c", "sha256sum longhaul* >SHA256SUMS"]).current_dir(&folder).status();
        assert!(sum.unwrap().success());
        let failures = || {
            let mut outcome = Outcome::default();
            list(folder.path(), &mut outcome).unwrap();
            outcome.checks.iter().filter(|check| !check.holds()).count()
        };
        assert_eq!(failures(), 0);
        fs::write(folder.path().join("longhaul.deb"), "other").unwrap();
        assert_eq!(failures(), 1, "the checksum");
        fs::remove_file(folder.path().join("longhaul.deb")).unwrap();
        assert_eq!(failures(), 2, "the kind as well");
    }
}
