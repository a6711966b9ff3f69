//! `longhaul bench --peer`: programs of others in the place of one end.
//!
//! `scripts/peers` installs these programs. Without them, the tests print a line and pass; with `CI` set, they fail.

use std::{
    env, iter,
    process::{Command, Output},
};

use serde_json::Value;

use crate::common::{self, Out, longhaul, peers, text, transfer::script};

/// Returns the program, which finds those of `scripts/peers` before any other.
fn with_peers(args: &[&str]) -> Option<Command> {
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(iter::once(peers()?.join("bin")).chain(env::split_paths(&others))).unwrap();
    let mut command = longhaul(args);
    command.env("PATH", path);
    Some(command)
}

/// Runs one round of a bench over small bodies. Returns the output and the records.
fn bench(args: &[&str]) -> Option<(Output, Vec<Value>, Out)> {
    let out = Out::new();
    let folder = out.text();
    let all =
        [&["bench", "--rounds", "1", "--size", "16MiB", "--idle", "sleep", "--out", &folder], args].concat();
    let output = with_peers(&all)?.output().unwrap();
    assert!(out.path().exists(), "no run: {}", said(&output));
    let written = out.records();
    Some((output, written, out))
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// Returns the records whose peer is `name`, or those of longhaul's own ends.
fn of<'r>(records: &'r [Value], name: Option<&str>) -> Vec<&'r Value> {
    records.iter().filter(|record| record["peer"].as_str() == name).collect()
}

/// Asserts that a run succeeded, and that both ends are measured.
fn assert_measured(record: &Value) {
    let name = format!("{} {}", record["case"]["name"], record["peer"]);
    assert_eq!(record["outcome"], "ok", "{name}: {}", record["error"]);
    assert!(record["goodput_bytes_per_s"].as_f64() > Some(1e6), "{name}: {record}");
    for end in ["sender", "receiver"] {
        let end = &record[end];
        assert_eq!(end["bytes"], record["case"]["total_bytes"], "{name}");
        assert!(end["memory"]["peak_rss_bytes"].as_u64() > Some(1 << 20), "{name}: {end}");
        assert!(end["cpu"]["s_per_gib"].is_f64(), "{name}: {end}");
    }
}

#[test]
fn curl_and_nginx_take_turns_with_longhauls_own_ends() {
    let args = ["--peer", "curl", "--peer", "nginx", "--protocol", "h1c,h2c,h1,h2", "--direction", "up,down"];
    let chunks = ["--chunk-size", "64KiB,1MiB"];
    let Some((output, records, out)) = bench(&[&args[..], &chunks].concat()) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    records.iter().for_each(assert_measured);
    let (own, curl, nginx) = (of(&records, None), of(&records, Some("curl")), of(&records, Some("nginx")));
    // Four protocols and two directions; chunk sizes apply to what longhaul sends.
    assert_eq!((own.len(), curl.len(), nginx.len()), (16, 12, 12), "{}", said(&output));
    let orders: Vec<_> = records.iter().map(|record| record["peer"].as_str()).collect();
    assert!(orders.windows(2).filter(|pair| pair[0] != pair[1]).count() > 3, "peers take turns: {orders:?}");
    for record in &records {
        let is_up = record["case"]["direction"] == "up";
        let (subject, own_end, peer_end) = match record["peer"].as_str() {
            None => (Value::Null, "sender", "receiver"),
            Some("curl") if is_up => ("client".into(), "receiver", "sender"),
            Some("curl") => ("client".into(), "sender", "receiver"),
            Some(_) if is_up => ("server".into(), "sender", "receiver"),
            Some(_) => ("server".into(), "receiver", "sender"),
        };
        assert_eq!(record["subject"], subject);
        assert!(record[own_end]["memory"]["budget_bytes"].is_u64(), "longhaul's end has a budget: {record}");
        let is_foreign = !subject.is_null();
        assert_eq!(record[peer_end]["memory"]["budget_bytes"].is_null(), is_foreign, "{record}");
        assert_eq!(record["peer_program"]["command"].is_string(), is_foreign);
        // What curl and nginx write to /dev/null or give is not read again; all that reaches longhaul or a file is.
        let is_unread = record["peer"] == "curl" && !is_up;
        assert_eq!(record["integrity"]["match"].as_bool(), (!is_unread).then_some(true), "{record}");
    }
    let version = curl[0]["peer_program"]["version"].as_str().unwrap();
    assert!(version.starts_with("curl "), "{version}");

    let table = text(&output.stdout);
    for row in [
        "h2/up/-/16MiB curl→longhaul",
        "h2/up/1MiB/16MiB longhaul→nginx",
        "h2/down/64KiB/16MiB longhaul→curl",
    ] {
        assert!(table.contains(row), "{row}: {table}");
    }
    assert!(text(&output.stderr).contains("note: curl has one row for all chunk sizes"), "{}", said(&output));
    let left: Vec<String> = common::names(&out.path());
    assert!(!left.iter().any(|name| name.starts_with("bodies-") || name.starts_with("peer-")), "{left:?}");
    assert_readable(&out);
}

