//! Passes the versions, the profile and the commit of the build to the program, for its records.

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
                versions(&fs::read_to_string(lock)?)
            }
            None => String::new(),
        };
    println!("cargo::rustc-env=LONGHAUL_VERSIONS={versions}");
    order_functions(&package)?;
    // An unpacked package may lie within another repository.
    if package.join(".git").exists() {
        // In a linked worktree, `.git` is a file that names the folder of the repository.
        for part in ["HEAD", "refs"] {
            if let Some(path) = git(&package, &["rev-parse", "--git-path", part]) {
                println!("cargo::rerun-if-changed={}", package.join(path).display());
            }
        }
        if let Some(commit) = git(&package, &["rev-parse", "--short=12", "HEAD"]) {
            println!("cargo::rustc-env=LONGHAUL_COMMIT={commit}");
        }
    }
    Ok(())
}

/// Gives the linker the order of functions of `cargo xtask text-order`, so that an end of a transfer maps fewer pages of
/// the program. Names of functions without optimisation are others.
fn order_functions(package: &Path) -> Result<(), Box<dyn Error>> {
    let script = package.join("src/text-order.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    println!("cargo::rerun-if-env-changed=MOLD_PATH");
    if env::var("PROFILE")? == "release" && env::var("CARGO_CFG_TARGET_OS")? == "linux" && links_by_script() {
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
    Ok(())
}

/// Returns whether the linker is a C compiler that calls GNU ld or LLD. gold refuses a script that adds to its own, and
/// others may.
fn links_by_script() -> bool {
    let linker = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".into());
    let name = Path::new(&linker).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_compiler = ["cc", "gcc", "clang"].iter().any(|compiler| name.contains(compiler));
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let others = ["gold", "mold", "wild", "linker-flavor"];
    is_compiler && !others.iter().any(|other| flags.contains(other)) && env::var_os("MOLD_PATH").is_none()
}

/// `name=version` for each recorded crate, separated by spaces. The lock file has one key per line, the name of a package
/// right before its version.
fn versions(lock: &str) -> String {
    let values = |key: &'static str| {
        let value = move |line: &str| {
            Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.trim_end_matches('"').to_owned())
        };
        lock.lines().filter_map(value)
    };
    let recorded = |(name, version): (String, String)| {
        RECORDED.contains(&name.as_str()).then(|| format!("{name}={version}"))
    };
    // The version of the lock file itself is a number without quotes.
    values("name").zip(values("version")).filter_map(recorded).collect::<Vec<_>>().join(" ")
}

/// Returns what git prints in `folder`; `None` if it is not installed or fails.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(folder).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
