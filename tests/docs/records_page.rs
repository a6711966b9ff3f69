//! The recipes for jq of `docs/reference/records.md`, run on records of this program.
//!
//! Without jq, the test prints a line and passes; with `CI` set, it fails.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::common::{Out, assert_success, markdown::blocks, run, skip, text};

const PAGE: &str = include_str!("../../docs/reference/records.md");

fn has_jq() -> bool {
    let found = Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "jq is missing");
    if !found {
        skip("jq is missing");
    }
    found
}

#[test]
fn every_recipe_prints_figures_of_a_bench() {
    if !has_jq() {
        return;
    }
    let out = Out::new();
    let folder = out.text();
    let matrix = ["--protocol", "h1c,h2c", "--chunk-size", "64KiB", "--size", "1MiB,2MiB", "--rounds", "2"];
    assert_success(&run(&[&["bench", "--quiet", "--out", &folder], matrix.as_slice()].concat()));
    let recipes: Vec<_> = blocks(PAGE).into_iter().filter(|block| block.language == "sh").collect();
    assert!(recipes.len() >= 8, "{} recipes", recipes.len());
    for recipe in recipes {
        let done = Command::new("bash").args(["-c", &recipe.text]).current_dir(&folder).output().unwrap();
        let printed = text(&done.stdout);
        assert!(done.status.success() && done.stderr.is_empty(), "{}{}", recipe.text, text(&done.stderr));
        assert!(!printed.trim().is_empty() && !printed.contains("null\t"), "{}{printed}", recipe.text);
    }
}

#[test]
fn the_median_of_an_even_number_of_runs_lies_between_the_two_in_the_middle() {
    if !has_jq() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let line =
        |mib: u64| format!(r#"{{"outcome":"ok","case":{{"name":"a"}},"goodput_bytes_per_s":{}}}"#, mib << 20);
    fs::write(folder.path().join("records.jsonl"), [100, 1, 9, 5].map(line).join("\n")).unwrap();
    let recipe = blocks(PAGE).into_iter().find(|block| block.language == "sh").unwrap();
    let done = Command::new("bash").args(["-c", &recipe.text]).current_dir(folder.path()).output().unwrap();
    assert_eq!(text(&done.stdout), "a\t7\n", "{}{}", recipe.text, text(&done.stderr));
}
