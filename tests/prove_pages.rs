//! The pages of `docs/how-to/` about proofs: their programs and commands, run as a reader would.
//!
//! A block of Python whose first line names a file becomes that file. Each command runs in its folder, and must say the
//! words of the text block that follows it, in their order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
};

use common::{markdown::blocks, text};

/// Held by the page that runs: a page that shares two cores with three others has too few samples of fast transfers.
static ALONE: Mutex<()> = Mutex::new(());

/// The words of a proof.
const WORDS: [&str; 6] = ["GROWING SLOWLY", "GROWING", "CONSTANT", "SPOOLED", "INCONCLUSIVE", "FAILED"];

/// Returns the word of each line that has one before a colon, as the verdict of a row.
fn verdicts(report: &str) -> Vec<&'static str> {
    let of_line = |line: &str| WORDS.into_iter().find(|word| line.contains(&format!("{word}:")));
    report.lines().filter_map(of_line).collect()
}

/// Runs all of a page. Returns the number of its commands.
fn run_page(name: &str) -> usize {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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

#[test]
fn the_commands_of_the_page_about_servers_say_what_it_shows() {
    assert_eq!(run_page("server.md"), 2);
}

#[test]
fn the_commands_of_the_page_about_clients_say_what_it_shows() {
    assert_eq!(run_page("client.md"), 2);
}

#[test]
fn the_command_of_the_page_about_proxies_says_what_it_shows() {
    assert_eq!(run_page("proxy.md"), 1);
}

#[test]
fn the_command_of_the_page_about_ci_says_what_it_shows() {
    assert_eq!(run_page("ci-proofs.md"), 1);
}
