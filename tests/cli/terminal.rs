//! The texts for people: warnings of the machine, colours, and the place of the page.

use std::{fs, io, path::Path, process::Output};

use crate::common::{Out, assert_success, longhaul, run, text};

/// A setting of the allocator that longhaul does not have, so that there is a warning on every machine.
const OTHER_ALLOCATOR: (&str, &str) = ("_RJEM_MALLOC_CONF", "narenas:2");

/// The beginning of that warning.
const WARNING: &str =
    "the allocator is not the one that longhaul is made for (jemalloc with narenas:2 for narenas:1)";

/// Runs a small bench with that allocator.
fn bench(out: &Out, flags: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = longhaul(&["bench", "--protocol", "h1c", "--size", "1MiB", "--chunk-size", "64KiB"]);
    command.args(["--rounds", "1", "--out", &out.text()]).args(flags);
    command.env_remove("NO_COLOR").envs([OTHER_ALLOCATOR]).envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert_success(&output);
    output
}

#[test]
fn a_warning_is_a_fact_of_the_run_however_quiet_it_is() {
    let (out, report) = (Out::new(), Out::new());
    let output = bench(&out, &["--quiet"], &[]);
    let told = text(&output.stderr);
    assert!(told.contains(&format!("Warning: {WARNING}. Expect other figures")), "{told}");
    assert!(text(&output.stdout).contains(WARNING), "{}", text(&output.stdout));
    let warnings = &out.records()[0]["warnings"];
    let names: Vec<&str> =
        warnings.as_array().unwrap().iter().map(|warning| warning["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"allocator"), "{warnings}");
    assert_success(&run(&["report", &out.text(), "-o", &report.text()]));
    for folder in [out.path(), report.path()] {
        for file in ["summary.md", "report.html"] {
            let shown = fs::read_to_string(folder.join(file)).unwrap();
            assert!(shown.contains("narenas:2 for narenas:1"), "{file}");
        }
    }
}

#[test]
fn the_url_of_the_page_is_the_last_line() {
    let out = Out::new();
    let output = bench(&out, &[], &[]);
    let told = text(&output.stderr);
    let page = told.lines().last().and_then(|line| line.strip_prefix("report: file://"));
    assert!(page.is_some_and(|page| Path::new(page).is_file()), "{told}");
    assert!(told.contains("1 run, 1 MiB in all, about "), "an estimate stands before the runs: {told}");
}

#[test]
fn only_a_terminal_has_colours_unless_the_user_decides() {
    let escapes = |flags: &[&str], environment: &[(&str, &str)]| {
        let output = bench(&Out::new(), flags, environment);
        (text(&output.stderr) + &text(&output.stdout)).contains("\x1b[33mWarning\x1b[")
    };
    assert!(!escapes(&[], &[]), "a pipe");
    assert!(escapes(&["--color", "always"], &[]));
    assert!(
        escapes(&["--color=always"], &[("NO_COLOR", "1")]),
        "a flag is a stronger wish than the environment"
    );
    assert!(!escapes(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn an_interval_has_a_line_of_its_own_on_stderr() {
    let out = Out::new();
    let flags = ["--limit-rate", "16MiB", "--size", "16MiB", "--interval", "0.25"];
    let mut command = longhaul(&["bench", "--protocol", "h1c", "--chunk-size", "64KiB", "-r", "1"]);
    let output = command.args(flags).args(["-o", &out.text()]).output().unwrap();
    assert_success(&output);
    let told = text(&output.stderr);
    let is_interval = |line: &&str| line.starts_with("[1/1] ") && line.contains(" s  ");
    let lines: Vec<&str> = told.lines().filter(is_interval).collect();
    assert!(lines.len() >= 2 && lines[0].starts_with("[1/1]   0.00 to "), "{told}");
    let moved: f64 =
        lines.iter().map(|line| line.split_whitespace().nth(5).unwrap().parse::<f64>().unwrap()).sum();
    // Each line is rounded to a tenth of a MiB.
    let most = 16.0 + 0.05 * lines.len() as f64;
    assert!((1.0..=most).contains(&moved), "{moved} MiB: {told}");
    let answer = text(&output.stdout);
    assert!(!answer.lines().any(|line| is_interval(&line)), "{answer}");
}

#[test]
fn a_selection_of_records_is_not_called_interrupted() {
    let (out, report) = (Out::new(), Out::new());
    let flags = ["--protocol", "h1c", "--size", "1MiB", "--chunk-size", "64KiB", "--rounds", "4", "--quiet"];
    assert_success(&run(&[&["bench", "--out", &out.text()], &flags[..]].concat()));
    let lines = fs::read_to_string(out.path().join("records.jsonl")).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let summary = |lines: &[&str]| {
        let file = out.path().join("some.jsonl");
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        assert_success(&run(&["report", file.to_str().unwrap(), "-o", &report.text()]));
        fs::read_to_string(report.path().join("summary.md")).unwrap()
    };
    assert!(summary(&lines[..2]).contains("Interrupted: 2 of 4 runs; bench --resume makes the others."));
    let selected = summary(&lines[2..]);
    assert!(!selected.contains("Interrupted"), "{selected}");
    assert!(selected.contains("these are 2 runs of a session of at least 4"), "{selected}");
}

#[test]
fn a_reader_that_has_gone_is_a_quiet_end_with_the_exit_code_of_the_verdict() {
    let (out, folder) = (Out::new(), tempfile::tempdir().unwrap());
    bench(&out, &["--quiet"], &[]);
    let ceilings = folder.path().join("ceilings.toml");
    fs::write(&ceilings, "[[ceiling]]\nprotocol = \"h1c\"\nend = \"sender\"\npeak_rss = \"1MiB\"\n").unwrap();
    let (results, ceilings) = (out.text(), ceilings.to_str().unwrap());
    let cases: [(&[&str], i32); 4] = [
        (&["schema"], 0),
        (&["check", &results, "--ceilings", ceilings], 4),
        // One round decides nothing.
        (&["compare", &results, &results, "--fail-on", "worse"], 6),
        (&["check", &results, "--ceilings", ceilings, "--json"], 4),
    ];
    for (args, expected) in cases {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = longhaul(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(expected), String::new()), "{args:?}");
    }
}
