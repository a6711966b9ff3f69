//! `--connections` and `--streams` of `send` and `fetch`, against nginx, Caddy and `serve`.
//!
//! `scripts/peers` installs nginx and Caddy. Without them, the tests print a line and pass; with `CI` set, they fail.

use std::{collections::BTreeSet, fs, path::Path, process::Output};

use serde_json::Value;

use crate::common::{
    assert_success, caddy::caddy, nginx::nginx, peers, ports::free_port, records, run, server::Server, text,
    transfer::self_signed,
};

/// The size of each body, in bytes.
const SIZE: u64 = 8 << 20;

/// Asserts that a transfer moved all its bodies, and that its record states the load.
fn assert_moved(output: &Output, end: &str, connections: u64, streams: u64) -> Value {
    assert_success(output);
    let record = records(&text(&output.stdout)).remove(0);
    let bodies = connections * streams;
    assert_eq!(record["case"]["connections"], connections);
    assert_eq!(record["case"]["streams"], streams);
    assert_eq!(
        (&record["case"]["body_bytes"], &record["case"]["total_bytes"]),
        (&SIZE.into(), &(bodies * SIZE).into())
    );
    assert_eq!(record[end]["bytes"], bodies * SIZE);
    assert_eq!(record["bodies"]["count"], bodies);
    let goodput = record["goodput_bytes_per_s"].as_f64().unwrap() * record["elapsed_s"].as_f64().unwrap();
    assert!((goodput / (bodies * SIZE) as f64 - 1.0).abs() < 1e-9, "{record}");
    record
}

/// Makes a transfer for each protocol and load.
fn exchange(url: &dyn Fn(&str) -> String, protocols: &[&str], trust: &[&str], directions: &[&str]) {
    for protocol in protocols {
        let loads: &[(u64, u64)] = if protocol.starts_with("h1") { &[(5, 1)] } else { &[(1, 6), (3, 2)] };
        for (connections, streams) in loads {
            for direction in directions {
                let (connections, streams) = (connections.to_string(), streams.to_string());
                let mut args = vec![*direction];
                let url = url(protocol);
                args.extend([
                    &url,
                    "--protocol",
                    protocol,
                    "--connections",
                    &connections,
                    "--streams",
                    &streams,
                ]);
                args.extend(["--json", "--quiet"]);
                args.extend(trust);
                if *direction == "send" {
                    args.extend(["--size", "8MiB"]);
                }
                let end = if *direction == "send" { "sender" } else { "receiver" };
                assert_moved(&run(&args), end, connections.parse().unwrap(), streams.parse().unwrap());
            }
        }
    }
}

