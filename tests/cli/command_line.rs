//! The command line as a user meets it: flags with their former spellings, errors, pipes, files of flags, and help.

use std::{
    fs::{self, File},
    io,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Out, assert_success, bench, longhaul, names, run, server::Server, skip, text};

/// A bench of one quick run.
const QUICK: [&str; 8] = ["bench", "-q", "-r", "1", "--protocol", "tcp", "--size", "1MiB"];

fn stdout(output: &Output) -> String {
    assert_success(output);
    text(&output.stdout)
}

#[test]
fn a_reader_of_stdout_that_has_gone_ends_the_program_quietly() {
    let out = Out::new();
    let folder = out.text();
    for args in [
        &["licenses"][..],
        &["schema"],
        &["help"],
        &["man"],
        &["peers"],
        &["bench", "--list"],
        &["bench", "--explain-memory"],
        &[&QUICK[..], &["--json", "-o", &folder]].concat(),
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = longhaul(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("stopped"), "{args:?}: {stderr}");
    }
}

#[test]
fn stderr_that_takes_no_line_changes_no_outcome() {
    let closed = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for stderr in [&closed as &dyn Fn() -> Stdio, &full] {
        let out = Out::new();
        let folder = out.text();
        let bench = ["bench", "-r", "1", "--protocol", "tcp", "--size", "1MiB", "-o", &folder];
        let code =
            |args: &[&str]| longhaul(args).stdout(Stdio::null()).stderr(stderr()).status().unwrap().code();
        assert_eq!(code(&bench), Some(0));
        assert!(out.path().join("records.jsonl").exists(), "the run goes on");
        assert_eq!(code(&["send", "http://127.0.0.1:1/", "--size", "1KiB"]), Some(1));
        assert_eq!(code(&["compare", &folder, "/nowhere"]), Some(2));
    }
}

#[test]
fn both_directions_have_a_word() {
    let listed = stdout(&run(&[
        "bench",
        "--list",
        "--protocol",
        "H2",
        "--direction",
        "both",
        "--chunk-size",
        "64KiB",
    ]));
    let cases: Vec<&str> = listed.lines().take(2).collect();
    assert_eq!(cases, ["h2/up/64KiB/2GiB", "h2/down/64KiB/2GiB"], "{listed}");
    let aliases = stdout(&run(&["bench", "--list", "--protocol", "http/1.1,http3,h1", "--size", "2GB"]));
    assert!(aliases.contains("h1/up/64KiB/2GB\n") && aliases.contains("h3/up/1MiB/2GB\n"), "{aliases}");
    assert_eq!(aliases.lines().count(), 5, "{aliases}");
}

#[test]
fn two_sessions_in_one_second_have_folders_of_their_own() {
    let place = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = longhaul(&QUICK);
        command.current_dir(place.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(names(&place.path().join("results")).len(), 4);
}

#[test]
fn a_missing_folder_for_bodies_is_made_or_refused_before_the_first_run() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("a/b");
    let sink = format!("save:{}", missing.display());
    let (output, records) =
        bench(&["--protocol", "h1c", "--size", "1MiB", "--chunk-size", "64KiB", "--sink", &sink]);
    assert_success(&output);
    assert!(missing.is_dir() && records[0]["outcome"] == "ok", "{records:?}");
    let out = Out::new();
    let refused = run(&[&QUICK[..], &["--sink", "save:/proc/no/folder", "-o", &out.text()]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).starts_with("error: cannot save into /proc/no/folder"), "{refused:?}");
    assert!(!out.path().exists());
}

#[test]
fn a_file_of_flags_describes_matrices_and_the_command_line_wins() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("matrix.toml");
    let lines = "size = '3MiB'\n[[matrix]]\nprotocol = ['h1c', 'h2c']\nchunk-size = '64KiB'\n[[matrix]]\nprotocol = 'h3'\n\
                 chunk_size = ['4KiB', '8KiB']\ndirection = 'down'\n[[matrix]]\nprotocol = 'h2c'\nchunk-size = '64KiB'\n";
    fs::write(&file, lines).unwrap();
    let list = |args: &[&str]| {
        let all = [&["bench", "--list", "--config", file.to_str().unwrap()], args].concat();
        let listed = stdout(&run(&all));
        listed.lines().filter(|line| line.contains('/')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        list(&[]),
        ["h1c/up/64KiB/3MiB", "h2c/up/64KiB/3MiB", "h3/down/4KiB/3MiB", "h3/down/8KiB/3MiB"]
    );
    assert_eq!(list(&["--protocol", "h1", "--chunk-size", "1KiB"]), ["h1/up/1KiB/3MiB", "h1/down/1KiB/3MiB"]);
    for (content, part) in [
        ("siez = 1", "'--siez' found\n\n  tip: a similar argument exists: '--size'"),
        ("size = 'x'", "'x' is not a size"),
        ("size =", "--config"),
        ("[[matrix]]\nrounds = 2", "rounds is for the whole session"),
    ] {
        fs::write(&file, content).unwrap();
        let refused = run(&["bench", "--list", "--config", file.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(2), "{content}");
        assert!(text(&refused.stderr).contains(part), "{content}: {}", text(&refused.stderr));
    }
    assert_eq!(run(&["bench", "--config", "/no/such.toml"]).status.code(), Some(2));
}

#[test]
fn a_bench_has_a_title_and_csv_if_they_are_asked_for() {
    let out = Out::new();
    let output = run(&[&QUICK[..], &["--title", "Nightly of h2", "--csv", "--output", &out.text()]].concat());
    assert_success(&output);
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    assert!(read("report.html").contains("Nightly of h2") && read("summary.md").contains("Nightly of h2"));
    assert!(read("cases.csv").lines().count() > 1 && read("records.csv").lines().count() > 1);
}

#[test]
fn the_schema_is_that_of_the_records() {
    let schema: Value = serde_json::from_str(&stdout(&run(&["schema"]))).unwrap();
    let (_, records) = bench(&["--protocol", "tcp", "--size", "1MiB", "--chunk-size", "64KiB"]);
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&records[0]));
}

