//! `--network` and `--network-kernel`: emulated networks between the ends of `bench` and `prove`.

use std::{
    fs,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::common::{self, assert_all_good, bench, children, longhaul, names, run, text, wait};

const MIB: f64 = (1 << 20) as f64;

/// Returns the goodput of a run in MiB/s.
fn goodput(record: &Value) -> f64 {
    record["goodput_bytes_per_s"].as_f64().unwrap() / MIB
}

fn bench_over(network: &str, args: &[&str]) -> (std::process::Output, Vec<Value>) {
    let always = ["--network", network, "--chunk-size", "64KiB"];
    bench(&[&always[..], args].concat())
}

/// A window of 512 KiB over 40 ms admits 12.5 MiB/s, whatever the protocol.
#[test]
fn goodput_is_the_window_over_the_round_trip_time() {
    let (output, records) = bench_over(
        "rtt=40ms,queue=512KiB",
        &["--protocol", "h1c,h1", "--direction", "both", "--size", "16MiB"],
    );
    assert_all_good(&output, &records, 4);
    for record in &records {
        assert!((10.0..13.0).contains(&goodput(record)), "{} {}", record["case"]["name"], goodput(record));
        assert_eq!(record["limited_by"]["cause"], "connection-window", "{}", record["limited_by"]);
        let network = &record["network"];
        assert_eq!(
            (&network["asked"], &network["relay"]),
            (&"rtt=40ms,queue=512KiB".into(), &"sockets".into())
        );
        for ping in network["round_trips_us"].as_array().unwrap() {
            assert!(ping.as_f64().unwrap() >= 40_000.0, "{network}");
        }
        let direction = if record["case"]["direction"] == "up" { "to_server" } else { "to_client" };
        assert!(network[direction]["bytes"].as_u64().unwrap() >= 16 << 20, "{network}");
        assert!(network["process"]["cpu_s"].as_f64().unwrap() > 0.0, "{network}");
    }
}

#[test]
fn a_rate_bounds_every_protocol_and_is_named_as_the_cause() {
    let (output, records) =
        bench_over("rtt=10ms,rate=80Mbit", &["--protocol", "tcp,h1c,h2c,h1,h2,quic,h3", "--size", "8MiB"]);
    assert_all_good(&output, &records, 7);
    for record in &records {
        let (name, goodput) = (record["case"]["name"].as_str().unwrap(), goodput(record));
        assert!(name.ends_with("+network=rtt=10ms,rate=80Mbit"), "{name}");
        assert!(goodput < 9.54 * 1.01, "{name}: {goodput} MiB/s");
        if !name.starts_with('q') && !name.starts_with("h3") {
            assert_eq!(record["limited_by"]["cause"], "path-rate", "{name} {}", record["limited_by"]);
        }
    }
}

#[test]
fn datagrams_are_lost_by_a_relay_of_sockets_and_content_arrives_nevertheless() {
    let (output, records) =
        bench_over("rtt=4ms,loss=2%,reorder=1%", &["--protocol", "quic,h3", "--size", "4MiB"]);
    assert_all_good(&output, &records, 2);
    for record in &records {
        let network = &record["network"];
        let count = |field: &str| network["to_server"][field].as_u64().unwrap();
        assert_eq!(network["relay"], "sockets");
        assert!(count("lost") > 10 && count("reordered") > 5, "{network}");
        assert!(!record["disturbances"].to_string().contains("sent again"));
    }
}

/// Needs rights that a test as another user than root may not have.
#[test]
fn packets_of_tcp_are_lost_by_a_relay_of_packets() {
    if !nix::unistd::Uid::effective().is_root() {
        common::skip("a relay of packets needs /dev/net/tun, which is root's");
        return;
    }
    let (output, records) = bench_over(
        "rtt=4ms,loss=1%,rate=200Mbit",
        &["--protocol", "h1c,h2,h3", "--size", "2MiB", "--direction", "both"],
    );
    assert_all_good(&output, &records, 6);
    for record in &records {
        let (name, network) = (record["case"]["name"].as_str().unwrap(), &record["network"]);
        assert!(name.ends_with("+network=rtt=4ms,rate=200Mbit,loss=1%,relay=packets"), "{name}");
        let direction = if record["case"]["direction"] == "up" { "to_server" } else { "to_client" };
        assert!(network[direction]["lost"].as_u64().unwrap() > 0, "{network}");
    }
}

/// A relay needs more file descriptors than the ends, whose soft limit suffices here.
#[test]
fn a_relay_raises_its_limit_of_file_descriptors() {
    let out = common::Out::new();
    let output = Command::new("sh")
        .args(["-c", "ulimit -Sn 64 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_longhaul")])
        .args(["bench", "--json", "--quiet", "--rounds", "1", "--network", "rtt=5ms", "--protocol", "h1c"])
        .args(["--connections", "16", "--size", "64KiB", "--chunk-size", "64KiB", "--out", &out.text()])
        .output()
        .unwrap();
    assert_all_good(&output, &common::records(&text(&output.stdout)), 1);
}

