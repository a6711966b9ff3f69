//! Reports of the real binary, read by a browser and by the programs of other projects.
//!
//! `scripts/peers` installs Chromium and the readers. Without these programs, the tests print a line and pass; with
//! `CI` set, they fail.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::common::{Out, assert_success, peers, run, text};

/// Runs a bench of a few rows, both directions, two chunk and two body sizes, with enough windows for percentiles, and
/// with these flags.
fn bench(flags: &[&str]) -> Out {
    let out = Out::new();
    let folder = out.text();
    let args = ["bench", "--quiet", "--rounds", "2", "--direction", "up,down", "--out", &folder];
    let matrix = ["--protocol", "tcp,h1c,h2c,h2", "--chunk-size", "16KiB,64KiB", "--size", "4MiB,24MiB"];
    let output = run(&[&args[..], &matrix, flags].concat());
    assert_success(&output);
    out
}

/// Returns the command that opens a page in Chromium, and checks it with one of the scripts in `tests/page`.
fn browser(script: &str, peers: &Path, page: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page").join(script)).arg(page);
    node.env("LONGHAUL_NODE_MODULES", peers.join("node/node_modules"));
    node
}

/// Opens a broken page, and makes one of the checks. Returns what it finds.
fn faults(check: &str, peers: &Path, page: &Path) -> String {
    let output = browser("check.mjs", peers, page).args(["--only", check]).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    message
}

