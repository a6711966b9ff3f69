//! The functions that the ends of a transfer execute, from callgrind.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use record::PROTOCOLS;

/// The protocols over which ends execute a function, by the name of the function in the program.
pub(super) type Executed = BTreeMap<String, BTreeSet<&'static str>>;

/// The exit code of an end over its budget, as an end with the memory of valgrind is.
const OVER_BUDGET: i32 = 4;

/// Runs a small bench of each protocol under callgrind, which follows the processes of the ends.
pub(super) fn of_all_protocols(program: &Path) -> Result<Executed> {
    let mut executed = Executed::new();
    for protocol in PROTOCOLS.iter() {
        for function in of_bench(program, protocol.name)? {
            executed.entry(function).or_default().insert(protocol.name);
        }
    }
    Ok(executed)
}

/// Returns the functions that the ends of a bench in both directions execute.
fn of_bench(program: &Path, protocol: &str) -> Result<BTreeSet<String>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let counts = folder.path().join("counts");
    fs::create_dir(&counts).with_context(|| format!("cannot create {}", counts.display()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--demangle=no", "--trace-children=yes"])
        .arg(format!("--callgrind-out-file={}", counts.join("%p").display()))
        .arg(program)
        .args(["bench", "--protocol", protocol, "--direction", "up,down", "--chunk-size", "64KiB"])
        .args(["--size", "8MiB", "--rounds", "1", "--no-ceiling", "--quiet", "--output"])
        .arg(folder.path().join("results"))
        .output()
        .context("cannot start valgrind; scripts/peers installs it")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let has_worked = matches!(output.status.code(), Some(0 | OVER_BUDGET));
    ensure!(has_worked, "bench of {protocol} under callgrind failed ({}): {text}", output.status);
    let mut functions = BTreeSet::new();
    for entry in fs::read_dir(&counts).with_context(|| format!("cannot read {}", counts.display()))? {
        let path = entry.context("an entry cannot be read")?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if is_of_worker(&text) {
            functions.extend(functions_in(&text));
        }
    }
    ensure!(!functions.is_empty(), "callgrind wrote no counts of an end of {protocol}: {text}");
    Ok(functions)
}

/// Returns whether counts are those of an end, by the command line.
fn is_of_worker(counts: &str) -> bool {
    counts.lines().find_map(|line| line.strip_prefix("cmd:")).is_some_and(|line| line.ends_with(" worker"))
}

/// Returns the functions of counts. A function has a number, which follows its name once and stands alone afterwards
/// (valgrind's manual, "Callgrind Format Specification").
fn functions_in(counts: &str) -> BTreeSet<String> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut functions = BTreeSet::new();
    for line in counts.lines() {
        let Some(rest) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) else { continue };
        let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
        if !name.is_empty() {
            names.insert(number, name);
        }
        // A quote and a number follow the name of a function that calls itself.
        if let Some(name) = names.get(number).and_then(|name| name.split('\'').next()) {
            functions.insert(name.to_owned());
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read_with_their_numbers() {
        let counts =
            "cmd: target/longhaul worker\nfn=(1) _ZN1a\n1 2\ncfn=(2) b'2\ncalls=1\nfn=(2)\n1 2\nfn=(1)\n";
        assert!(is_of_worker(counts) && !is_of_worker("cmd: longhaul bench\n"));
        assert_eq!(functions_in(counts).into_iter().collect::<Vec<_>>(), ["_ZN1a", "b"]);
    }
}
