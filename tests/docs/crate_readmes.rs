//! READMEs of the crates: each Rust example is one of the crate's documentation, which is compiled and run.

use std::{fs, path::Path};

use crate::common::markdown::blocks;

/// Returns the examples in the documentation of a crate, without the lines that rustdoc hides.
fn examples(source: &str) -> Vec<String> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    let page: String = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    let shown = |text: String| {
        let lines = text.lines().filter(|line| *line != "#" && !line.starts_with("# "));
        lines.map(|line| line.to_owned() + "\n").collect()
    };
    blocks(&page).into_iter().map(|block| shown(block.text)).collect()
}

#[test]
fn every_example_is_one_of_the_documentation() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut compared = 0;
    for folder in fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(readme) = fs::read_to_string(folder.join("README.md")) else { continue };
        let known = examples(&fs::read_to_string(folder.join("src/lib.rs")).unwrap());
        for block in blocks(&readme).into_iter().filter(|block| block.language == "rust") {
            assert!(known.contains(&block.text), "{}: not in src/lib.rs:\n{}", folder.display(), block.text);
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} examples");
}