/// Opens a page in Chromium, and checks it against its data and its records.
pub(crate) fn browse(peers: &Path, page: &Path) -> Output {
    browser("check.mjs", peers, page).output().unwrap()
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page_of_a_bench() {
    let Some(peers) = peers() else { return };
    let out = bench(&["--observe-framing"]);
    let page = out.path().join("report.html");
    // They stay in the folder of the build.
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report/bench");
    let mut check = browser("check.mjs", &peers, &page);
    assert_success(&check.arg("--screenshots").arg(&screenshots).output().unwrap());
    for name in ["desktop-light", "desktop-dark", "phone-light", "phone-dark", "wide-light", "wide-dark"] {
        let size = fs::metadata(screenshots.join(format!("{name}.png"))).unwrap().len();
        assert!(size > 20_000, "{name}");
    }

    // The check must notice each of three faults: a request, a message on the console, and a table without rows.
    let mut broken = fs::read_to_string(&page).unwrap();
    for (from, to) in [
        ("</main>", "<img src=\"http://127.0.0.1:9/x.png\" alt=\"\"></main>"),
        ("\"use strict\";", "\"use strict\";console.error(\"out of luck\");"),
        ("framingTable(data.cases),", ""),
    ] {
        assert!(broken.contains(from), "{from}");
        broken = broken.replacen(from, to, 1);
    }
    fs::write(&page, broken).unwrap();
    let message = faults("remarks", &peers, &page);
    for fault in ["127.0.0.1:9", "out of luck", "the table of framing has 0 rows"] {
        assert!(message.contains(fault), "{fault}: {message}");
    }
}

#[test]
fn a_long_label_leaves_the_figures_of_the_table_in_view() {
    let Some(peers) = peers() else { return };
    let out = Out::new();
    let (folder, label) = (out.text(), "averyverylonglabelwithoutspaces".repeat(8));
    let matrix = ["--protocol", "h1c,h2c", "--chunk-size", "64KiB", "--size", "1MiB", "--rounds", "1"];
    let flags = ["bench", "--quiet", "--observe-framing", "--label", &label, "--out", &folder];
    assert_success(&run(&[&flags[..], &matrix].concat()));
    let page = out.path().join("report.html");
    let check = |page: &Path| browser("check.mjs", &peers, page).args(["--only", "width"]).output().unwrap();
    assert_success(&check(&page));

    // The check must notice a column that does not break its words.
    let wide = fs::read_to_string(&page).unwrap().replace("max-width: 22rem;", "white-space: nowrap;");
    fs::write(&page, wide).unwrap();
    assert!(text(&check(&page).stderr).contains("px of a table"));
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page_of_a_sweep() {
    let Some(peers) = peers() else { return };
    let out = Out::new();
    let folder = out.text();
    let args = ["bench", "--quiet", "--rounds", "1", "--direction", "both", "--out", &folder];
    let matrix = ["--protocol", "tcp,h1c,h2,h3", "--chunk-size", "1KiB..256KiB", "--size", "2MiB"];
    assert_success(&run(&[&args[..], &matrix].concat()));
    let page = out.path().join("report.html");
    assert_success(&browse(&peers, &page));

    // The check must notice a matrix with other figures.
    let whole = fs::read_to_string(&page).unwrap();
    let honest = "text: (rate) => threeDigits(toMib(rate)),";
    assert!(whole.contains(honest));
    fs::write(&page, whole.replacen(honest, "text: (rate) => threeDigits(toMib(2 * rate)),", 1)).unwrap();
    let message = faults("matrix", &peers, &page);
    assert!(message.contains("the matrix has "), "{message}");
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page_of_a_proof() {
    let Some(peers) = peers() else { return };
    let out = Out::new();
    let folder = out.text();
    let sizes = ["--size", "4MiB,8MiB,16MiB", "--chunk-size", "64KiB", "--direction", "up", "--rounds", "1"];
    let proof = run(&[&["prove", "--quiet", "--protocol", "h1c,h2", "--out", &folder], &sizes[..]].concat());
    // Bodies this small need not prove anything.
    assert!(matches!(proof.status.code(), Some(0 | 4 | 6)), "{}", text(&proof.stderr));
    assert_success(&browse(&peers, &out.path().join("report.html")));
    let page = fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("\"is_control\":true"), "the controls are in the data");
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page_of_an_interrupted_bench() {
    let Some(peers) = peers() else { return };
    let out = Out::new();
    let folder = out.text();
    let matrix = ["--protocol", "h1c,h2,tcp", "--chunk-size", "64KiB", "--size", "16MiB", "--rounds", "500"];
    let args = [&["bench", "--quiet", "--max-time", "2s", "--out", &folder], &matrix[..]].concat();
    run(&args);
    assert_success(&browse(&peers, &out.path().join("report.html")));
}

#[test]
fn the_page_of_a_bench_whose_runs_all_failed_has_its_table() {
    let Some(peers) = peers() else { return };
    let out = Out::new();
    let folder = out.text();
    let matrix = ["--protocol", "h2c,h2", "--chunk-size", "64KiB,1MiB", "--size", "16MiB", "--rounds", "1"];
    let flags = ["bench", "--quiet", "--no-ceiling", "--timeout", "1us", "--out", &folder];
    assert_eq!(run(&[&flags[..], &matrix].concat()).status.code(), Some(1));
    let page = out.path().join("report.html");
    assert_success(&browser("check.mjs", &peers, &page).args(["--only", "remarks"]).output().unwrap());
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page_of_a_comparison() {
    let Some(peers) = peers() else { return };
    let out = bench(&[]);
    let (folder, page) = (out.text(), out.path().join("comparison"));
    assert_success(&run(&["compare", &folder, &folder, "-o", page.to_str().unwrap()]));
    assert_success(&browser("compare.mjs", &peers, &page.join("compare.html")).output().unwrap());
}

#[test]
fn other_programs_read_csv_junit_and_markdown() {
    let Some(peers) = peers() else { return };
    let (out, report) = (bench(&[]), Out::new());
    // The records get one end over its budget, and one failed run.
    let lines = fs::read_to_string(out.path().join("records.jsonl")).unwrap();
    let mut records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records[0]["receiver"]["memory"]["within_budget"] = false.into();
    let fault = serde_json::json!({"kind": "timeout", "message": "a, \"b\" <c> | d", "end": null});
    (records[1]["error"], records[1]["outcome"]) = (fault, "error".into());
    let edited = out.path().join("edited.jsonl");
    fs::write(&edited, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    let output = run(&["report", edited.to_str().unwrap(), "-o", &report.text(), "--svg"]);
    assert_success(&output);
    assert!(report.path().join("goodput-up.svg").exists() && report.path().join("report.html").exists());

    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/formats.py");
    let read = Command::new(peers.join("bin/python")).arg(reader).arg(report.path()).output().unwrap();
    assert_success(&read);
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();

    let runs = read["csv"].as_array().unwrap();
    assert_eq!(runs.len(), records.len());
    assert_eq!(runs[1]["error"], "a, \"b\" <c> | d");
    let goodput: f64 = runs[2]["goodput_bytes_per_s"].as_str().unwrap().parse().unwrap();
    assert_eq!(goodput, records[2]["goodput_bytes_per_s"].as_f64().unwrap());

    let tests = read["junit"].as_array().unwrap();
    assert_eq!(tests.len(), 32, "a case each");
    let results = |name: &Value| tests.iter().find(|test| test["name"] == *name).unwrap()["results"].clone();
    assert_eq!(results(&records[0]["case"]["name"]), serde_json::json!(["Failure"]));
    assert_eq!(results(&records[1]["case"]["name"]), serde_json::json!(["Error"]));
    assert_eq!(results(&records[3]["case"]["name"]), serde_json::json!([]));

    let rows = read["markdown"].as_array().unwrap();
    assert_eq!(rows.len(), 33, "a head and a row a case");
    let row = rows.iter().find(|row| row[0] == records[0]["case"]["name"]).unwrap();
    assert!(row.as_array().unwrap().contains(&"over budget".into()), "{row}");
}

#[test]
fn bad_input_is_named_and_the_rest_is_reported() {
    let (out, report) = (Out::new(), Out::new());
    let folder = out.text();
    let bench =
        ["bench", "--quiet", "--rounds", "1", "--protocol", "tcp", "--size", "1MiB", "--chunk-size", "64KiB"];
    assert!(run(&[&bench[..], &["--out", &folder]].concat()).status.success());
    let records = out.path().join("records.jsonl");
    let whole = fs::read_to_string(&records).unwrap();
    let reported = |content: String, to: &str| {
        fs::write(&records, content).unwrap();
        let output = run(&["report", &folder, "-o", to]);
        (output.status.code(), text(&output.stderr))
    };
    let (code, stderr) = reported(format!("{whole}half a rec\n"), &report.text());
    assert!(code == Some(2) && stderr.contains("records.jsonl:2: not a record"), "{stderr}");
    assert!(fs::read_to_string(report.path().join("summary.md")).unwrap().contains("tcp/up/64KiB/1MiB"));
    let (code, stderr) = reported(String::new(), &report.text());
    assert!(code == Some(2) && stderr.contains("holds no records"), "{stderr}");
    let newer = whole.replace("\"schema_version\":2", "\"schema_version\":3");
    let (code, stderr) = reported(whole.clone() + &newer, &report.text());
    assert!(code == Some(2) && stderr.contains("records.jsonl:2: a record of schema version 3"), "{stderr}");
    let (code, stderr) = reported(whole, "/proc/none");
    assert!(code == Some(1) && stderr.contains("cannot write the report into /proc/none"), "{stderr}");
    let output = run(&["report", &folder, "--format", "pdf"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("html, markdown, csv, junit"));
}
