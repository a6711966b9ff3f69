//! `longhaul plan`: windows that fill a path within a bound on memory.

mod lines;
mod renewal;

use serde_json::Value;

use crate::common::{assert_success, http, run, text};

fn plan(args: &[&str]) -> Value {
    let output = run(&[&["plan", "--json"], args].concat());
    assert_success(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

const LONG: [&str; 4] = ["--rate", "1Gbit", "--rtt", "80ms"];

#[test]
fn each_protocol_has_a_setting_that_fills_the_path_and_one_within_the_memory() {
    let plan = plan(&[&LONG[..], &["--readers", "500", "--memory", "256MiB"]].concat());
    assert_eq!(plan["in_flight_bytes"], 10_000_000);
    let protocols = plan["protocols"].as_array().unwrap();
    assert_eq!(protocols.len(), http().count());
    for of in protocols {
        let full = &of["full"];
        assert!(
            full["share"].as_f64().unwrap() > 0.999 && full["window_bytes"].as_u64() >= Some(10_000_000),
            "{of}"
        );
        assert!(
            full["process_bytes"].as_u64().unwrap() + full["kernel_bytes"].as_u64().unwrap()
                > 500 * 10_000_000
        );
        match of["best"].is_null() {
            true => assert!(of["least_memory_bytes"].as_u64().unwrap() > 256 << 20, "{of}"),
            false => {
                let best = &of["best"];
                let held = best["process_bytes"].as_u64().unwrap() + best["kernel_bytes"].as_u64().unwrap();
                assert!(held <= 256 << 20 && best["share"].as_f64().unwrap() < 0.1, "{of}");
                assert!(of["lines"].as_array().unwrap().len() >= 4, "{of}");
            }
        }
    }
    assert!(protocols.iter().any(|of| of["best"].is_object()));
}

/// The flags that the plan names are those of the budget that it states.
#[test]
fn the_flags_of_a_plan_have_the_memory_that_the_plan_states() {
    for protocol in http() {
        let plan = plan(
            &[&LONG[..], &["--readers", "20", "--memory", "1GiB", "--protocol", protocol.name]].concat(),
        );
        let best = &plan["protocols"][0]["best"];
        let mut args: Vec<String> =
            ["bench", "--explain-memory", "--direction", "up", "--chunk-size", "64KiB"]
                .map(str::to_owned)
                .to_vec();
        args.extend(
            ["--protocol", protocol.name, "--connections", "20", "--sink", "discard"].map(str::to_owned),
        );
        args.extend(["--profile".into(), best["profile"].as_str().unwrap().to_owned()]);
        for limit in best["limits"].as_array().unwrap() {
            args.extend([format!("--{}", limit[0].as_str().unwrap()), format!("{}B", limit[1])]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = run(&args);
        assert_success(&output);
        let explained = text(&output.stdout);
        let line = explained.lines().find(|line| line.contains("receiver over its baseline")).unwrap();
        let mib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        let stated = best["process_bytes"].as_u64().unwrap() as f64 / f64::from(1 << 20);
        assert!((mib - stated).abs() < 0.002, "{}: {mib} {stated}", protocol.name);
    }
}

#[test]
fn a_reader_gets_a_table_and_lines_to_set() {
    let output = run(&[&["plan"], &LONG[..], &["--readers", "10", "--memory", "1GiB"]].concat());
    assert_success(&output);
    let shown = text(&output.stdout);
    for part in [
        "1.000 Gbit/s with a round trip of 80 ms has 9.54 MiB in flight",
        "h2\n  longhaul: --profile balanced --h2-window ",
        "\n  longhaul: --h2-window auto:",
        "initial_stream_window_size(",
        "stream_receive_window(",
        "client_body_buffer_size",
        "Caddy: none",
        "MaxUploadBufferPerStream",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.lines().take(12).all(|line| line.chars().count() <= 100), "{shown}");
}

#[test]
fn impossible_asks_are_refused_with_the_reason() {
    for (args, reason) in [
        (vec!["--rate", "0bit", "--rtt", "1ms", "--memory", "1GiB"], "not a rate above zero"),
        (vec!["--rate", "1Gb", "--rtt", "1ms", "--memory", "1GiB"], "not a rate above zero"),
        (vec!["--rate", "1Gbit", "--rtt", "0s", "--memory", "1GiB"], "not a duration above zero"),
        (vec!["--rate", "1Gbit", "--rtt", "1ms"], "--memory"),
        (vec!["--rate", "1Gbit", "--rtt", "1ms", "--memory", "1GiB", "--readers", "0"], "--readers"),
        (
            vec!["--rate", "1Gbit", "--rtt", "1ms", "--memory", "1MiB", "--readers", "1000"],
            "1000 stalled readers of ",
        ),
        (vec!["--rate", "1Gbit", "--rtt", "1ms", "--memory", "1GiB", "--protocol", "tcp"], "--protocol"),
    ] {
        let output = run(&[&["plan"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains(reason), "{args:?}: {}", text(&output.stderr));
    }
}
