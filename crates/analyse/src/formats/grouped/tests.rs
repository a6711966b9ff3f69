//! Tests of the table on a terminal.

use record::{Direction, Record};

use super::*;
use crate::tests::{bad_day, runs, with};

/// Returns the records of `bench` with its defaults: eight protocols with two chunk sizes, and three ceilings.
fn default_run() -> Vec<Record> {
    let around = |goodput: f64| [0.97, 0.98, 0.99, 1.01, 1.02, 1.03].map(|share| share * goodput);
    let at = |chunk: u64, protocol: &str, goodput: f64| -> Vec<Record> {
        let resized = |record| {
            with(record, |record| {
                record.case.chunk = chunk.try_into().unwrap();
                for end in [&mut record.sender, &mut record.receiver] {
                    end.as_mut().unwrap().cpu.s_per_gib = Some(0.45);
                }
            })
        };
        runs(protocol, &around(goodput)).into_iter().map(resized).collect()
    };
    let protocols = ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3"];
    let chunks = [64 << 10, 1 << 20].into_iter();
    let matrix = chunks.flat_map(|chunk| {
        protocols.iter().zip(1..).flat_map(move |(protocol, i)| at(chunk, protocol, 1234.0 * f64::from(i)))
    });
    let ceilings = ["tcp-ceiling", "tls-ceiling", "quic-ceiling"];
    matrix.chain(ceilings.iter().flat_map(|name| at(256 << 10, name, 23_456.0))).collect()
}

fn table(records: &[Record], width: usize) -> String {
    text(&Analysis::of(records), &Screen::terminal(width), width)
}

#[test]
fn the_default_run_and_its_answer_fit_80_columns_and_24_lines() {
    let records = default_run();
    let text = table(&records, 80);
    let answer = Analysis::of(&records).answer().to_string();
    let (explanation, shown) = below_the_first_heading(&text);
    assert_eq!((shown.len(), answer.lines().count()), (2 * 9, 3), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(shown[0].starts_with("64KiB chunks, 2GiB up  MiB/s "), "{text}");
    assert!(shown[9].starts_with("1MiB chunks, 2GiB up   MiB/s "), "{text}");
    assert!(
        explanation.last().unwrap().starts_with("ceilings, MiB/s: tcp 23456, tls 23456, quic 23456"),
        "{text}"
    );
}

/// Splits a table into the lines above its first heading, and the lines from that heading on.
fn below_the_first_heading(text: &str) -> (Vec<&str>, Vec<&str>) {
    text.lines().partition({
        let mut is_above = true;
        move |line: &&str| {
            is_above &= !line.contains(" chunks, ");
            is_above
        }
    })
}

#[test]
fn the_first_heading_of_a_noisy_run_stays_on_a_terminal_of_24_lines() {
    let noisy = default_run().into_iter().enumerate().map(|(i, record)| {
        with(record, |record| {
            record.goodput_bytes_per_s = Some(f64::from(1 << 20) * (1000.0 + (i * 7919 % 3000) as f64));
            record.disturbed = Some(i % 2 == 0);
            record.disturbances = vec!["an end was preempted".into()];
            record.warnings = vec![record::Warning::new("load", "others used the CPU", "noisier figures")];
        })
    });
    let records: Vec<Record> = noisy.collect();
    let (analysis, screen) = (Analysis::of(&records), Screen::terminal(80));
    let text = crate::formats::table(&analysis, &screen) + &crate::formats::answer(&analysis, &screen);
    assert!(text.contains("57 of 114 runs were disturbed") && text.contains(" or "), "{text}");
    let (_, shown) = below_the_first_heading(&text);
    // Two more lines follow: the path of the report, and the prompt.
    assert!(shown.len() + 2 <= 24, "{} lines: {text}", shown.len());
}

#[test]
fn rows_count_their_runs_with_far_cores_where_other_runs_had_near_ones() {
    let with_trip = |(index, record), is_far: &dyn Fn(usize) -> bool| {
        with(record, |record: &mut Record| {
            let ns = if is_far(index) { 400 } else { 100 };
            record.core_round_trip = Some(CoreRoundTrip { before_ns: ns, after_ns: 100 });
        })
    };
    let shown = |is_far: &dyn Fn(usize) -> bool| {
        let records: Vec<Record> =
            default_run().into_iter().enumerate().map(|run| with_trip(run, is_far)).collect();
        let text = table(&records, 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };
    let text = shown(&|index| index < 8);
    let marked: Vec<&str> = text.lines().filter(|line| line.contains(" far")).collect();
    assert!(marked.len() == 2 && marked[0].ends_with("6 far") && marked[1].ends_with("2 far"), "{text}");
    let every = shown(&|index| index % 2 == 0);
    assert_eq!(every.matches("ok, 3 far\n").count(), 16, "{every}");
    // "fastest" and "slowest" have five letters more than "ok".
    assert!(
        every.lines().filter(|line| line.ends_with(" far")).all(|line| line.chars().count() <= 75),
        "{every}"
    );
    assert!(!shown(&|_| true).contains(" far"), "a warning says it of all runs");
}

#[test]
fn a_narrow_terminal_leaves_out_what_matters_least_and_a_wide_one_has_it_all() {
    let records = default_run();
    let heading =
        |width| table(&records, width).lines().find(|line| line.contains("MiB/s ")).unwrap().to_owned();
    let narrow = table(&records, 60);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(heading(60).contains("RSS MiB") && !heading(60).contains("CPU"), "{}", heading(60));
    assert!(heading(120).contains("Gbit/s") && heading(120).contains("CPU"), "{}", heading(120));
}

#[test]
fn directions_and_limits_are_told_apart_and_verdicts_are_painted() {
    let down = |record| with(record, |record: &mut Record| record.case.direction = Direction::Down);
    let limited = |record| {
        with(record, |record: &mut Record| {
            let limit = record::LimitValue::Bytes(4 << 20);
            record.case.limits.set(&record::H2_WINDOW, limit).unwrap();
        })
    };
    let h2 = || runs("h2", &[5.0]).into_iter();
    let records: Vec<Record> = bad_day().into_iter().chain(h2().map(down)).chain(h2().map(limited)).collect();
    let analysis = Analysis::of(&records);
    let text = text(&analysis, &Screen::terminal(80).coloured(), 80);
    assert!(
        text.contains("\x1b[31mover budget\x1b[0m\n") && text.contains("\x1b[31mfailed\x1b[0m"),
        "{text}"
    );
    assert!(text.contains("\nh2+h2-window=4MiB") && text.contains("64KiB chunks, 2GiB down"), "{text}");
}
