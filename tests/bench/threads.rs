//! `--threads`: ends of several threads in `bench` and `prove`, and `serve`, `send` and `fetch` of several threads.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::common::{
    Out, assert_all_good, assert_success, bench, http, longhaul, records, run, server::Server, text,
};

/// Returns the words of a command line without quotes.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Asserts that each of `threads` threads of an end carried the same number of connections and bytes.
fn assert_even(end: &Value, threads: u64, connections: u64, bytes: u64) {
    let of_threads = end["worker_threads"].as_array().unwrap();
    assert_eq!(of_threads.len() as u64, threads, "{end}");
    for thread in of_threads {
        assert_eq!(
            (&thread["connections"], &thread["bytes"]),
            (&connections.into(), &bytes.into()),
            "{thread}"
        );
        assert!(thread["cpu_s"].as_f64().unwrap() > 0.0, "{thread}");
    }
    assert_eq!(end["bytes"], threads * bytes);
}

#[test]
fn connections_and_bytes_are_spread_evenly_over_the_threads_of_both_ends() {
    let protocols = "tcp,h1c,h2c,tls,h1,h2,quic,h3";
    let (output, records) = bench(&[
        "--protocol",
        protocols,
        "--direction",
        "both",
        "--threads",
        "2",
        "-P",
        "4",
        "--size",
        "4MiB",
        "--chunk-size",
        "64KiB",
    ]);
    assert_all_good(&output, &records, 16);
    for record in &records {
        let name = record["case"]["name"].as_str().unwrap();
        assert!(name.ends_with("+c4s1+threads=2") && record["case"]["threads"] == 2, "{name}");
        for end in ["sender", "receiver"] {
            assert_even(&record[end], 2, 2, 8 << 20);
            assert_eq!(
                record[end]["memory"]["within_budget"], true,
                "{name} {end}: {}",
                record[end]["memory"]
            );
        }
        assert_eq!(record["bodies"]["count"], 4);
    }
}

#[test]
fn each_thread_is_bound_to_the_core_that_the_affinity_names() {
    let (output, records) =
        bench(&words("--protocol h2c,h3 --threads 2 -P 2 --size 1MiB --chunk-size 64KiB --affinity 0,1:1,0"));
    assert_all_good(&output, &records, 2);
    let cores = |end: &Value| -> Vec<u64> {
        end["worker_threads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|thread| thread["core"].as_u64().unwrap())
            .collect()
    };
    for record in &records {
        assert_eq!((cores(&record["sender"]), cores(&record["receiver"])), (vec![0, 1], vec![1, 0]));
        assert_eq!(record["host"]["end_cores"], serde_json::json!([0, 1]));
    }
    let folder = tempfile::tempdir().unwrap();
    let loud = run(&[
        "bench",
        "--protocol",
        "h1c",
        "--threads",
        "2",
        "-P",
        "2",
        "--size",
        "1MiB",
        "--chunk-size",
        "64KiB",
        "--rounds",
        "1",
        "--affinity",
        "0:1",
        "-o",
        folder.path().join("out").to_str().unwrap(),
    ]);
    assert!(text(&loud.stderr).contains("2 threads each on 2 cores"), "{}", text(&loud.stderr));
}

#[test]
fn an_end_of_one_thread_has_no_figures_of_threads() {
    let (output, records) = bench(&words("--protocol h1c -P 2 --size 1MiB --chunk-size 64KiB"));
    assert_all_good(&output, &records, 1);
    assert_eq!(records[0]["case"]["name"], "h1c/up/64KiB/1MiB+c2s1");
    assert_eq!(
        (&records[0]["case"]["threads"], &records[0]["sender"]["worker_threads"]),
        (&1.into(), &Value::Null)
    );
}

/// Streams stay with their connection, and small bodies with the most threads take no more than the budget.
#[test]
fn eight_threads_with_small_bodies_stay_within_the_budget() {
    let (output, records) = bench(&words(
        "--protocol h1c,h2,h3 --direction both --threads 8 -P 8 --size 64KiB,1MiB --chunk-size 4KiB,64KiB --sink verify",
    ));
    assert_all_good(&output, &records, 24);
    for record in &records {
        for end in ["sender", "receiver"] {
            let bytes = record["case"]["body_bytes"].as_u64().unwrap();
            assert_even(&record[end], 8, 1, bytes);
            assert_eq!(record[end]["memory"]["within_budget"], true, "{record}");
        }
    }
    let (output, records) =
        bench(&words("--protocol h2c,h3 --threads 2 -P 4 --streams 3 --size 1MiB --chunk-size 64KiB"));
    assert_all_good(&output, &records, 2);
    records.iter().for_each(|record| assert_even(&record["receiver"], 2, 2, 6 << 20));
}

#[test]
fn a_proof_holds_with_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    for threads in ["2", "8"] {
        let path = folder.path().join(threads);
        let args = [
            "prove",
            "--threads",
            threads,
            "-P",
            threads,
            "--protocol",
            "h1c,h2c",
            // Smaller bodies only fill the windows, which looks like growth.
            "--size",
            "16MiB,64MiB,192MiB",
            "--chunk-size",
            "64KiB",
            "--direction",
            "up",
            "--rounds",
            "2",
            "--no-control",
            "--quiet",
            "-o",
            path.to_str().unwrap(),
        ];
        let output = run(&args);
        let (said, code) = (text(&output.stdout), output.status.code());
        // Two rounds of small bodies may leave the slope open, but nothing may grow or exceed the budget.
        assert!(matches!(code, Some(0 | 6)), "{code:?} {said} {}", text(&output.stderr));
        assert!(!said.contains("GROWING") && !said.contains("WORSE"), "{said}");
        let records = records(&fs::read_to_string(path.join("records.jsonl")).unwrap());
        assert!(!records.is_empty());
        for record in records.iter().filter(|record| record["purpose"] == "measure") {
            for end in ["sender", "receiver"] {
                assert_eq!(record[end]["memory"]["within_budget"], true, "{record}");
            }
        }
    }
}

