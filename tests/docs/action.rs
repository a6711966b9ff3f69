//! The shell lines of `action.yml`, run as GitHub runs them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::common::text;

/// Returns the script of a step, which a comment names.
fn script(step: &str) -> String {
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let mut lines = action.lines().skip_while(|line| line.trim() != format!("# step {step}")).skip(1);
    let run = lines.next().unwrap();
    let indent = run.len() - run.trim_start().len();
    assert_eq!(run.trim(), "run: |");
    let of_script = |line: &&str| line.is_empty() || line.len() - line.trim_start().len() > indent;
    lines
        .take_while(of_script)
        .map(|line| line.get(indent + 2..).unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// Runs the action with a command, in a folder. Returns its output, and the summary of the job.
fn act(folder: &Path, command: &str) -> (Output, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script("run")])
        .current_dir(folder)
        .env("PATH", path)
        .env("LONGHAUL_COMMAND", command)
        .env("LONGHAUL_RESULTS", "longhaul-results")
        .env("GITHUB_STEP_SUMMARY", folder.join("summary"))
        .env("GITHUB_OUTPUT", folder.join("output"))
        .output()
        .unwrap();
    (output, fs::read_to_string(folder.join("summary")).unwrap_or_default())
}

#[test]
fn a_proof_that_fails_fails_the_step_with_summary_and_junit() {
    let folder = tempfile::tempdir().unwrap();
    let command = "prove --client --size 1MiB --rounds 1 -- sh -c 'echo \"no way\" >&2; exit 3' {url}";
    let (output, summary) = act(folder.path(), command);
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(summary.starts_with("### longhaul prove: exit code 1\n"), "{summary}");
    assert!(summary.contains("no way"), "{summary}");
    assert_eq!(fs::read_to_string(folder.path().join("output")).unwrap(), "exit-code=1\n");
    let results = folder.path().join("longhaul-results");
    let has_xml =
        results.read_dir().unwrap().any(|entry| entry.unwrap().path().extension() == Some("xml".as_ref()));
    assert!(has_xml && results.join("records.jsonl").exists() && results.join("output.txt").exists());
}

#[test]
fn a_command_that_writes_no_records_has_its_output_as_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let (bench, _) = act(folder.path(), "bench --protocol h1c --size 1MiB --rounds 1 --quiet");
    assert_eq!(bench.status.code(), Some(0), "{}", text(&bench.stderr));
    fs::remove_file(folder.path().join("summary")).unwrap();
    // The folder has the records and the report of the bench.
    let (output, summary) = act(folder.path(), "compare longhaul-results longhaul-results");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(summary.starts_with("### longhaul compare: exit code 0\n```text\nh1c/up/"), "{summary}");
    fs::remove_file(folder.path().join("summary")).unwrap();
    let (again, summary) = act(folder.path(), "bench --protocol h1c --size 1MiB --rounds 1 --quiet");
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert!(summary.starts_with("### longhaul bench: exit code 1\n```text\n"), "{summary}");
}