/// nginx counts the requests of each upload and download in its log.
#[test]
fn bodies_go_to_nginx_and_back_at_once() {
    let Some(peers) = peers() else { return };
    let (folder, [plain, prior, tls]) = (tempfile::tempdir().unwrap(), [(); 3].map(|()| free_port()));
    let (certificate, key) = self_signed(folder.path());
    fs::create_dir(folder.path().join("files")).unwrap();
    let servers = format!(
        " log_format by_connection '$connection $request'; server {{ access_log {folder}/access.log by_connection; listen 127.0.0.1:{plain}; listen 127.0.0.1:{prior} http2; \
         listen 127.0.0.1:{tls} ssl http2; ssl_protocols TLSv1.3; ssl_certificate {certificate}; \
         ssl_certificate_key {key}; root {folder}/files; dav_methods PUT; \
         location = /busy {{ return 503; }} location = /see {{ return 307 /seen; }} }}\n",
        folder = folder.path().display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    let _nginx = nginx(&peers, folder.path(), &servers, tls);
    let url = |protocol: &str| match protocol {
        "h1c" => format!("http://localhost:{plain}/a"),
        "h2c" => format!("http://localhost:{prior}/a"),
        _ => format!("https://localhost:{tls}/a"),
    };
    let trust = ["--cacert", certificate.to_str().unwrap()];
    exchange(&url, &["h1c", "h2c", "h1", "h2"], &trust, &["send", "fetch"]);
    assert_eq!(fs::metadata(folder.path().join("files/a")).unwrap().len(), SIZE);
    let log = fs::read_to_string(folder.path().join("access.log")).unwrap();
    // A load of five connections, one of one and one of three with streams, each over two protocols.
    for method in ["PUT", "GET"] {
        let method = format!(" {method} /a ");
        let requests: Vec<_> = log.lines().filter(|line| line.contains(&method)).collect();
        let connections: BTreeSet<_> = requests.iter().map(|line| line.split(' ').next()).collect();
        assert_eq!((requests.len(), connections.len()), (34, 18), "{log}");
    }

    // A redirect and a refusal are those of all bodies.
    let base = format!("http://localhost:{plain}");
    let load = ["--connections", "3", "--size", "8MiB", "--json", "--quiet"];
    let moved = run(&[&["send", &format!("{base}/see"), "-L"], &load[..]].concat());
    assert_eq!(assert_moved(&moved, "sender", 3, 1)["redirects"]["count"], 1);
    let busy = run(&[
        "fetch",
        &format!("{base}/busy"),
        "--connections",
        "3",
        "--retry",
        "1",
        "--retry-delay",
        "0.1",
    ]);
    let told = text(&busy.stderr);
    assert!(
        busy.status.code() == Some(1) && told.contains("503 Service") && told.contains("retries left: 0"),
        "{told}"
    );
}

#[test]
fn a_file_of_caddy_is_fetched_many_times_at_once() {
    let Some(peers) = peers() else { return };
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    fs::write(folder.path().join("a"), vec![7; SIZE as usize]).unwrap();
    let sites = format!(
        "https://localhost:{port} {{\n tls {} {}\n root * {}\n file_server\n}}\n",
        certificate.display(),
        key.display(),
        folder.path().display()
    );
    let _caddy = caddy(&peers, folder.path(), &sites, port);
    let trust = ["--cacert", certificate.to_str().unwrap()];
    exchange(&|_| format!("https://localhost:{port}/a"), &["h1", "h2", "h3"], &trust, &["fetch"]);
}

#[test]
fn each_body_of_serve_is_verified() {
    let server = Server::start(&[]);
    for protocol in ["h1c", "h2c", "h1", "h2", "h3"] {
        let streams = if protocol.starts_with("h1") { "1" } else { "4" };
        let flags = ["--connections", "2", "--streams", streams, "--json"];
        let sent = server.client("send", protocol, "/", &[&flags[..], &["--size", "8MiB"]].concat());
        let fetched = server.client("fetch", protocol, "/?size=8MiB", &flags);
        for (output, end) in [(sent, "sender"), (fetched, "receiver")] {
            let record = assert_moved(&output, end, 2, streams.parse().unwrap());
            assert_eq!(record["integrity"]["match"], true, "{protocol}");
            let name = format!("/8MiB+c2s{streams}");
            assert!(record["case"]["name"].as_str().unwrap().contains(&name), "{}", record["case"]["name"]);
        }
    }
    let told = server.client("send", "h2", "/", &["--connections", "2", "--streams", "3", "--size", "8MiB"]);
    let told = text(&told.stdout);
    assert!(
        told.contains("48 MiB over h2") && told.contains("6 bodies (2 connections, 3 streams each)"),
        "{told}"
    );
}

#[test]
fn a_body_that_can_be_had_once_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    for (args, part) in [
        (
            vec!["fetch", "http://x/", "--connections", "2", "-o", file.to_str().unwrap()],
            "-o has room for one body",
        ),
        (vec!["fetch", "https://x/", "--streams", "2", "-o", "-"], "-o has room for one body"),
        (vec!["send", "http://x/", "-T", "-", "--connections", "2"], "payload - can be read once"),
        (
            vec!["send", "http://x/", "--streams", "2"],
            "h1c carries one body at a time; use one of h2c, h2, h3",
        ),
        (vec!["send", "http://x/", "--connections", "0"], "--connections"),
        (vec!["send", "http://x/", "--connections", "481"], "--connections"),
        (vec!["send", "http://x/", "--streams", "1025"], "--streams"),
    ] {
        let output = run(&args);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
    }
    assert!(!Path::new(&file).exists());
}