/// Asserts that the commands over records read those of peers.
fn assert_readable(out: &Out) {
    let folder = out.text();
    let page = Out::new();
    let reported = common::run(&["report", &folder, "-o", &page.text()]);
    common::assert_success(&reported);
    let summary = std::fs::read_to_string(page.path().join("summary.md")).unwrap();
    assert!(summary.contains("h1c/up/-/16MiB curl→longhaul"), "{summary}");
    let html = std::fs::read_to_string(page.path().join("report.html")).unwrap();
    assert!(html.contains("h1c/up/-/16MiB curl→longhaul") && html.contains("\"peer\":\"nginx\""), "the page");
    let repeated = common::run(&["reproduce", &folder, "--list"]);
    assert!(text(&repeated.stdout).contains("\n16 cases, "), "longhaul's own ends only: {}", said(&repeated));
    let compared = common::run(&["compare", &folder, &folder]);
    assert!(text(&compared.stdout).contains("h1c/up/64KiB/16MiB curl"), "{}", said(&compared));
    // Every run of longhaul's own takes more than 1 MiB, and no ceiling is for others.
    let ceilings = out.path().join("ceilings.toml");
    std::fs::write(&ceilings, "[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1GiB\"\n").unwrap();
    let checked = common::run(&["check", &folder, "--ceilings", ceilings.to_str().unwrap()]);
    common::assert_success(&checked);
}

