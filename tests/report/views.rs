//! Views of records: all show the same conclusions, take protocols from the records, and read records of other
//! versions.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    common::{Out, assert_success, peers, run, text},
    report::page::browse,
};

/// The invented protocol.
const NINTH: &str = "h4";

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(folder: &Path, name: &str, records: &[Value]) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    file
}

/// Returns records of two protocols, and copies of some for an invented protocol that no version of longhaul knows.
fn with_a_ninth_protocol() -> Vec<Value> {
    let out = Out::new();
    let folder = out.text();
    let args = ["bench", "--quiet", "--rounds", "3", "--chunk-size", "64KiB,1MiB", "--size", "24MiB"];
    let output = run(&[&args[..], &["--protocol", "tcp,h2c", "--out", &folder]].concat());
    assert_success(&output);
    let mut all = out.records();
    let known: Vec<Value> =
        all.iter().filter(|record| record["case"]["protocol"] == "h2c").cloned().collect();
    for mut record in known {
        let name = record["case"]["name"].as_str().unwrap().replace("h2c/", &format!("{NINTH}/"));
        (record["case"]["name"], record["case"]["protocol"]) = (name.into(), NINTH.into());
        record["protocol"] = json!({
            "name": NINTH, "carrier": "sctp", "http": "4", "library": "none", "baseline": "tcp",
            "streams": true, "tls": false,
        });
        all.push(record);
    }
    all
}

#[test]
fn an_invented_protocol_is_in_every_format_and_in_the_gates() {
    let (folder, report) = (tempfile::tempdir().unwrap(), Out::new());
    let file = write(folder.path(), "records.jsonl", &with_a_ninth_protocol());
    let output = run(&["report", path(&file), "-o", &report.text(), "--svg"]);
    assert_success(&output);
    for name in ["report.html", "summary.md", "records.csv", "junit.xml", "goodput-up.svg"] {
        let shown = fs::read_to_string(report.path().join(name)).unwrap();
        assert!(shown.contains(NINTH), "{name}");
    }

    let compared = run(&["compare", path(&file), path(&file)]);
    assert!(text(&compared.stdout).contains("h4/up/64KiB/24MiB"), "{}", text(&compared.stdout));

    let ceilings = folder.path().join("ceilings.toml");
    let ceiling = "[[ceiling]]\nprotocol = \"h4\"\nend = \"sender\"\npeak_rss = \"1MiB\"\n";
    fs::write(&ceilings, ceiling).unwrap();
    let checked = run(&["check", path(&file), "--ceilings", path(&ceilings)]);
    let shown = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(4), "{shown}");
    assert!(shown.contains("OVER  h4/up/64KiB/24MiB sender: expected at most 1.0 MiB"), "{shown}");
}

#[test]
fn a_browser_finds_an_invented_protocol_everywhere_on_the_page() {
    let Some(peers) = peers() else { return };
    let report = Out::new();
    fs::create_dir_all(report.path()).unwrap();
    let file = write(&report.path(), "records.jsonl", &with_a_ninth_protocol());
    let output = run(&["report", path(&file), "-o", &report.text(), "--format", "html"]);
    assert_success(&output);
    let page = report.path().join("report.html");
    assert_success(&browse(&peers, &page));

    // The check must notice if the page leaves out a protocol.
    let whole = fs::read_to_string(&page).unwrap();
    assert!(whole.contains("\"name\":\"h4\""));
    fs::write(&page, whole.replacen("\"name\":\"h4\"", "\"name\":\"h5\"", 1)).unwrap();
    assert_eq!(browse(&peers, &page).status.code(), Some(1));
}

#[test]
fn the_page_is_named_only_if_it_was_written() {
    let (out, report) = (Out::new(), Out::new());
    let folder = out.text();
    let args = ["bench", "--quiet", "--protocol", "h1c", "--size", "1MiB", "--rounds", "1", "--out", &folder];
    assert_success(&run(&args));
    for (format, expected) in [("html", "/report.html\n"), ("markdown", "\n")] {
        let output = run(&["report", &folder, "-o", &report.text(), "--format", format]);
        assert_success(&output);
        let said = text(&output.stderr);
        assert!(said.ends_with(expected) && said.contains("report.html") == (format == "html"), "{said}");
    }
}

#[test]
fn a_report_of_the_records_of_a_proof_shows_the_proof_again() {
    // Records with too few sizes for a proof are not those of a bench either.
    for sizes in ["16MiB,48MiB,96MiB", "16MiB"] {
        assert_shown_again(sizes);
    }
}

