//! Records, compared with independent sources: the kernel, the libraries and the results on disk.

use std::{fs, process::Command};

use record::PROTOCOLS;
use serde_json::Value;

use crate::common::{Out, bench, run, skip};

fn one(args: &[&str]) -> Value {
    let (output, mut records) = bench(args);
    assert_eq!(records.len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    records.remove(0)
}

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no figure"))
}

#[test]
fn every_figure_of_both_ends_is_there() {
    for protocol in PROTOCOLS.iter().map(|protocol| protocol.name) {
        let record = one(&["--protocol", protocol, "--chunk-size", "64KiB", "--size", "64MiB"]);
        assert_eq!(record["case"]["name"], format!("{protocol}/up/64KiB/64MiB"));
        assert!(figure(&record["handshake_s"]) > 0.0 && figure(&record["first_byte_s"]) > 0.0);
        let goodput = figure(&record["case"]["total_bytes"]) / figure(&record["elapsed_s"]);
        assert!((figure(&record["goodput_bytes_per_s"]) / goodput - 1.0).abs() < 1e-9);
        for end in ["sender", "receiver"] {
            assert_end(&record[end], protocol);
        }
        assert!(figure(&record["sender"]["pull_wait"]["p99"]) > 0.0);
        assert_eq!(record["sender"]["chunk_latency"], record["sender"]["pull_wait"], "its earlier name");
        assert_eq!(record["receiver"]["pull_wait"], Value::Null);
        assert_eq!(record["sender"]["lateness"], Value::Null, "held to no rate");
        assert!(record["delivery"].is_null() && record["bodies"].is_null());
        assert!(record["disturbed"].is_boolean(), "{}", record["disturbed"]);
        assert_link(&record["link"], protocol);
    }
}

#[test]
fn a_record_says_how_idle_cores_waited() {
    let idle = |asked: &[&str]| {
        one(&[&["--protocol", "tcp", "--chunk-size", "64KiB", "--size", "1MiB"], asked].concat())["host"]["idle"].clone()
    };
    assert_eq!(idle(&["--idle", "sleep"]), "sleep");
    let driver = fs::read_to_string("/sys/devices/system/cpu/cpuidle/current_driver");
    let may = |file: &str| fs::File::options().write(true).open(file).is_ok();
    let takes_requests =
        may("/dev/cpu_dma_latency") || may("/sys/devices/system/cpu/cpu0/power/pm_qos_resume_latency_us");
    let is_kept = takes_requests && driver.is_ok_and(|driver| driver.trim() != "none");
    assert_eq!(idle(&[]), if is_kept { "poll" } else { "sleep" });
}

#[test]
fn a_record_states_what_became_of_the_machine_during_the_run() {
    let small = ["--protocol", "tcp", "--chunk-size", "64KiB", "--size", "1MiB"];
    let record = one(&small);
    let host = &record["host"];
    assert!(host["clock_source"].is_string() && host["sysctls"]["net.ipv4.tcp_wmem"].is_string(), "{host}");
    assert!(record["conditions"]["oom_kills"].is_u64(), "{}", record["conditions"]);
    let cores = host["end_cores"].as_array().unwrap();
    for (core, end) in cores.iter().zip(["sender_core", "receiver_core"]) {
        let during = &record["conditions"][end];
        assert_eq!(&during["core"], core);
        assert!(figure(&during["steal_s"]) >= 0.0 && during["idle_entries"].is_object(), "{during}");
    }
    for end in ["sender", "receiver"] {
        assert!(figure(&record[end]["run_delay_s"]) >= 0.0);
        assert_eq!(record[end]["stamp_every_chunks"], 1);
    }
    assert_eq!(
        one(&[&small[..], &["--affinity", "off"]].concat())["host"]["end_cores"],
        Value::Array(Vec::new())
    );
}

/// A loop of the shell on the receiver's core takes about half of it.
#[test]
fn a_run_whose_core_another_process_uses_is_disturbed() {
    let core = one(&["--protocol", "tcp", "--chunk-size", "64KiB", "--size", "1MiB"])["host"]["end_cores"][1]
        .as_u64();
    let Some(core) = core.map(|core| core.to_string()) else {
        return skip("this machine has a single core");
    };
    let busy = Command::new("timeout")
        .args(["60", "taskset", "-c", &core, "sh", "-c", "while :; do :; done"])
        .spawn();
    let Ok(mut busy) = busy else {
        return skip("the program timeout is missing (apt-get install coreutils)");
    };
    let record = one(&["--protocol", "tcp", "--chunk-size", "64KiB", "--size", "512MiB"]);
    // The child of the shell ends with it.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(busy.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    busy.wait().unwrap();
    assert_eq!(record["disturbed"], true, "{} {}", record["receiver"]["run_delay_s"], record["elapsed_s"]);
    let reasons = record["disturbances"].as_array().unwrap();
    assert!(reasons.contains(&"an end waited for its core".into()), "{reasons:?}");
}