#[test]
fn every_ready_made_peer_runs_with_every_protocol_that_it_speaks() {
    let peers = ["--peer", "h2load", "--peer", "caddy", "--peer", "recipe-client", "--peer", "recipe-server"];
    let rest = ["--protocol", "h1c,h2c,h1,h2,h3", "--direction", "up,down", "--chunk-size", "64KiB"];
    let Some((output, records, _)) = bench(&[&peers[..], &rest].concat()) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    records.iter().for_each(assert_measured);
    let counts =
        ["h2load", "caddy", "recipe-client", "recipe-server"].map(|name| of(&records, Some(name)).len());
    assert_eq!(counts, [8, 5, 1, 1], "{}", said(&output));
    let notes = text(&output.stderr);
    for note in [
        "note: h2load does not speak h3",
        "note: caddy does not carry bodies up",
        "note: recipe-client does not speak h1, h2, h2c, h3",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

#[test]
fn a_command_of_the_user_is_a_client_or_a_server() {
    let Some(folder) = peers() else { return };
    let python = folder.join("bin/python3");
    let upload = script("upload_chunked.py");
    let client = format!("client=sh -c '{} {} {{url}} {{file}}'", python.display(), upload.display());
    let server = format!("files={} -m http.server --directory {{root}} {{port}}", python.display());
    let args = ["--peer", &client, "--peer", &server, "--protocol", "h1c", "--chunk-size", "64KiB"];
    let Some((output, up, _)) = bench(&[&args[..], &["--direction", "up"]].concat()) else { return };
    // Python's own server takes no uploads.
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_measured(of(&up, Some("client"))[0]);
    assert_eq!(of(&up, Some("client"))[0]["integrity"]["match"], true);
    let refused = of(&up, Some("files"))[0];
    assert!(refused["error"]["message"].as_str().unwrap().contains("501"), "{refused}");
    assert!(refused["goodput_bytes_per_s"].is_null());
    let Some((output, down, _)) = bench(&[&args[..], &["--direction", "down"]].concat()) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!((of(&down, Some("client")).len(), of(&down, Some("files")).len()), (0, 1));
    assert_measured(of(&down, Some("files"))[0]);
    assert_eq!(of(&down, Some("files"))[0]["integrity"]["match"], true);
}

#[test]
fn curl_heeds_neither_the_configuration_nor_the_proxies_of_the_user() {
    let (home, out) = (tempfile::tempdir().unwrap(), Out::new());
    // Nobody listens on this port.
    let proxy = "http://127.0.0.1:9";
    std::fs::write(home.path().join(".curlrc"), format!("proxy = {proxy}\nmax-time = 0.001\n")).unwrap();
    let args = ["bench", "--peer", "curl", "--protocol", "h1c", "--direction", "up,down", "--rounds", "1"];
    let rest = ["--size", "1MiB", "--chunk-size", "64KiB", "--quiet", "--out", &out.text()];
    let Some(mut command) = with_peers(&[&args[..], &rest].concat()) else { return };
    command.env("HOME", home.path()).envs(["http_proxy", "ALL_PROXY"].map(|name| (name, proxy)));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(of(&out.records(), Some("curl")).len(), 2);
}

#[test]
fn servers_run_in_a_folder_whose_name_has_spaces_and_quotation_marks() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join(r#"a "quoted" \ name"#);
    let args = ["bench", "--peer", "nginx", "--peer", "nginx-without-sendfile", "--peer", "caddy", "--quiet"];
    let rest = ["--protocol", "h1c,h2", "--direction", "up,down", "--rounds", "1", "--size", "1MiB"];
    let Some(mut command) = with_peers(&[&args[..], &rest, &["--chunk-size", "64KiB"]].concat()) else {
        return;
    };
    let output = command.arg("--out").arg(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let records = common::records(&std::fs::read_to_string(folder.join("records.jsonl")).unwrap());
    let counts = ["nginx", "nginx-without-sendfile", "caddy"].map(|name| of(&records, Some(name)).len());
    assert_eq!(counts, [4, 2, 2], "{}", said(&output));
}

#[test]
fn a_server_that_goes_to_the_background_is_measured_and_ended() {
    let Some(folder) = peers() else { return };
    let python = folder.join("bin/python3");
    let script =
        format!("{} -m http.server --directory {{root}} {{port}} >/dev/null 2>&1 &", python.display());
    let server = format!("back=sh -c '{script}'");
    let args = ["--peer", &server, "--protocol", "h1c", "--direction", "down", "--chunk-size", "64KiB"];
    let Some((output, records, _)) = bench(&args) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_measured(of(&records, Some("back"))[0]);
    let left = Command::new("pgrep").args(["-f", "http.server --directory .*/peer-"]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "no process is left");
}

/// Runs a program that misbehaves. Returns the message of its failed run.
fn misbehaving(command: &str, timeout: &str) -> String {
    let out = Out::new();
    let (peer, folder) = (format!("bad={command}"), out.text());
    let args =
        ["bench", "--peer", &peer, "--protocol", "h1c", "--direction", "down", "--chunk-size", "64KiB"];
    let rest = ["--rounds", "1", "--size", "1MiB", "--quiet", "--timeout", timeout, "--out", &folder];
    let output = common::run(&[&args[..], &rest].concat());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let records = out.records();
    assert_eq!(records.len(), 2, "longhaul's own run, and that of the client");
    let failed = of(&records, Some("bad"))[0].clone();
    assert!(failed["goodput_bytes_per_s"].is_null(), "{failed}");
    failed["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_program_that_misbehaves_is_a_failed_run_that_says_why_and_leaves_no_process() {
    if peers().is_none() {
        return;
    }
    let message = misbehaving("sh -c 'echo out of luck >&2; exit 3' {url}", "20s");
    assert_eq!(message, "sh ended (exit status: 3) before it made a request: out of luck");
    let message = misbehaving("sh -c 'sleep 601' {url}", "1s");
    assert!(message.starts_with("sh did not connect within 1 s"), "{message}");
    let connects = "import socket, sys, time; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))";
    // Time for longhaul's end to notice the connection.
    let client = |end: &str| {
        format!("client:python3 -c '{connects}; time.sleep(1); sys.exit({end})' {{host}} {{port}}")
    };
    let message = misbehaving(&client("4"), "20s");
    assert!(message.contains("failed (exit status: 4)"), "{message}");
    let message = misbehaving(&client("0"), "20s");
    assert_eq!(message, "bad ended after 0.0 of 1.0 MiB");
    let message = misbehaving("server:sh -c 'echo out of luck >&2; exit 3' {port}", "20s");
    assert_eq!(message, "sh ended (exit status: 3) before it was ready: out of luck");
    let message = misbehaving("server:sh -c 'sleep 601' {port}", "1s");
    assert!(message.starts_with("sh was not ready within 1 s"), "{message}");
    let left = Command::new("pgrep").args(["-f", "^sleep 601$"]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "no process is left");
}

/// Asserts that the arguments are wrong usage, and returns the reason.
fn refused(args: &[&str]) -> String {
    let output = common::run(&[&["bench", "--size", "1MiB", "--protocol", "h1c"], args].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(output.stdout.is_empty());
    text(&output.stderr)
}

#[test]
fn peers_that_cannot_run_are_wrong_usage() {
    let reason = refused(&["--peer", "crul"]);
    assert!(
        reason.contains("'crul' is not a known peer; use curl, h2load, nginx, nginx-without-sendfile, caddy"),
        "{reason}"
    );
    let reason = refused(&["--peer", "mine=no-such-program {url}"]);
    assert!(reason.contains("--peer mine: it is not installed here"), "{reason}");
    let reason = refused(&["--peer", "a=sh {url}", "--peer", "a=sh {port}"]);
    assert!(reason.contains("two peers have this name"), "{reason}");
    for flags in [["--connections", "2"], ["--payload", "zero"], ["--reader-rate", "1MiB"], ["--seed", "2"]] {
        let reason = refused(&[&flags[..], &["--peer", "a=sh {url}"]].concat());
        assert!(reason.contains("not with --peer"), "{flags:?}: {reason}");
    }
    // Only the program's own folder is searched, and nothing else is there.
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    let output = command.args(["bench", "--peer", "nginx"]).env("PATH", empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("--peer nginx: it is not installed here: apt-get install nginx"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_list_of_peers_has_each_with_its_role_and_its_command_lines() {
    let Some(mut listing) = with_peers(&["peers"]) else { return };
    let output = listing.output().unwrap();
    common::assert_success(&output);
    let listed = text(&output.stdout);
    for line in [
        "curl (client)",
        "  protocols h1c h2c h1 h2 h3",
        "  up        curl -q --noproxy * -g -sS --fail {protocol} -H Expect: -T {file} -o /dev/null {url}",
        "caddy (server)",
        "  up        not at all",
        "recipe-server (server)",
    ] {
        assert!(listed.lines().any(|listed| listed == line), "{line}: {listed}");
    }
    assert!(listed.contains("nginx version: nginx/"), "{listed}");
}

#[test]
fn the_list_of_cases_has_those_of_peers() {
    let args =
        ["bench", "--peer", "wget=sh {url}", "--list", "--direction", "up,down", "--protocol", "h1c,h2c"];
    let output = common::run(&[&args[..], &["--chunk-size", "64KiB", "--quiet"]].concat());
    common::assert_success(&output);
    let listed = text(&output.stdout);
    assert!(listed.contains("h2c/down/64KiB/2GiB wget\n6 cases, "), "{listed}");
}

#[test]
fn the_page_on_peers_has_their_command_lines() {
    let page = include_str!("../../docs/how-to/peers.md");
    let output = longhaul(&["peers"]).output().unwrap();
    let listed = text(&output.stdout);
    let commands = listed.lines().filter_map(|line| {
        let command = line.strip_prefix("  up ").or_else(|| line.strip_prefix("  down "))?.trim();
        (command != "not at all").then_some(command)
    });
    let commands: Vec<_> = commands.collect();
    assert!(commands.len() > 6, "{listed}");
    for command in commands {
        assert!(page.contains(&format!("  {command}\n")), "{command}");
    }
    for line in listed.lines().filter_map(|line| line.strip_prefix("  protocols ")) {
        assert!(page.contains(&format!("| {line} |")), "{line}");
    }
}

#[test]
fn the_processor_time_of_all_processes_of_a_client_counts() {
    if peers().is_none() {
        return;
    }
    let burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let client = format!("busy=sh -c \"curl -sSf -o /dev/null {{url}}; sh -c '{burn}'; true\"");
    let args = ["--peer", &client, "--peer", "curl", "--protocol", "h1c", "--direction", "down"];
    let Some((output, records, _)) = bench(&[&args[..], &["--chunk-size", "64KiB"]].concat()) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let user = |name: &str| of(&records, Some(name))[0]["receiver"]["cpu"]["user_s"].as_f64().unwrap();
    assert!(user("busy") > user("curl") + 0.05, "{} and {}", user("busy"), user("curl"));
}
