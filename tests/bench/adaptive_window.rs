//! `--h2-window auto`: windows of HTTP/2 that follow the path within a bound.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::common::{
    Out, assert_all_good, assert_success, bench, longhaul, records, relay::Relay, run, server::Server, text,
};

/// The delay of a relay in each direction.
const DELAY: Duration = Duration::from_millis(20);

/// The round trip over a relay, in seconds.
const ROUND_TRIP: f64 = 0.04;

/// The window that every connection starts with, in bytes.
const FIRST: u64 = 65_535;

const SIZE: u64 = 4 << 20;

fn goodput(record: &Value) -> f64 {
    record["goodput_bytes_per_s"].as_f64().unwrap()
}

fn window(end: &Value) -> u64 {
    end["receive_window_bytes"].as_u64().unwrap()
}

/// Runs `send` or `fetch` to a port, with trust in the server's certificate. Returns its record.
fn transferred(command: &str, server: &Server, port: &str, protocol: &str, args: &[&str]) -> Value {
    let scheme = if protocol == "h2" { "https" } else { "http" };
    let (url, certificate) = (format!("{scheme}://{port}/?size={SIZE}"), server.certificate());
    let mut all = vec![command, &url, "--protocol", protocol, "--json", "--quiet"];
    if protocol == "h2" {
        all.extend(["--cacert", certificate.to_str().unwrap()]);
    }
    all.extend(args);
    let output = run(&all);
    assert_success(&output);
    let mut records = records(&text(&output.stdout));
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn a_download_over_a_long_path_opens_its_window_and_is_faster_than_with_a_small_one() {
    let server = Server::start(&[]);
    for (protocol, port) in [("h2c", server.cleartext()), ("h2", server.tls())] {
        let far = Relay::start(port, DELAY).addr.to_string();
        let fetch = |window: &str| transferred("fetch", &server, &far, protocol, &["--h2-window", window]);
        let [small, auto, bounded] = ["64KiB", "auto", "auto:128KiB"].map(fetch);
        assert_eq!(
            [&auto, &bounded].map(|record| &record["limits"]["h2-window"]),
            ["auto:16MiB", "auto:128KiB"]
        );
        assert_eq!(window(&small["receiver"]), 64 << 10);
        assert_eq!(window(&bounded["receiver"]), 128 << 10);
        let opened = window(&auto["receiver"]);
        assert!((4 * FIRST..=16 << 20).contains(&opened), "{protocol}: {opened}");
        let [small, auto, bounded] = [&small, &auto, &bounded].map(goodput);
        assert!(auto > 2.0 * small, "{protocol}: {auto} with auto, {small} with 64 KiB");
        // Each window takes a round trip, but for the first and the last.
        let round_trips = SIZE as f64 / f64::from(128 << 10) - 2.0;
        let most = SIZE as f64 / (round_trips * ROUND_TRIP);
        assert!(bounded <= most, "{protocol}: {bounded} with a bound of 128 KiB");
    }
}

#[test]
fn an_upload_over_a_long_path_opens_the_window_of_the_server() {
    let elapsed = |window: &str| {
        let server = Server::start(&["--h2-window", window]);
        ["h2c", "h2"].map(|protocol| {
            let port = if protocol == "h2" { server.tls() } else { server.cleartext() };
            let far = Relay::start(port, DELAY).addr.to_string();
            goodput(&transferred("send", &server, &far, protocol, &["--size", "4MiB"]))
        })
    };
    for (small, auto) in elapsed("64KiB").into_iter().zip(elapsed("auto")) {
        assert!(auto > 2.0 * small, "{auto} with auto, {small} with 64 KiB");
    }
}

#[test]
fn without_a_delay_windows_stay_within_their_bound_and_ends_within_their_budget() {
    let shape = [
        "--protocol",
        "h2c,h2",
        "--direction",
        "up,down",
        "--chunk-size",
        "64KiB",
        "--size",
        "24MiB",
        "--no-ceiling",
    ];
    let (output, records) = bench(&[&shape[..], &["--h2-window", "auto:1MiB"]].concat());
    assert_all_good(&output, &records, 4);
    for record in &records {
        let name = record["case"]["name"].as_str().unwrap();
        assert!(name.ends_with("/64KiB/24MiB+h2-window=auto:1MiB"), "{name}");
        assert!((FIRST..=1 << 20).contains(&window(&record["receiver"])), "{name}: {}", record["receiver"]);
        assert_eq!(window(&record["sender"]), FIRST, "{name}: a sender receives next to nothing");
        assert_eq!(record["receiver"]["memory"]["within_budget"], true, "{name}");
    }
    let (_, records) =
        bench(&["--protocol", "h2c,h1c", "--size", "1MiB", "--chunk-size", "64KiB", "--no-ceiling"]);
    let of = |protocol: &str| records.iter().find(|record| record["case"]["protocol"] == protocol).unwrap();
    assert_eq!(window(&of("h2c")["receiver"]), 768 << 10, "a fixed window is that of the limits");
    assert_eq!(of("h1c")["receiver"]["receive_window_bytes"], Value::Null);
}

#[test]
fn windows_that_follow_the_path_never_grow_in_a_proof_with_slow_readers() {
    let out = Out::new();
    let path = out.text();
    let args = [
        "prove",
        "--quiet",
        "--protocol",
        "h2c,h2",
        "--h2-window",
        "auto:1MiB",
        "--direction",
        "up",
        "--chunk-size",
        "64KiB",
        "--size",
        "16MiB,64MiB",
        "--reader-rate",
        "100MiB",
        "--rounds",
        "2",
        "--no-control",
        "--out",
        &path,
    ];
    let output = run(&args);
    let (said, code) = (text(&output.stdout), output.status.code());
    // Two rounds of small bodies may leave the slope open, but nothing may grow or exceed the budget.
    assert!(matches!(code, Some(0 | 6)), "{code:?} {said} {}", text(&output.stderr));
    assert!(!said.contains("GROWING") && !said.contains("WORSE"), "{said}");
    let records = out.records();
    assert_eq!(records.len(), 16, "two protocols, two sizes, two rounds, a fast and a slow reader");
    for record in &records {
        assert!(window(&record["receiver"]) <= 1 << 20, "{record}");
        for end in ["sender", "receiver"] {
            assert_eq!(record[end]["memory"]["within_budget"], true, "{record}");
        }
    }
    let ceilings = out.path().join("ceilings.toml");
    fs::write(&ceilings, "[[ceiling]]\nprotocol = \"*\"\nbudget = true\n").unwrap();
    let checked = run(&["check", &path, "--ceilings", ceilings.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
}

#[test]
fn the_budget_names_the_bound_and_impossible_bounds_are_refused() {
    let explained = |window: &str| {
        run(&["bench", "--explain-memory", "--protocol", "h2c", "--h2-window", window, "--size", "1GiB"])
    };
    for (window, term) in [
        ("auto", "16.000 MiB  HTTP/2 window: the bound of h2-window"),
        ("auto:3MiB", "3.000 MiB  HTTP/2 window: the bound of h2-window"),
        ("3MiB", "3.000 MiB  HTTP/2 window: h2-window"),
    ] {
        let report = text(&explained(window).stdout);
        assert!(report.contains(term), "{term}: {report}");
    }
    for window in ["auto:1KiB", "auto:4GiB", "auto:", "automatic"] {
        let Output { status, stderr, .. } = explained(window);
        assert_eq!(status.code(), Some(2), "{window}");
        let right = "use auto, auto:SIZE with a bound from 64KiB, or a size from 1B to 2147483647B";
        assert!(text(&stderr).contains(right), "{window}: {}", text(&stderr));
    }
}

/// Returns the resident memory of a process, in bytes.
fn rss(process: &Child) -> u64 {
    let status =
        fs::read_to_string(Path::new("/proc").join(process.id().to_string()).join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn a_download_into_a_pipe_that_nobody_reads_holds_no_more_than_the_bound() {
    const BOUND: u64 = 4 << 20;
    let server = Server::start(&[]);
    let url = format!("{}/?size=64MiB", server.url(false, ""));
    let args = ["fetch", &url, "--protocol", "h2c", "--h2-window", "auto:4MiB", "--quiet", "-o", "-"];
    let mut process = longhaul(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = process.stdout.take().unwrap();
    let mut read = vec![0; 32 << 20];
    pipe.read_exact(&mut read[..8 << 20]).unwrap();
    let flowing = rss(&process);
    sleep(Duration::from_secs(1));
    let still = rss(&process);
    // A byte of the window takes one and a half bytes of memory, and the body passes further buffers.
    assert!(still <= flowing + BOUND * 3 / 2 + (4 << 20), "{still} bytes, {flowing} before");
    sleep(Duration::from_secs(1));
    assert!(rss(&process) <= still + (1 << 20), "a reader that stands still holds no more and more");
    let mut rest = 0;
    loop {
        match pipe.read(&mut read).unwrap() {
            0 => break,
            length => rest += length,
        }
    }
    assert_eq!(rest, 56 << 20);
    assert!(process.wait().unwrap().success());
}