#[test]
fn a_held_sender_states_lateness_and_delivery() {
    for protocol in ["tcp", "h1", "h2", "h3"] {
        for direction in ["up", "down"] {
            let record = one(&[
                "--protocol",
                protocol,
                "--direction",
                direction,
                "--chunk-size",
                "64KiB",
                "--size",
                "16MiB",
                "--limit-rate",
                "32MiB",
            ]);
            let (lateness, delivery) = (&record["sender"]["lateness"], &record["delivery"]);
            assert!(figure(&lateness["max"]) >= figure(&lateness["p50"]), "{lateness}");
            // A byte takes a microsecond to cross to the other core, and no byte takes the half second of the transfer.
            assert!((1e3..5e8).contains(&figure(&delivery["p50"])), "{protocol} {direction}: {delivery}");
            assert_eq!(record["receiver"]["lateness"], Value::Null);
        }
    }
}

#[test]
fn delivery_is_that_of_each_body_of_several() {
    for (protocol, axis) in [("h1", "--connections"), ("h2", "--streams"), ("h3", "--streams")] {
        for direction in ["up", "down"] {
            let record = one(&[
                "--protocol",
                protocol,
                "--direction",
                direction,
                axis,
                "8",
                "--chunk-size",
                "4KiB",
                "--size",
                "512KiB",
                "--limit-rate",
                "512KiB",
                "--network",
                "rtt=100ms",
            ]);
            let delivery = &record["delivery"];
            // Half of the round trip lies between the ends.
            assert!((5e7..1e9).contains(&figure(&delivery["p50"])), "{protocol} {direction}: {delivery}");
            assert_eq!(record["receiver"]["stamp_every_chunks"], 1);
        }
    }
}

/// The schedule of the offers does not wait for a receiver that is half as fast.
#[test]
fn a_slow_receiver_makes_the_chunks_of_a_held_sender_late() {
    let record = one(&[
        "--protocol",
        "h2c",
        "--chunk-size",
        "64KiB",
        "--size",
        "32MiB",
        "--limit-rate",
        "64MiB",
        "--reader-rate",
        "32MiB",
    ]);
    // The transfer takes twice the offered time: the last chunks are late by about half a second, and the median by
    // half of that.
    let lateness = &record["sender"]["lateness"];
    assert!(figure(&lateness["max"]) > 0.3e9 && figure(&lateness["p50"]) > 0.1e9, "{lateness}");
}

#[test]
fn concurrent_bodies_state_their_rates() {
    let record = one(&["--protocol", "h2c", "--chunk-size", "64KiB", "--size", "8MiB", "--streams", "4"]);
    let bodies = &record["bodies"];
    assert_eq!(bodies["count"], 4);
    let rate = |name: &str| figure(&bodies[name]);
    assert!(rate("least") <= rate("median") && rate("median") <= rate("most"), "{bodies}");
    assert!((0.25..=1.0).contains(&rate("jain")), "{bodies}");
    // The slowest body ends with the transfer.
    let whole = figure(&record["goodput_bytes_per_s"]) / 4.0;
    assert!((rate("least") / whole - 1.0).abs() < 0.05, "{bodies} {whole}");
}

#[test]
fn a_record_says_how_far_apart_the_cores_of_its_ends_were() {
    let trip = |asked: &[&str]| {
        let case = ["--protocol", "tcp", "--chunk-size", "64KiB", "--size", "1MiB", "--settle", "50ms"];
        one(&[&case, asked].concat())["core_round_trip"].clone()
    };
    assert_eq!(trip(&["--affinity", "off"]), Value::Null, "bound to no cores");
    // The number of available cores is read here, since the parallelism also depends on a quota: one core's time may
    // come from two.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    // A core that is busy with other tests may not answer.
    let trips = (0..10).map(|_| trip(&[])).find(|trip| !trip.is_null());
    assert_eq!(trips.is_some(), allowed.contains([',', '-']));
    for which in ["before_ns", "after_ns"] {
        assert!(trips.iter().all(|trip| figure(&trip[which]) > 1.0), "{trips:?}");
    }
}

