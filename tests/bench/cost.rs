//! The processor time of an end, which depends on its own work and not on the speed of the other end.

use serde_json::Value;

use crate::common::bench;

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no figure"))
}

/// Returns the record of a run without errors.
fn one(protocol: &str, args: &[&str]) -> Value {
    let (output, mut records) = bench(&[&["--protocol", protocol, "--chunk-size", "64KiB"], args].concat());
    assert_eq!(records.len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    let record = records.remove(0);
    assert_eq!(record["outcome"], "ok", "{}", record["error"]);
    record
}

/// Returns the user and system time of an end, in seconds.
fn used(end: &Value) -> f64 {
    figure(&end["cpu"]["user_s"]) + figure(&end["cpu"]["system_s"])
}

fn gib(record: &Value) -> f64 {
    figure(&record["case"]["total_bytes"]) / f64::from(1 << 30)
}

#[test]
fn busy_polling_is_stated_apart_and_is_no_work() {
    for protocol in ["tcp", "h1c", "h2", "h3"] {
        // The sender leaves the receiver idle nearly all of the time.
        let record = one(protocol, &["--size", "8MiB", "--limit-rate", "16MiB", "--spin", "1s"]);
        assert_eq!(record["spin_us"], 1e6);
        let receiver = &record["receiver"];
        let (used, spun) = (used(receiver), figure(&receiver["cpu"]["spin_s"]));
        // On a busy machine, other processes interrupt the polls, and those intervals do not count.
        assert!(spun > 0.25 * used && spun < used, "{protocol}: busy-polled for {spun} of {used} s");
        let work = figure(&receiver["cpu"]["s_per_gib"]) * gib(&record);
        assert!(
            (work - (used - spun)).abs() < 1e-9,
            "{protocol}: {work} s of {used} s, {spun} s busy-polling"
        );
        assert_eq!(record["sender"]["cpu"]["spin_s"], 0.0, "{protocol}: a sender does not busy-poll");
    }
}

#[test]
fn without_busy_polling_none_is_measured_and_the_name_says_so() {
    let record = one("h2c", &["--size", "8MiB", "--limit-rate", "64MiB", "--spin", "0"]);
    assert_eq!(record["case"]["name"], "h2c/up/64KiB/8MiB+limit=64MiB+spin=0us");
    assert_eq!((&record["spin_us"], &record["case"]["spin_us"]), (&Value::from(0.0), &Value::from(0.0)));
    assert_eq!(record["receiver"]["cpu"]["spin_s"], 0.0);
    let default = one("h2c", &["--size", "1MiB"]);
    assert_eq!((&default["case"]["name"], &default["spin_us"]), (&"h2c/up/64KiB/1MiB".into(), &100.0.into()));
}

#[test]
fn a_receiver_that_works_longer_on_purpose_shows_just_that() {
    // 2 ms for each of 256 chunks: far more than these bytes cost otherwise. A slower receiver also finds its datagrams
    // in other batches, and that cost must be small beside the added one.
    let (nanoseconds, chunks) = (2_000_000_u32, f64::from((16 << 20) / (64 << 10)));
    let added = f64::from(nanoseconds) * 1e-9 * chunks;
    for protocol in ["h1c", "h3"] {
        let work = |sink: &str| {
            let record = one(protocol, &["--size", "16MiB", "--sink", sink]);
            figure(&record["receiver"]["cpu"]["s_per_gib"]) * gib(&record)
        };
        // Other work of the machine adds processor time to single runs, and takes none away.
        let (mut slower, mut plain) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..3 {
            slower = slower.min(work(&format!("burn:{nanoseconds}")));
            plain = plain.min(work("verify"));
        }
        let ratio = (slower - plain) / added;
        assert!(
            (0.8..1.25).contains(&ratio),
            "{protocol}: {} s more, where {added} s were added",
            slower - plain
        );
    }
}
