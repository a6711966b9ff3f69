//! Passes the versions, the profile and the commit of the build to the program, whose records state them.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The crates whose versions decide speed and memory.
const RECORDED: &[&str] = &[
    "h2",
    "h3",
    "h3-quinn",
    "hyper",
    "quinn",
    "quinn-proto",
    "quinn-udp",
    "rustls",
    "aws-lc-rs",
    "tokio",
    "tokio-rustls",
    "bytes",
    "twox-hash",
    "tikv-jemallocator",
];

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rustc-env=LONGHAUL_PROFILE={}", env::var("PROFILE")?);
    let versions =
        match package.ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.exists()) {
            Some(lock) => {
                println!("cargo::rerun-if-changed={}", lock.display());
                versions(&fs::read_to_string(lock)?)?
            }
            None => String::new(),
        };
    println!("cargo::rustc-env=LONGHAUL_VERSIONS={versions}");
    // An unpacked package may lie within some other repository.
    if package.join(".git").exists() {
        println!("cargo::rerun-if-changed={}", package.join(".git/HEAD").display());
        println!("cargo::rerun-if-changed={}", package.join(".git/refs").display());
        if let Some(commit) = commit(&package) {
            println!("cargo::rustc-env=LONGHAUL_COMMIT={commit}");
        }
    }
    Ok(())
}

/// `name=version` for each recorded crate, separated by spaces.
fn versions(lock: &str) -> Result<String, Box<dyn Error>> {
    let lock: toml::Table = lock.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).ok_or("Cargo.lock has no packages")?;
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let versions = packages.iter().filter_map(|package| {
        let name = text(package, "name")?;
        RECORDED.contains(&name.as_str()).then_some(())?;
        Some(format!("{name}={}", text(package, "version")?))
    });
    Ok(versions.collect::<Vec<_>>().join(" "))
}

/// The commit of a checkout, if git is installed.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    git(&["rev-parse", "--short=12", "HEAD"])
}
