//! The recipes of `docs/how-to/ci.md`, run unchanged except for the installation.
//!
//! The recipes need bash, and one recipe needs curl. Without curl, the test of that recipe prints a line and passes;
//! with `CI` set, it fails.

use std::{
    env, fs, iter,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::common;

const GUIDE: &str = include_str!("../../docs/how-to/ci.md");

/// The name of the step that is not run here.
const INSTALLATION: &str = "Install longhaul";

/// The lines of one step or job.
#[derive(Debug, PartialEq)]
struct Recipe {
    name: String,
    script: String,
}

/// Returns the fenced blocks of YAML in a page, in their order.
fn yaml_blocks(page: &str) -> Vec<Vec<&str>> {
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while lines.any(|line| line == "```yaml") {
        blocks.push(lines.by_ref().take_while(|line| *line != "```").collect());
    }
    blocks
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns every block of shell lines under a `run:` or a `script:`, with the name of its step or job.
fn recipes(yaml: &[&str]) -> Vec<Recipe> {
    let mut recipes = Vec::new();
    let (mut name, mut before) = ("", "");
    let mut lines = yaml.iter().copied().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if let Some(step) = text.strip_prefix("- name: ") {
            name = step;
        } else if indentation(line) == 0
            && let Some(job) = text.strip_suffix(':')
        {
            name = job;
        }
        if text == "run: |" || (text == "- |" && before.trim() == "script:") {
            let outer = indentation(line);
            let mut block = Vec::new();
            while let Some(inner) = lines.next_if(|l| l.trim().is_empty() || indentation(l) > outer) {
                block.push(inner);
            }
            recipes.push(Recipe { name: name.into(), script: dedented(&block) });
        }
        before = line;
    }
    recipes
}

/// Returns the lines without their common indentation, and without blank lines at the end.
fn dedented(block: &[&str]) -> String {
    let filled = block.iter().filter(|line| !line.trim().is_empty());
    let margin = filled.map(|line| indentation(line)).min().unwrap_or(0);
    let lines: Vec<&str> = block.iter().map(|line| line.get(margin..).unwrap_or_default()).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// Returns the recipes in the YAML block of each CI system, without the installation.
fn of_all_systems() -> Vec<Vec<Recipe>> {
    let mut systems: Vec<Vec<Recipe>> = yaml_blocks(GUIDE).iter().map(|yaml| recipes(yaml)).collect();
    for system in &mut systems {
        assert!(system.iter().any(|recipe| recipe.name == INSTALLATION), "{system:#?}");
        system.retain(|recipe| recipe.name != INSTALLATION);
    }
    systems
}

/// Returns the shell lines of one recipe.
fn script(name: &str) -> String {
    let mut all = of_all_systems().into_iter().flatten();
    all.find(|recipe| recipe.name == name).unwrap().script
}

/// Runs shell lines like a CI system, in a new folder, with this longhaul before any other.
fn run(script: &str, folder: &Path) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_longhaul")).parent().unwrap().to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(iter::once(own).chain(env::split_paths(&others))).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).current_dir(folder).stdin(Stdio::null());
    bash.env("PATH", path).env_remove("GITHUB_STEP_SUMMARY").output().unwrap()
}

fn printed(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{:?}\n{stdout}\n{stderr}", output.status)
}

fn assert_passes(name: &str, script: &str, files: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(script, folder.path());
    assert!(output.status.success(), "{name}: {}", printed(&output));
    for file in files {
        assert!(folder.path().join(file).exists(), "{name}: {file} is missing: {}", printed(&output));
    }
}

/// Returns the speed gate with thresholds that a busy machine does not exceed: of two equal servers, the recipe's own
/// thresholds call one worse in some of 100 comparisons.
fn wide_speed_gate() -> String {
    let recipe = script("Speed gate");
    let wide = recipe.replace("goodput=20%,rss=20%,cpu=50%", "goodput=90%,rss=90%,cpu=500%");
    assert_ne!(wide, recipe);
    wide
}

/// Returns whether curl is installed. Without it, the test is skipped.
fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(found || env::var_os("CI").is_none(), "curl is missing");
    if !found {
        common::skip("curl is missing; apt-get install curl installs it");
    }
    found
}

#[test]
fn both_systems_run_the_same_lines() {
    let systems = of_all_systems();
    let [github, gitlab] = systems.as_slice() else { panic!("{} blocks of YAML", systems.len()) };
    assert_eq!(github, gitlab);
    let names: Vec<&str> = github.iter().map(|recipe| recipe.name.as_str()).collect();
    assert_eq!(names, ["Memory gate", "Streaming", "Speed gate"]);
    for Recipe { name, script } in github {
        assert!(script.contains("longhaul ") && !script.starts_with(' '), "{name}: {script}");
    }
}

// The recipes run one after the other: another recipe beside the speed gate would widen its intervals.
#[test]
fn every_recipe_passes() {
    let memory_files = ["ceilings.toml", "report/memory/junit.xml", "report/memory/report.html"];
    assert_passes("Memory gate", &script("Memory gate"), &memory_files);
    assert_passes("Speed gate", &wide_speed_gate(), &["compare.md", "report/speed/junit.xml"]);
    if has_curl() {
        assert_passes("Streaming", &script("Streaming"), &["proof/report.html"]);
    }
}

#[test]
fn the_memory_gate_fails_where_a_ceiling_is_too_low() {
    let folder = tempfile::tempdir().unwrap();
    let ceilings = "[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1MiB\"\n";
    fs::write(folder.path().join("ceilings.toml"), ceilings).unwrap();
    let output = run(&script("Memory gate"), folder.path());
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert!(printed(&output).contains("OVER  h2/up/64KiB/64MiB"), "{}", printed(&output));
    let summary = fs::read_to_string(folder.path().join("report/memory/summary.md")).unwrap();
    assert!(summary.contains("over ceiling"), "{summary}");
}

#[test]
fn a_client_that_holds_the_body_in_memory_is_found() {
    if !has_curl() {
        return;
    }
    let streaming = script("Streaming");
    let collecting = streaming.replace(" -T - ", " --data-binary @- ");
    assert_ne!(collecting, streaming);
    let folder = tempfile::tempdir().unwrap();
    let output = run(&collecting, folder.path());
    assert!(!output.status.success() && printed(&output).contains("out of memory"), "{}", printed(&output));
    assert!(!folder.path().join("proof").exists(), "it failed later: {}", printed(&output));
}