fn assert_shown_again(sizes: &str) {
    let (out, report) = (Out::new(), Out::new());
    let folder = out.text();
    let args = ["prove", "--quiet", "--protocol", "h1c", "--size", sizes, "--reader-rate", "200MiB"];
    let proof = run(&[&args[..], &["--sink", "collect", "--no-control", "--out", &folder]].concat());
    assert_eq!(proof.status.code(), Some(4), "{}", text(&proof.stderr));
    let output = run(&["report", &folder, "-o", &report.text()]);
    assert_success(&output);
    // The sentences of the judgements are compared, without the titles and commands of the two files.
    let judged = |file: PathBuf| -> Vec<String> {
        let summary = fs::read_to_string(file).unwrap();
        summary
            .lines()
            .filter(|line| ["GROWING", "CONSTANT", "INCONCLUSIVE"].iter().any(|word| line.contains(word)))
            .map(Into::into)
            .collect()
    };
    let (first, again) = (judged(out.path().join("summary.md")), judged(report.path().join("summary.md")));
    assert!(first.len() > 1 && first == again, "{first:#?}\n{again:#?}");
}

#[test]
fn records_of_earlier_versions_are_read_and_reported() {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let mut reported = 0;
    for folder in folders(&results).iter().flat_map(|results| folders(results)) {
        if !folder.join("records.jsonl.zst").exists() {
            continue;
        }
        let report = Out::new();
        let output = run(&["report", path(&folder), "-o", &report.text(), "--format", "csv"]);
        assert!(output.status.success(), "{}: {}", folder.display(), text(&output.stderr));
        assert!(fs::read_to_string(report.path().join("records.csv")).unwrap().lines().count() > 1);
        reported += 1;
    }
    assert!(reported > 0, "no committed records");
}

#[test]
fn ratios_are_within_one_session_whatever_else_is_reported() {
    let (folder, report) = (tempfile::tempdir().unwrap(), Out::new());
    let all = with_a_ninth_protocol();
    let of = |protocol: &str| -> Vec<Value> {
        all.iter().filter(|record| record["case"]["protocol"] == protocol).cloned().collect()
    };
    let (base, mut other) = (of("tcp"), of("h2c"));
    for record in &mut other {
        record["run_id"] = "another session".into();
        // The second session is dated a century later, so that the two sessions were not made in turns.
        record["started_at"] = record["started_at"].as_str().unwrap().replacen("20", "21", 1).into();
    }
    let ratios = |records: &[&Path]| {
        let folder = report.text();
        let mut args = vec!["report", "-o", &folder, "--format", "markdown"];
        args.extend(records.iter().map(|file| path(file)));
        let output = run(&args);
        assert_success(&output);
        let summary = fs::read_to_string(report.path().join("summary.md")).unwrap();
        summary.lines().filter(|line| line.contains("h2c/up") && line.contains(" tcp ")).count()
    };
    let base = write(folder.path(), "base.jsonl", &base);
    let same = write(folder.path(), "same.jsonl", &of("h2c"));
    let other = write(folder.path(), "other.jsonl", &other);
    assert!(ratios(&[&base, &same]) > 0, "rows of one session are paired");
    assert_eq!(ratios(&[&base, &other]), 0, "rows of two sessions are not");
}

#[test]
fn the_gates_write_json_and_junit_besides_text() {
    let (out, folder) = (Out::new(), tempfile::tempdir().unwrap());
    let records_folder = out.text();
    let args =
        ["bench", "--quiet", "--protocol", "h1c", "--size", "1MiB", "--chunk-size", "64KiB", "--rounds", "1"];
    assert!(run(&[&args[..], &["--label", "a b", "--out", &records_folder]].concat()).status.success());
    assert_eq!(out.records()[0]["label"], "a b");
    let ceilings = folder.path().join("ceilings.toml");
    fs::write(&ceilings, "[[ceiling]]\nprotocol = \"h1c\"\npeak_rss = \"1MiB\"\n").unwrap();
    let junit = folder.path().join("junit.xml");

    let check = ["check", &records_folder, "--ceilings", path(&ceilings), "--json", "--junit", path(&junit)];
    let output = run(&check);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let gate: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&gate["verdict"], &gate["exit_code"]), (&json!("memory_over"), &json!(4)));
    let findings = gate["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["kind"] == "over_ceiling" && finding["end"] == "sender"),
        "{gate}"
    );
    assert!(fs::read_to_string(&junit).unwrap().contains("<failure"), "a breach fails its test");

    let compare = ["compare", &records_folder, &records_folder, "--json", "--junit", path(&junit)];
    let output = run(&compare);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let comparison: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(comparison["cases"].as_array().unwrap().len(), 1, "{comparison}");
    assert!(fs::read_to_string(&junit).unwrap().contains("h1c/up/64KiB/1MiB"));
}