fn assert_end(end: &Value, protocol: &str) {
    let memory = &end["memory"];
    let (baseline, peak) = (figure(&memory["baseline_rss_bytes"]), figure(&memory["peak_rss_bytes"]));
    assert!(baseline > 1e6 && baseline <= peak, "{protocol}: {memory}");
    assert!(figure(&memory["peak_anon_bytes"]) < peak, "{protocol}: {memory}");
    assert!(memory["socket_peak_bytes"].is_u64(), "{protocol}: {memory}");
    let timeline = memory["timeline"].as_array().unwrap();
    assert!((1..=256).contains(&timeline.len()));
    assert!(timeline.iter().all(|point| figure(&point[1]) <= peak), "{protocol}: {memory}");
    let last = timeline.last().unwrap();
    assert_eq!((last[3].as_u64(), end["bytes"].as_u64()), (Some(64 << 20), Some(64 << 20)));
    assert!(figure(&end["cpu"]["s_per_gib"]) > 0.0);
    assert!(figure(&end["faults"]["minor"]) > 0.0);
    assert_eq!(end["throughput"]["window_bytes"], 1 << 20);
    // A window is longer if its last piece ends beyond the window.
    assert!((60.0..=64.0).contains(&figure(&end["throughput"]["samples"])), "{}", end["throughput"]);
}

fn assert_link(link: &Value, protocol: &str) {
    let alpn = match protocol {
        "h1" => "http/1.1".into(),
        "h2" | "h3" => Value::from(protocol),
        "tls" | "quic" => format!("longhaul-{protocol}").into(),
        "tls-ceiling" => "longhaul-ceiling".into(),
        _ => Value::Null,
    };
    assert_eq!(link["alpn"], alpn);
    let cipher = if alpn.is_null() { Value::Null } else { "TLS_AES_128_GCM_SHA256".into() };
    assert_eq!(link["cipher"], cipher);
    assert!(figure(&link["socket_send_buffer_bytes"]) > 0.0 && figure(&link["mtu"]) >= 1200.0);
}

/// The kernel's and quinn's own counters are compared with the meters. Bare datagrams have no counters.
#[test]
fn the_wire_carried_at_least_what_the_meters_counted() {
    let body = 64_u64 << 20;
    let counted = PROTOCOLS.iter().filter(|protocol| !protocol.is_over_udp() || protocol.is_encrypted());
    for protocol in counted.map(|protocol| protocol.name) {
        let record = one(&["--protocol", protocol, "--chunk-size", "64KiB", "--size", "64MiB"]);
        let received = match &record["receiver"]["transport"] {
            Value::Object(stats) if stats.contains_key("tcp") => &stats["tcp"]["bytes_received"],
            Value::Object(stats) => &stats["quic"]["bytes_received"],
            other => panic!("{protocol}: {other}"),
        };
        let overhead = received.as_u64().unwrap() as f64 / body as f64 - 1.0;
        assert!((0.0..0.1).contains(&overhead), "{protocol}: {received} bytes on the wire for {body}");
        if protocol == "tcp" {
            assert!(overhead < 1e-5, "{overhead}");
        }
    }
}

#[test]
fn results_are_on_disk_as_printed_with_a_summary() {
    let out = Out::new();
    let args = ["bench", "--protocol", "tcp,h2c", "--chunk-size", "64KiB", "--size", "1MiB", "--rounds", "2"];
    let output = run(&[&args[..], &["--order", "fixed", "--out", &out.text()]].concat());
    assert!(output.status.success());
    let order: Vec<_> =
        out.records().iter().map(|r| format!("{} {}", r["case"]["protocol"], r["round"])).collect();
    assert_eq!(order, ["\"tcp\" 0", "\"h2c\" 0", "\"tcp\" 1", "\"h2c\" 1"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("h2c/up/64KiB/1MiB") && !table.contains('\u{1b}'), "{table}");
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(
        progress.contains("[4/4] h2c/up/64KiB/1MiB round 2") && !progress.contains('\u{1b}'),
        "{progress}"
    );
    let summary = std::fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(summary.contains("| h2c/up/64KiB/1MiB"), "{summary}");
}

#[test]
fn a_sink_that_discards_proves_nothing_and_says_so() {
    let record = one(&["--protocol", "h1c", "--chunk-size", "64KiB", "--size", "1MiB", "--sink", "discard"]);
    assert_eq!((&record["outcome"], &record["integrity"]), (&Value::from("ok"), &Value::Null));
    assert_eq!(record["case"]["name"], "h1c/up/64KiB/1MiB+sink=discard");
}
