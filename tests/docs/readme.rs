//! README: its commands, run as a reader would, with smaller bodies.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::common::{assert_success, markdown::blocks, server::Server, text};

const README: &str = include_str!("../../README.md");

/// A command of README, and how it ends.
struct Expected {
    command: &'static str,
    /// Flags that make it shorter, behind the name of the command.
    shorter: &'static str,
    /// The exit codes that fit the text of README.
    codes: &'static [i32],
    /// Its output has one of these.
    words: &'static [&'static str],
}

const COMMANDS: [Expected; 4] = [
    Expected {
        command: "longhaul bench",
        shorter: "--size 1MiB --rounds 1",
        codes: &[0],
        words: &["quic/up/1MiB/1MiB"],
    },
    Expected {
        command: "longhaul prove --client -- curl -sSf -T {file} {url}",
        shorter: "--stall 0",
        codes: &[0],
        words: &["CONSTANT"],
    },
    Expected {
        command: "longhaul prove --client --size 64MiB,256MiB,512MiB -- curl -sSf --data-binary @{file} {url}",
        // Any curl of the last years takes files of these sizes as a whole, so that README's own are tested.
        shorter: "--stall 0 --rounds 2",
        codes: &[4],
        // curl keeps the whole body. The estimate is off by less than a thousandth.
        words: &["GROWING: 1023 MiB per GiB", "GROWING: 1024 MiB per GiB", "GROWING: 1025 MiB per GiB"],
    },
    // Bodies this small decide nothing.
    Expected {
        command: "longhaul prove",
        shorter: "--protocol h1c --chunk-size 64KiB --size 1MiB,8MiB --rounds 1 --no-control",
        codes: &[0, 6],
        words: &["h1c/down/64KiB"],
    },
];

/// Returns the commands in the console blocks.
fn commands() -> Vec<String> {
    let console = blocks(README).into_iter().filter(|block| block.language == "console");
    let lines = console.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)).collect()
}

/// Returns the lines of the block that starts a server.
fn lines_with_a_server() -> Vec<String> {
    let mut shell = blocks(README).into_iter().filter(|block| block.language == "sh");
    let block = shell.find(|block| block.text.starts_with("longhaul serve ")).unwrap();
    block.text.lines().map(str::to_owned).collect()
}

/// Runs a command in a folder, by a shell, with this longhaul before any other.
fn run(command: &str, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    Command::new("bash").args(["-c", command]).current_dir(folder).env("PATH", path).output().unwrap()
}

#[test]
fn every_console_block_is_run_by_this_test() {
    let expected: Vec<&str> = COMMANDS.iter().map(|expected| expected.command).collect();
    assert_eq!(commands(), expected);
}

#[test]
fn a_file_goes_to_the_server_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(in_folder("some.iso"), [7; 100_000]).unwrap();
    let lines = lines_with_a_server();
    let [serve, transfers @ ..] = lines.as_slice() else { panic!("{lines:?}") };
    // The server listens on another port if README's is in use.
    let flags = serve.strip_prefix("longhaul serve ").unwrap().replace("uploads", &in_folder("uploads"));
    let server = Server::start(&flags.split(' ').collect::<Vec<_>>());
    assert_eq!(transfers.len(), 2, "{transfers:?}");
    for line in transfers {
        let output = run(&line.replace("127.0.0.1:8430", server.cleartext()), folder.path());
        assert_success(&output);
    }
    assert_eq!(fs::read(in_folder("copy.iso")).unwrap(), [7; 100_000]);
}

#[test]
fn the_commands_end_as_the_text_says() {
    for Expected { command, shorter, codes, words } in &COMMANDS {
        let folder = tempfile::tempdir().unwrap();
        let (program, rest) = command.split_once(' ').unwrap();
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let output = run(&format!("{program} {name} {shorter} {rest}"), folder.path());
        let printed = format!("{command}: {}{}", text(&output.stdout), text(&output.stderr));
        assert!(codes.contains(&output.status.code().unwrap()), "{:?} {printed}", output.status);
        assert!(words.iter().any(|word| printed.contains(word)), "none of {words:?} in {printed}");
        assert!(folder.path().join("results").exists(), "no results of {printed}");
    }
}