#[test]
fn too_few_connections_and_cores_that_are_none_are_refused() {
    for (args, reason) in [
        (&["bench", "--threads", "4", "-P", "3"][..], "--threads 4: threads share connections out"),
        (&["send", "http://127.0.0.1:1/", "--threads", "2"], "use --connections 2 or more"),
        (&["bench", "--affinity", "0,x:1"], "0,1:2,3 for --threads 2"),
        (&["bench", "--threads", "0"], "--threads"),
        (&["serve", "--threads", "1000"], "--threads"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains(reason), "{args:?}: {said}");
    }
    let out = Out::new();
    let cores = ["--threads", "1", "--affinity", "0,1023:0"];
    let small = ["--protocol", "h1c", "--size", "1MiB", "--rounds", "1", "--chunk-size", "64KiB"];
    let output = run(&[&["bench", "--json", "--out", &out.text()], &cores[..], &small].concat());
    assert_eq!(output.status.code(), Some(0), "one thread has no use for the second core");
}

/// Returns the processor time in nanoseconds of the threads of a server that carry connections: the main thread, then the
/// others in their order.
fn times(server: &Server) -> Vec<u64> {
    let tasks = format!("/proc/{}/task", server.pid());
    let mut carriers: Vec<(String, u64)> = fs::read_dir(tasks)
        .unwrap()
        .map(|task| task.unwrap().path())
        .filter_map(|task| {
            let name = fs::read_to_string(task.join("comm")).ok()?;
            let time = fs::read_to_string(task.join("schedstat")).ok()?;
            let is_main = task.file_name()?.to_str()? == server.pid().to_string();
            let name = if is_main { String::new() } else { name };
            (is_main || name.starts_with("carrier")).then_some((name, time.split(' ').next()?.parse().ok()?))
        })
        .collect();
    carriers.sort();
    carriers.into_iter().map(|(_, time)| time).collect()
}

/// Asserts that all threads worked between two readings of their times.
fn assert_all_worked(server: &Server, before: &[u64], what: &str) {
    let worked: Vec<u64> = times(server).iter().zip(before).map(|(now, then)| now - then).collect();
    let most = *worked.iter().max().unwrap();
    assert!(
        worked.len() == before.len() && worked.iter().all(|time| *time > most / 10),
        "{what}: {worked:?}"
    );
}

#[test]
fn a_server_of_two_threads_serves_clients_of_two_threads() {
    let server = Server::start(&["--threads", "2"]);
    for protocol in http() {
        for (command, end) in [("send", "sender"), ("fetch", "receiver")] {
            let (before, path) = (times(&server), if command == "send" { "/" } else { "/?size=4MiB" });
            assert_eq!(before.len(), 2);
            let mut args = vec!["--threads", "2", "-P", "12", "--json"];
            args.extend((command == "send").then_some(["--size", "4MiB"]).into_iter().flatten());
            let output = server.client(command, protocol.name, path, &args);
            assert_success(&output);
            let record = records(&text(&output.stdout)).remove(0);
            let name = record["case"]["name"].as_str().unwrap();
            assert!(name.ends_with("+c12s1+threads=2"), "{name}");
            assert_even(&record[end], 2, 6, 24 << 20);
            assert_eq!(record["bodies"]["count"], 12);
            assert_all_worked(&server, &before, name);
        }
    }
}

/// curl spreads nothing itself: each transfer is a client of its own.
#[test]
fn a_server_of_two_threads_serves_curl() {
    let server = Server::start(&["--threads", "2"]);
    let before = times(&server);
    let url = server.url(false, "/?size=8MiB");
    let certificate = server.certificate();
    let tls = server.url(true, "/?size=8MiB");
    for round in 0..2 {
        for url in [&url, &tls] {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--fail", "--cacert"]).arg(&certificate).args([
                "-o",
                "/dev/null",
                "-w",
                "%{size_download}",
                url,
            ]);
            let output = curl.output().unwrap();
            assert!(output.status.success(), "{round} {url}: {}", text(&output.stderr));
            assert_eq!(text(&output.stdout), (8 << 20).to_string());
        }
    }
    assert_all_worked(&server, &before, "curl");
}

/// The limit is that of the server, whatever threads carry the requests.
#[test]
fn the_most_requests_are_those_of_all_threads_together() {
    let server = Server::start(&["--threads", "4", "--max-requests", "3"]);
    let mut clients: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut client = TcpStream::connect(server.cleartext()).unwrap();
            client
                .write_all(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nbegun")
                .unwrap();
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            client
        })
        .collect();
    let refused = clients.iter_mut().filter_map(|client| {
        let mut head = [0; 12];
        match client.read_exact(&mut head) {
            Ok(()) => Some(String::from_utf8_lossy(&head).into_owned()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                None
            }
        }
    });
    assert_eq!(refused.collect::<Vec<_>>(), vec!["HTTP/1.1 503"; 5]);
}

#[test]
fn a_server_of_several_threads_stops_in_good_order() {
    let server = Server::start(&["--threads", "3"]);
    assert_success(&server.client("send", "h3", "/", &["--size", "1MiB"]));
    assert_eq!(server.stop(nix::sys::signal::Signal::SIGTERM), Some(0));
    let mut help = longhaul(&["serve", "--help"]);
    assert!(text(&help.output().unwrap().stdout).contains("--threads"));
}