/// Jitter makes round trips longer, without a rate and a queue.
#[test]
fn a_network_without_a_rate_is_never_limited_by_it() {
    if !nix::unistd::Uid::effective().is_root() {
        common::skip("a relay of packets needs /dev/net/tun, which is root's");
        return;
    }
    let (output, records) =
        bench_over("rtt=1ms,jitter=20ms,relay=packets", &["--protocol", "h1c,h3", "--size", "4MiB"]);
    assert_all_good(&output, &records, 2);
    for record in &records {
        assert_ne!(record["limited_by"]["cause"], "path-rate", "{}", record["limited_by"]);
    }
}

#[test]
fn a_relay_that_dies_costs_one_record_and_is_named() {
    let out = common::Out::new();
    let mut session = longhaul(&["bench", "--quiet", "--network", "rtt=20ms,rate=40Mbit", "--size", "16MiB"])
        .args(["--protocol", "h1c", "--rounds", "2", "--chunk-size", "64KiB", "--out", &out.text()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let relay = || {
        let is_relay = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0relay\0"))
        };
        children(&session).into_iter().find(is_relay)
    };
    wait(|| relay().is_some() && children(&session).len() == 3);
    kill(Pid::from_raw(relay().unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(session.wait().unwrap().code(), Some(1));
    let records = out.records();
    let outcomes: Vec<_> = records.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["error", "ok"]);
    let message = records[0]["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the relay of the network died (signal: 9"), "{message}");
}

#[test]
fn networks_that_cannot_be_are_refused_in_one_line_before_anything_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], message: &str| {
        let output = longhaul(args).current_dir(temporary.path()).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?} {stderr}");
        assert!(stderr.contains(message), "{args:?} {stderr}");
        assert_eq!(names(temporary.path()), [""; 0]);
    };
    refused(
        &["bench", "--network", "delay=4ms"],
        "'delay=4ms' is not a figure of a network; use rtt=, jitter=",
    );
    refused(&["bench", "--network", "wan,loss=200%"], "'200%' is no value for loss=; use a percentage");
    refused(
        &["bench", "--network", "wan", "--protocol", "tcp-ceiling"],
        "--protocol tcp-ceiling: not with --network: a ceiling has no congestion control",
    );
    let small = ["rate=50Mbit,queue=1KiB", "rate=50Mbit,queue=1KiB,relay=packets"];
    for (network, protocol) in small.into_iter().zip(["h3", "h1c"]) {
        refused(
            &["bench", "--network", network, "--protocol", protocol],
            "queue=1KiB holds no packet, so that all are dropped; use at least 1514",
        );
    }
    refused(
        &["bench", "--network", "wan", "--to", "https://127.0.0.1:1"],
        "--network: not with --to: the path between the two hosts is the network",
    );
    refused(&["bench", "--network", "wan", "--peer", "curl"], "--network: not with --peer");
    refused(
        &["prove", "--network", "wan", "--client", "--", "curl", "{url}"],
        "--network: not for a program of yours; longhaul conform --network reaches one",
    );
}