#[test]
fn help_and_manual_pages_have_examples_exit_codes_environment_and_files() {
    let long = stdout(&run(&["bench", "--help"]));
    for section in ["Examples:", "Exit status:", "Environment:", "Files:", "Rounds and time:", "Limits:"] {
        assert!(long.contains(&format!("\n{section}\n")), "{section}: {long}");
    }
    assert_eq!(stdout(&run(&["help", "bench"])), long);
    let short = stdout(&run(&["bench", "-h"]));
    assert!(2 * short.lines().count() < long.lines().count(), "{short}");
    assert!(stdout(&run(&["help", "--help"])).contains("longhaul help"));
    let page = stdout(&run(&["man", "bench"]));
    for section in
        [".TH longhaul-bench 1", ".SH EXAMPLES", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH FILES"]
    {
        assert!(page.contains(section), "{section}: {page}");
    }
    assert!(page.contains("Leave out the ceiling rows"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    assert_success(&run(&["man", "-o", folder.path().to_str().unwrap()]));
    assert!(names(folder.path()).contains(&"longhaul-bench.1".to_owned()));
    assert_eq!(fs::read_to_string(folder.path().join("longhaul-bench.1")).unwrap(), page);
}

/// Examples that move no body and read no file.
#[test]
fn the_examples_of_help_that_print_only_succeed() {
    let prints = |line: &&str| {
        line.starts_with("longhaul plan ") || (line.starts_with("longhaul ") && line.ends_with(" --list"))
    };
    for command in ["plan", "bench", "conform"] {
        let help = stdout(&run(&["help", command]));
        let examples: Vec<&str> =
            help.lines().filter_map(|line| line.strip_prefix("  ")).filter(prints).collect();
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            stdout(&run(&example.split(' ').skip(1).collect::<Vec<_>>()));
        }
    }
}

/// Runs a command line of a shell with a terminal as stdout. `None` without the program `script`.
fn on_a_terminal(line: &str, seconds: u32) -> Option<String> {
    let typescript = tempfile::NamedTempFile::new().unwrap();
    let found = Command::new("script").arg("--version").output().is_ok();
    if !found {
        skip("the program script is missing (apt-get install bsdutils)");
        return None;
    }
    let limited = format!("exec timeout -s INT {seconds} {line}");
    let output = Command::new("script")
        .args(["-qefc", &limited])
        .arg(typescript.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some(text(&output.stdout).replace('\r', ""))
}

#[test]
fn serve_prints_urls_and_commands_on_a_terminal_and_json_elsewhere() {
    let program = env!("CARGO_BIN_EXE_longhaul");
    let Some(shown) = on_a_terminal(&format!("{program} serve"), 2) else { return };
    assert!(shown.contains("Listening until Ctrl-C:\n") && !shown.contains("\"event\""), "{shown}");
    let url = shown.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(shown.contains(&format!("  curl -T FILE {url}\n")), "{shown}");
    assert!(shown.contains(&format!("  longhaul fetch '{url}?size=1GiB'\n")), "{shown}");
    let shown = on_a_terminal(&format!("{program} serve --json"), 2).unwrap();
    assert!(shown.contains("{\"event\":\"listening\""), "{shown}");
}

#[test]
fn a_default_port_in_use_is_replaced_by_a_free_one_and_stderr_says_so() {
    // Where a listener cannot be bound, a server of another test has the port, perhaps not for long.
    let hold = |port| TcpListener::bind(("127.0.0.1", port)).ok();
    let (cleartext, tls) = (hold(serve::DEFAULT_PORT), hold(serve::DEFAULT_TLS_PORT));
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = Server::start_with_stderr(&[], log.path());
    let stderr = fs::read_to_string(log.path()).unwrap();
    for (held, port, addr) in
        [(cleartext, serve::DEFAULT_PORT, server.cleartext()), (tls, serve::DEFAULT_TLS_PORT, server.tls())]
    {
        let note = format!("note: port {port} is in use; listening on {addr} in its place\n");
        assert!(
            stderr.contains(&note) || (held.is_none() && addr.ends_with(&format!(":{port}"))),
            "{stderr}"
        );
    }
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
}

#[test]
fn the_version_is_one_line_and_the_long_one_has_the_libraries() {
    let printed = |flag| text(&run(&[flag]).stdout);
    let (short, long) = (printed("-V"), printed("--version"));
    assert_eq!(short, concat!("longhaul ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(long.starts_with(&short), "{long}");
    for line in ["\nprofile: ", "\nallocator: jemalloc ", "\n  quinn "] {
        assert!(long.contains(line), "{long}");
    }
}
