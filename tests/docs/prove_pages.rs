//! The pages of `docs/how-to/` about proofs: their programs and commands, run as a reader would.
//!
//! A block of Python whose first line names a file becomes that file. Each command runs in its folder, and must say the
//! words of the text block that follows it, in their order.

use std::{fs, path::Path, process::Command};

use crate::common::{markdown::blocks, text};

/// The words of a proof.
const WORDS: [&str; 6] = ["GROWING SLOWLY", "GROWING", "CONSTANT", "SPOOLED", "INCONCLUSIVE", "FAILED"];

/// Returns the word of each line that has one before a colon, as the verdict of a row.
fn verdicts(report: &str) -> Vec<&'static str> {
    let of_line = |line: &str| WORDS.into_iter().find(|word| line.contains(&format!("{word}:")));
    report.lines().filter_map(of_line).collect()
}

/// Runs all of a page. Returns the number of its commands.
fn run_page(name: &str) -> usize {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to").join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let (blocks, mut commands) = (blocks(&page), 0);
    for (index, block) in blocks.iter().enumerate() {
        match block.language.as_str() {
            "python" => {
                if let Some(file) = block.text.lines().next().and_then(|line| line.strip_prefix("# ")) {
                    fs::write(folder.path().join(file), &block.text).unwrap();
                }
            }
            "console" => {
                let command = block.text.strip_prefix("$ ").unwrap();
                // The shell of a reader leaves braces without a comma as they are.
                let done = Command::new("bash")
                    .args(["-c", command])
                    .current_dir(folder.path())
                    .env("PATH", &path)
                    .output()
                    .unwrap();
                let (report, expected) = (text(&done.stdout), &blocks[index + 1]);
                assert_eq!(expected.language, "text", "{name}: no output follows {command}");
                let said = text(&done.stderr);
                assert_eq!(verdicts(&report), verdicts(&expected.text), "{name}: {command}{report}{said}");
                assert!(!verdicts(&report).is_empty(), "{name}: {command}{report}{said}");
                commands += 1;
            }
            _ => {}
        }
    }
    commands
}

/// The pages run in turn: those that share two cores have too few samples of fast transfers.
#[test]
fn the_commands_of_the_pages_say_what_they_show() {
    for (page, commands) in [("server.md", 2), ("client.md", 2), ("proxy.md", 1), ("ci-proofs.md", 1)] {
        assert_eq!(run_page(page), commands, "{page}");
    }
}
