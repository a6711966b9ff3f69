//! The rounds of a session: their order, warm-up rounds, their end, and the address of the server.

use std::collections::HashSet;

use serde_json::Value;

use crate::common::{Out, assert_all_good, bench, run, skip, text};

const SHORT: [&str; 4] = ["--chunk-size", "64KiB", "--size", "1MiB"];

/// Runs a bench of several rounds with its records on stdout.
fn bench_rounds(args: &[&str]) -> (std::process::Output, Vec<Value>) {
    let out = Out::new();
    let folder = out.text();
    let output = run(&[&["bench", "--json", "--quiet", "--out", &folder], &SHORT[..], args].concat());
    (output, out.records())
}

/// Returns the protocols of each round, in the order in which they ran.
fn orders(records: &[Value], rounds: u64) -> Vec<Vec<String>> {
    let of = |round: u64| {
        let of_round = records.iter().filter(|record| record["round"] == round);
        of_round.map(|record| record["case"]["protocol"].as_str().unwrap().to_owned()).collect()
    };
    (0..rounds).map(of).collect()
}

#[test]
fn each_round_has_an_order_of_its_own_and_records_state_the_seed() {
    let case = ["--protocol", "tcp,h1c,h2c,tls,h1", "--rounds", "4"];
    let (output, records) = bench_rounds(&case);
    assert_all_good(&output, &records, 20);
    let orders = orders(&records, 4);
    assert_eq!(orders.iter().map(|order| order.iter().collect::<HashSet<_>>().len()).sum::<usize>(), 20);
    assert!(orders.iter().collect::<HashSet<_>>().len() > 1, "120 orders: {orders:?}");
    let seed = &records[0]["schedule"]["seed"];
    assert!(seed.is_u64(), "{seed}");
    assert!(records.iter().all(|record| record["schedule"]["seed"] == *seed));
    assert_eq!(records[0]["schedule"]["order"], "shuffled");
}

#[test]
fn a_fixed_order_is_that_of_the_flag() {
    let case = ["--protocol", "h2c,tcp,h1c", "--rounds", "3", "--order", "fixed"];
    let (output, records) = bench_rounds(&case);
    assert_all_good(&output, &records, 9);
    assert!(orders(&records, 3).iter().all(|order| *order == ["h2c", "tcp", "h1c"]));
    assert_eq!(records[0]["schedule"]["seed"], Value::Null);
}

#[test]
fn warmup_rounds_take_their_time_and_are_in_no_figure() {
    let case = ["--protocol", "tcp", "--limit-rate", "2MiB", "--warmup", "2"];
    let began = metrics::Stamp::now();
    let (output, records) = bench(&[&SHORT[..], &case].concat());
    assert_all_good(&output, &records, 1);
    assert!(began.elapsed().as_secs_f64() > 1.4, "three transfers of half a second: {:?}", began.elapsed());
    assert_eq!(records[0]["round"], 0);
    assert_eq!(records[0]["schedule"]["warmup_rounds"], 2);
}

#[test]
fn a_precision_adds_rounds_until_it_is_reached() {
    let case = ["--protocol", "tcp", "--limit-rate", "20MiB", "--precision", "30%"];
    let (output, records) = bench(&[&SHORT[..], &case].concat());
    assert_all_good(&output, &records, records.len());
    assert!(records.len() >= 8, "{}", records.len());
}

#[test]
fn a_used_up_time_ends_a_session_whose_records_count() {
    let out = Out::new();
    let folder = out.text();
    let case = ["--protocol", "tcp", "--limit-rate", "2MiB", "--precision", "0.001%", "--max-time", "2s"];
    let output = run(&[&["bench", "--quiet", "--out", &folder], &SHORT[..], &case].concat());
    let (told, records) = (text(&output.stderr), out.records());
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("the time was used up after {} of 6 runs", records.len())), "{told}");
    assert!((1..=4).contains(&records.len()), "{told}");
    let summary = std::fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(summary.contains("the time was used up"), "{summary}");
}

#[test]
fn a_list_has_the_cases_and_an_estimate_and_runs_nothing() {
    let out = Out::new();
    let folder = out.text();
    for (command, first) in [("bench", "tcp/up/64KiB/2GiB"), ("prove", "h1c/up/")] {
        let output = run(&[command, "--list", "--out", &folder]);
        let listed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(listed.contains(first), "{listed}");
        let (cases, sum) = listed.trim_end().rsplit_once('\n').unwrap();
        assert!(sum.starts_with(&format!("{} cases", cases.lines().count())), "{sum}");
        assert!(sum.contains(" GiB in all, about "), "{sum}");
    }
    let one = ["bench", "--list", "--protocol", "h1c", "--size", "64MiB", "--no-ceiling", "--rounds", "4"];
    let further = ["--chunk-size", "64KiB", "--warmup", "3", "--precision", "2%", "--max-time", "10s"];
    let listed = text(&run(&[&one[..], &further].concat()).stdout);
    assert!(listed.contains(" 7 runs, ") && listed.contains(" with 3 rounds of warm-up"), "{listed}");
    assert!(listed.contains(" until intervals are within 2 %, but no run after 10 s"), "{listed}");
    assert!(!out.path().exists());
}

#[test]
fn a_bench_takes_the_address_that_it_is_told() {
    for (address, protocols) in [("127.0.0.2", "tcp,h2,h3"), ("::1", "tcp,h2,h3")] {
        if std::net::TcpListener::bind((address, 0)).is_err() {
            skip(&format!("in part, this machine has no {address}"));
            continue;
        }
        let (output, records) =
            bench(&[&SHORT[..], &["--protocol", protocols, "--address", address]].concat());
        assert_all_good(&output, &records, 3);
        assert!(records.iter().all(|record| record["link"]["address"] == address), "{records:?}");
    }
    let (output, records) = bench(&[&SHORT[..], &["--protocol", "tcp", "--address", "192.0.2.1"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let message = records[0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("192.0.2.1"), "{message}");
}

#[test]
fn a_cold_payload_fills_its_block_keeps_its_budget_and_is_recorded() {
    for direction in ["up", "down"] {
        let case = ["--protocol", "h2c,h3", "--payload", "cold:24MiB", "--direction", direction];
        let (output, records) = bench(&[&["--chunk-size", "64KiB", "--size", "64MiB"][..], &case].concat());
        assert_all_good(&output, &records, 2);
        for record in &records {
            assert_eq!(record["case"]["payload"], "cold:24MiB");
            assert!(record["case"]["name"].as_str().unwrap().ends_with("+payload=cold"), "{record}");
            let memory =
                |end: &str, field: &str| record[end]["memory"][field].as_f64().unwrap() / f64::from(1 << 20);
            let growth = memory("sender", "peak_rss_bytes") - memory("sender", "baseline_rss_bytes");
            assert!((24.0..memory("sender", "budget_bytes")).contains(&growth), "{growth}");
            assert!(memory("receiver", "budget_bytes") < 24.0);
        }
    }
    let output = run(&["bench", "--payload", "cold", "--list", "--protocol", "tcp"]);
    assert!(text(&output.stdout).contains("tcp/up/64KiB/2GiB+payload=cold"), "{}", text(&output.stdout));
}
