//! The rows beside those that are measured by default: ceilings, and libraries with their own defaults.

use record::PROTOCOLS;
use serde_json::Value;

use crate::common::{assert_all_good, bench, run, text};

fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["case"]["name"].as_str().unwrap()).collect()
}

#[test]
fn a_bench_has_every_ceiling_once_a_direction_unless_it_is_told_not_to() {
    let (output, records) = bench(&["--chunk-size", "16KiB,64KiB", "--size", "1MiB"]);
    assert_all_good(&output, &records, 2 * 8 + 3);
    for ceiling in ["tcp-ceiling", "tls-ceiling", "quic-ceiling"] {
        let expected = format!("{ceiling}/up/256KiB/1MiB");
        assert_eq!(names(&records).iter().filter(|name| **name == expected).count(), 1, "{ceiling}");
    }
    for record in &records {
        let protocol = record["protocol"]["name"].as_str().unwrap();
        let expected = record::Protocol::by_name(protocol).unwrap().ceiling();
        assert_eq!(record["protocol"]["ceiling"].as_str(), expected, "{protocol}");
    }
    let (output, records) = bench(&["--chunk-size", "64KiB", "--size", "1MiB", "--no-ceiling"]);
    assert_all_good(&output, &records, 8);
}

#[test]
fn only_bench_takes_ceilings_and_only_ends_of_one_machine_run_without_bounds() {
    let refused = |args: &[&str]| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let message = refused(&["prove", "--protocol", "tcp-ceiling"]);
    assert!(
        message.contains("--protocol tcp-ceiling: a ceiling") && message.contains("only bench"),
        "{message}"
    );
    let message = refused(&["fetch", "--protocol", "tls-ceiling", "https://127.0.0.1:9/"]);
    assert!(message.contains("tls-ceiling is a ceiling without HTTP"), "{message}");
    for command in
        [&["serve", "--profile", "stock"][..], &["fetch", "--profile", "stock", "http://127.0.0.1:9/"]]
    {
        let message = refused(command);
        assert!(
            message.contains("--profile: 'stock' is not possible; use lean, balanced, fast"),
            "{message}"
        );
    }
}

#[test]
fn stock_libraries_move_bodies_and_have_no_budget() {
    let all: Vec<_> = PROTOCOLS.iter().filter(|row| !row.is_ceiling()).map(|row| row.name).collect();
    let all = all.join(",");
    let shape = ["--direction", "up,down", "--chunk-size", "1000,64KiB", "--size", "3MB"];
    let (output, records) = bench(&[&["--profile", "stock", "--protocol", &all][..], &shape].concat());
    assert_all_good(&output, &records, 2 * 2 * 8);
    for record in &records {
        let name = record["case"]["name"].as_str().unwrap();
        assert!(name.ends_with("+spin=0us+profile=stock"), "{name}");
        for end in ["sender", "receiver"] {
            let memory = &record[end]["memory"];
            assert!(
                memory["budget_bytes"].is_null() && memory["within_budget"].is_null(),
                "{name}: {memory}"
            );
        }
    }
    let explained =
        run(&["bench", "--profile", "stock", "--protocol", "h2", "--explain-memory", "--size", "1MiB"]);
    assert!(text(&explained.stdout).contains("no budget"), "{}", text(&explained.stdout));
}

#[test]
fn a_layer_that_is_left_out_is_in_the_name() {
    let shape = ["--protocol", "h2c", "--chunk-size", "64KiB", "--size", "1MiB"];
    let layers = ["--h2-gather", "off", "--h2-cork", "off", "--h2-turns", "off", "--nodelay", "off"];
    for (at, layer) in layers.chunks(2).enumerate() {
        let (output, records) = bench(&[&shape[..], layer].concat());
        assert_all_good(&output, &records, 1);
        let [flag, value] = layer else { panic!("{at}") };
        let axis = format!("{}={value}", flag.trim_start_matches('-'));
        assert_eq!(names(&records), [format!("h2c/up/64KiB/1MiB+{axis}")]);
        assert!(records[0]["sender"]["memory"]["budget_bytes"].is_u64());
    }
    let help = text(&run(&["bench", "--help"]).stdout);
    assert!(help.contains("--h2-frame") && !help.contains("--h2-cork"), "{help}");
}

#[test]
fn the_sizes_of_a_ceilings_calls_are_in_its_name_alone() {
    let shape = ["--protocol", "tcp,tcp-ceiling,tls-ceiling", "--chunk-size", "64KiB", "--size", "1MiB"];
    let calls = ["--ceiling-read", "64KiB", "--ceiling-write", "1MiB"];
    let (output, records) = bench(&[&shape[..], &calls].concat());
    assert_all_good(&output, &records, 3);
    let mut names = names(&records);
    names.sort_unstable();
    let ceiling = "/up/64KiB/1MiB+ceiling-read=64KiB+ceiling-write=1MiB";
    let expected =
        [format!("tcp-ceiling{ceiling}"), "tcp/up/64KiB/1MiB".into(), format!("tls-ceiling{ceiling}")];
    assert_eq!(names, expected);
}
