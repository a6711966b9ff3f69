//! `cargo xtask deb`: the Debian package, from the folder of `scripts/static` and the metadata for cargo-deb in `Cargo.toml`.

use std::{
    fs,
    io::{Write as _, stdout},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::workspace;

/// The folder in which cargo-deb expects the program. In the folder of `scripts/static`, the program is at the top.
const BUILT: &str = "target/release/";

/// Make the Debian package of a folder that scripts/static has filled
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder with the program, its manual pages and completions
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// Folder for the package
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// The needed part of the output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Value>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    description: String,
    repository: String,
    metadata: Option<Extra>,
}

#[derive(Deserialize)]
struct Extra {
    deb: Option<Deb>,
}

/// The table `package.metadata.deb`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Deb {
    maintainer: String,
    section: String,
    priority: String,
    extended_description: String,
    assets: Vec<Asset>,
}

/// A file or a pattern of files (`man/*.1`), the place in the system, and the mode in octal.
#[derive(Deserialize)]
struct Asset(String, String, String);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (package, deb) = Package::read()?;
    let architecture = printed(Command::new("dpkg").arg("--print-architecture"))?;
    let root = tempfile::tempdir().context("no temporary folder")?;
    fill(root.path(), &arguments.from, &deb, |size| package.control(&deb, &architecture, size))?;
    let file = format!("{}_{}-1_{architecture}.deb", package.name, package.version);
    let file = arguments.output.join(file);
    let mut build = Command::new("dpkg-deb");
    printed(build.args(["--root-owner-group", "--build"]).args([root.path(), &file]))?;
    writeln!(stdout(), "{}", file.display()).context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// Fills the folder of a package with its files, its control file and the checksums. `control` returns the control file
/// for the size of the files in bytes.
fn fill(root: &Path, from: &Path, deb: &Deb, control: impl FnOnce(u64) -> String) -> Result<()> {
    let mut size = 0;
    for asset in &deb.assets {
        size += asset.install(from, root)?;
    }
    let folder = root.join("DEBIAN");
    fs::create_dir(&folder).context("no folder for the control file")?;
    fs::write(folder.join("control"), control(size)).context("cannot write the control file")?;
    let mut sums = Command::new("sh");
    let sums = printed(sums.args(["-c", "find usr -type f | sort | xargs md5sum"]).current_dir(root))?;
    fs::write(folder.join("md5sums"), sums + "\n").context("cannot write the checksums")
}

impl Package {
    /// Returns the program's package, and its table for cargo-deb.
    fn read() -> Result<(Self, Deb)> {
        let answer = workspace::cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
        let metadata: Metadata =
            serde_json::from_slice(&answer).context("cargo metadata is not as expected")?;
        let program = metadata.packages.into_iter().find(|package| package["name"] == "longhaul");
        let program = program.context("no package longhaul")?;
        let mut package: Self = serde_json::from_value(program).context("its metadata is not as expected")?;
        let deb = package.metadata.take().and_then(|extra| extra.deb);
        Ok((package, deb.context("Cargo.toml has no package.metadata.deb")?))
    }

    /// Returns the control file. The program is linked statically, so the package depends on nothing.
    fn control(&self, deb: &Deb, architecture: &str, size: u64) -> String {
        let Self { name, version, description, repository, .. } = self;
        let Deb { maintainer, section, priority, extended_description, .. } = deb;
        let long: String = extended_description.lines().map(|line| format!(" {line}\n")).collect();
        format!(
            "Package: {name}\nVersion: {version}-1\nArchitecture: {architecture}\nMaintainer: {maintainer}\n\
             Installed-Size: {kib}\nSection: {section}\nPriority: {priority}\nHomepage: {repository}\n\
             Description: {description}\n{long}",
            kib = size.div_ceil(1024),
        )
    }
}

impl Asset {
    /// Copies the files from a folder to their places below `root`. Returns their size in bytes.
    fn install(&self, from: &Path, root: &Path) -> Result<u64> {
        let Self(source, place, mode) = self;
        let mode = u32::from_str_radix(mode, 8).with_context(|| format!("'{mode}' is no mode"))?;
        let sources = sources(from, source.strip_prefix(BUILT).unwrap_or(source))?;
        ensure!(!sources.is_empty(), "{} has no {source}", from.display());
        let mut size = 0;
        for file in sources {
            let name = file.file_name().context("a file without a name")?;
            let mut to = root.join(place);
            if place.ends_with('/') {
                to.push(name);
            }
            let folder = to.parent().context("a place without a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            size += fs::copy(&file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(mode)).context("cannot set a mode")?;
        }
        Ok(size)
    }
}

/// Returns the file, or the files of a pattern whose last part begins with an asterisk.
fn sources(from: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let Some((folder, ending)) = pattern.split_once('*') else { return Ok(vec![from.join(pattern)]) };
    let folder = from.join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = entry?.path();
        if file.to_string_lossy().ends_with(ending) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs a command. Returns its output without the line break at the end.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}): {}", output.status, errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_all_files_of_the_metadata_in_their_places() {
        let (package, deb) = Package::read().unwrap();
        let [from, root] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for name in ["man", "completions"] {
            fs::create_dir(from.path().join(name)).unwrap();
        }
        fs::write(from.path().join("man/longhaul-bench.1"), "bench").unwrap();
        fs::write(from.path().join("man/notes.txt"), "no page").unwrap();
        for Asset(source, ..) in deb.assets.iter().filter(|Asset(source, ..)| !source.contains('*')) {
            fs::write(from.path().join(source.strip_prefix(BUILT).unwrap_or(source)), "x".repeat(1000))
                .unwrap();
        }
        fill(root.path(), from.path(), &deb, |size| package.control(&deb, "amd64", size)).unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        let control = read("DEBIAN/control");
        let version = format!("\nVersion: {}-1\nArchitecture: amd64\n", package.version);
        assert!(control.starts_with("Package: longhaul\n") && control.contains(&version), "{control}");
        let kib = (1000 * (deb.assets.len() as u64 - 1) + 5).div_ceil(1024);
        assert!(control.contains(&format!("\nInstalled-Size: {kib}\n")), "{control}");
        assert!(
            control.contains("\nDescription: Measures how fast,") && control.ends_with('\n'),
            "{control}"
        );
        let sums = read("DEBIAN/md5sums");
        assert_eq!(sums.lines().count(), deb.assets.len(), "{sums}");
        assert!(sums.contains("  usr/share/man/man1/longhaul-bench.1\n"), "{sums}");
        let mode = |path: &str| fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("usr/bin/longhaul"), mode("usr/share/doc/longhaul/copyright")], [0o755, 0o644]);
    }

    #[test]
    fn a_file_that_is_missing_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let install = |source: &str| {
            let asset = Asset(source.into(), "usr/".into(), "644".into());
            format!("{:#}", asset.install(folder.path(), folder.path()).unwrap_err())
        };
        assert!(install("LICENSE-MIT").contains("LICENSE-MIT"));
        assert!(install("*.1").contains("has no *.1"));
    }
}
