//! Tells the binary which versions it is built of: a figure means little without them.

use std::{env, error::Error, fs, path::Path, process::Command};

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

/// Where jemalloc's build takes its settings from; `.cargo/config.toml` sets it.
const MALLOC_CONF: &str = "JEMALLOC_SYS_WITH_MALLOC_CONF";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let lock = root.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rustc-env=LONGHAUL_VERSIONS={}", versions(&fs::read_to_string(lock)?)?);
    println!("cargo::rustc-env=LONGHAUL_PROFILE={}", env::var("PROFILE")?);
    println!("cargo::rerun-if-env-changed={MALLOC_CONF}");
    println!("cargo::rustc-env=LONGHAUL_MALLOC_CONF={}", env::var(MALLOC_CONF).unwrap_or_default());

    let head = root.join(".git/HEAD");
    if head.exists() {
        println!("cargo::rerun-if-changed={}", head.display());
        println!("cargo::rerun-if-changed={}", root.join(".git/refs").display());
    }
    if let Some(commit) = commit(&root) {
        println!("cargo::rustc-env=LONGHAUL_COMMIT={commit}");
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

/// The commit that is built, if this is a checkout and git is there.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    git(&["rev-parse", "--short=12", "HEAD"])
}