/// Without the rights for packets, loss with TCP is refused. A user without any rights stands for that.
#[test]
fn loss_with_tcp_names_the_remedy_if_there_are_no_rights_for_packets() {
    if !nix::unistd::Uid::effective().is_root() {
        common::skip("only root can become a user without rights");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("longhaul");
    fs::copy(env!("CARGO_BIN_EXE_longhaul"), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args([
            "bench",
            "--network",
            "lossy-wifi",
            "--protocol",
            "h2",
            "--size",
            "1MiB",
            "--out",
            "/tmp/none",
        ])
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("--network rtt=20ms,jitter=5ms,rate=100Mbit,loss=1%,relay=packets: "),
        "{stderr}"
    );
    assert!(stderr.contains("/dev/net/tun") || stderr.contains("namespace"), "{stderr}");
}

#[test]
fn a_proof_holds_over_a_network() {
    let out = common::Out::new();
    let output = run(&[
        "prove",
        "--network",
        "rtt=2ms,rate=800Mbit",
        "--protocol",
        "h1c,h2c",
        "--direction",
        "up",
        "--chunk-size",
        "64KiB",
        "--size",
        "16MiB,64MiB",
        "--no-control",
        "--rounds",
        "1",
        "--quiet",
        "--out",
        &out.text(),
    ]);
    let report = text(&output.stdout);
    assert!(report.contains("+network=rtt=2ms,rate=800Mbit"), "{report}");
    assert!(!report.contains("GROWING") && !report.contains("over its budget"), "{report}");
    assert!(out.records().iter().all(|record| record["outcome"] == "ok" && !record["network"].is_null()));
}

#[test]
fn bodies_are_as_large_as_the_network_carries_in_seconds() {
    let listed =
        |args: &[&str]| text(&run(&[&["bench", "--list", "--protocol", "h2"], args].concat()).stdout);
    let both = listed(&[
        "--network",
        "wan",
        "--network",
        "satellite,relay=sockets,loss=0%",
        "--chunk-size",
        "64KiB",
    ]);
    assert!(both.starts_with("h2/up/64KiB/256MiB+network=rtt=40ms,rate=500Mbit\nh2/up/64KiB/32MiB+network=rtt=600ms,rate=50Mbit\n2 cases"), "{both}");
    let eight =
        listed(&["--network", "wan", "--network", "lossy-wifi", "--streams", "8", "--chunk-size", "64KiB"]);
    let names: Vec<&str> =
        eight.lines().filter_map(|line| line.split_once("+c1s8").map(|(name, _)| name)).collect();
    assert_eq!(names, ["h2/up/64KiB/32MiB", "h2/up/64KiB/2MiB"], "{eight}");
    let named = listed(&["--network", "wan", "--size", "1GiB", "--chunk-size", "64KiB"]);
    assert!(named.starts_with("h2/up/64KiB/1GiB+network="), "{named}");
}

/// The program is longhaul's own server, to which each protocol has a way through a relay of its own.
#[test]
fn a_program_under_test_is_reached_over_a_network() {
    let server = env!("CARGO_BIN_EXE_longhaul");
    let conform = |network: &str, protocol: &str, url: &str, listen: &str| {
        let output = run(&[
            "conform",
            url,
            "--insecure",
            "--network",
            network,
            "--protocol",
            protocol,
            "--direction",
            "up",
            "--case",
            "larger-than-announced,trailers",
            "--size",
            "128MiB",
            "--",
            server,
            "serve",
            listen,
            "127.0.0.1:{port}",
            "--open",
        ]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said} {}", text(&output.stderr));
        said
    };
    let said = conform("rtt=10ms,rate=1Gbit", "h1c,h2c", "http://127.0.0.1:{port}/x", "--listen");
    assert!(said.contains("4 BOUNDED"), "{said}");
    let said = conform("rtt=4ms,loss=1%", "h3", "https://127.0.0.1:{port}/x", "--listen-tls");
    assert!(said.contains("2 BOUNDED"), "{said}");
}

#[test]
fn a_plan_is_verified_over_the_path_that_it_is_for() {
    let output = run(&[
        "plan",
        "--rate",
        "40Mbit",
        "--rtt",
        "20ms",
        "--memory",
        "64MiB",
        "--protocol",
        "h1c,h2c",
        "--verify",
    ]);
    let said = text(&output.stdout);
    // A busy machine may miss the plan.
    assert!(matches!(output.status.code(), Some(0 | 6)), "{said} {}", text(&output.stderr));
    let measured = said.split("Measured over an emulated path").nth(1).unwrap();
    let shares =
        measured.lines().filter_map(|line| line.split(" % of the path").next()?.split_whitespace().last());
    let shares: Vec<f64> = shares.filter_map(|share| share.parse().ok()).collect();
    assert!(shares.len() == 2 && shares.iter().all(|share| (50.0..101.0).contains(share)), "{measured}");
    assert_eq!(measured.matches(" planned 100.0 %: ").count(), 2, "{measured}");
}
