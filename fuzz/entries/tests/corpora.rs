//! Replays every file of every corpus.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use longhaul_fuzz_entries::ENTRIES;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the names of the entries of a folder, without the extension of Rust files.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap()).trim_end_matches(".rs").to_owned()).collect()
}

#[test]
fn no_file_of_a_corpus_is_a_finding() {
    for (name, entry) in ENTRIES {
        let files: Vec<_> = fs::read_dir(fuzz().join("corpus").join(name)).unwrap().collect();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let path = file.unwrap().path();
            eprintln!("{}", path.display());
            entry(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_every_entry_a_target() {
    let (targets, corpora) = (names("fuzz_targets"), names("corpus"));
    assert_eq!(targets, corpora);
    assert!(ENTRIES.iter().all(|(name, _)| targets.contains(*name)));
}
