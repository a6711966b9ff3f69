//! The records and results of a session over two hosts.

use std::{fs, net::TcpListener};

use super::{ALL, Host, QUICK};
use crate::common::{Out, assert_all_good, ports::free_port, run, text};

#[test]
fn every_row_has_the_records_of_both_hosts_in_both_directions() {
    let host = Host::new();
    let (output, records) = host.bench(&[&ALL[..], &["--chunk-size", "64KiB"]].concat());
    assert_all_good(&output, &records, 16);
    for record in &records {
        let name = &record["case"]["name"];
        for end in ["sender", "receiver"] {
            let memory = &record[end]["memory"];
            assert_eq!(memory["within_budget"], true, "{name} {end}: {memory}");
            assert!(!record[end]["cpu"]["user_s"].is_null(), "{name} {end}");
        }
        assert_eq!(record["peer_host"]["name"], record["host"]["name"]);
        assert_eq!(record["peer_build"], record["build"]);
        assert!(record["core_round_trip"].is_null() && record["delivery"].is_null(), "{name}");
        let is_upload = record["case"]["direction"] == "up";
        assert_eq!(record["first_byte_s"].is_null(), is_upload, "{name}: the receiver's clock");
        assert!(
            record["warnings"]
                .as_array()
                .unwrap()
                .iter()
                .all(|warning| { !warning["name"].as_str().unwrap().starts_with("builds") })
        );
    }
    assert_eq!(host.workers(), 0);
    let stderr = text(&output.stderr);
    assert!(!stderr.contains("correct-horse") && !text(&output.stdout).contains("correct-horse"), "{stderr}");
}

#[test]
fn the_results_name_both_hosts() {
    let (host, out) = (Host::new(), Out::new());
    let (flags, folder) = (host.flags(), out.text());
    let mut args = vec!["bench", "--rounds", "1", "-o", &folder];
    args.extend(flags.iter().map(String::as_str));
    args.extend(QUICK);
    let output = run(&args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("note: the servers' ends run on "), "{stderr}");
    assert!(
        stdout.contains("over a network: the client on ") && stdout.contains(", the server on "),
        "{stdout}"
    );
    let summary = fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(summary.contains("- machine of the server: "), "{summary}");
    let page = fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("\"peer_host\":{"));
}

#[test]
fn all_servers_listen_on_the_port_that_a_firewall_lets_through() {
    let port = free_port();
    let host = Host::with(&["--measure-port", &port.to_string()]);
    let (output, records) = host.bench(&[&ALL[..], &["--chunk-size", "64KiB"]].concat());
    assert_all_good(&output, &records, 16);
    let _other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (output, records) = host.bench(&QUICK);
    let error = records[0]["error"].to_string();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"), "{error}");
}

#[test]
fn concurrent_bodies_and_limits_reach_the_other_host() {
    let host = Host::new();
    let shape =
        ["--protocol", "h2,h3", "-P", "2", "--streams", "3", "--size", "256KiB", "--chunk-size", "16KiB"];
    let (output, records) =
        host.bench(&[&shape[..], &["--h2-window", "128KiB", "--affinity", "off"]].concat());
    assert_all_good(&output, &records, 2);
    assert!(records.iter().all(|record| record["host"]["end_cores"] == record["peer_host"]["end_cores"]));
    let limits = &records[0]["case"]["limits"];
    assert_eq!(limits["h2-window"], 128 << 10, "{limits}");
}
