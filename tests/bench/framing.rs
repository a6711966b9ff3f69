//! `--observe-framing`: the chunks, frames, records and datagrams that reach the receiver.

use record::Protocol;
use serde_json::Value;

use crate::common::{Out, assert_all_good, assert_success, bench, run, text};

const CHUNK: u64 = 64 << 10;

/// A body of whole chunks and a rest.
const BODY: u64 = 20 * CHUNK + 7;

/// Returns the records of all HTTP protocols in both directions.
fn observed(extra: &[&str]) -> Vec<Value> {
    let size = BODY.to_string();
    let (protocols, both) = (["--protocol", "h1c,h1,h2c,h2,h3"], ["--direction", "up,down"]);
    let shape = ["--chunk-size", "64KiB", "--size", &size];
    let (output, records) = bench(&[&protocols[..], &both, &shape, extra].concat());
    assert_all_good(&output, &records, 10);
    records
}

fn framing<'r>(record: &'r Value, kind: &str) -> &'r Value {
    &record["receiver"]["framing"][kind]
}

fn protocol(record: &Value) -> &'static Protocol {
    let name = record["case"]["protocol"].as_str().unwrap();
    record::PROTOCOLS.iter().find(|protocol| protocol.name == name).unwrap()
}

#[test]
fn chunks_and_data_frames_carry_the_body_to_the_byte() {
    for record in observed(&["--observe-framing", "--connections", "2"]) {
        let (name, protocol) = (&record["case"]["name"], protocol(&record));
        let total = record["case"]["total_bytes"].as_u64().unwrap();
        assert_eq!(total, 2 * BODY);
        assert!(record["sender"]["framing"].is_null(), "{name}");
        let is_chunked = !protocol.has_streams();
        let (kind, other) =
            if is_chunked { ("http1_chunks", "data_frames") } else { ("data_frames", "http1_chunks") };
        let pieces = framing(&record, kind);
        assert_eq!(pieces["total_bytes"], total, "{name} {pieces}");
        assert!(framing(&record, other).is_null(), "{name}");
        if is_chunked {
            let expected = serde_json::json!({
                "count": 42, "total_bytes": total, "min": 7, "p50": CHUNK, "p99": CHUNK, "max": CHUNK,
            });
            assert_eq!(*pieces, expected, "{name}");
        }
    }
}

#[test]
fn records_and_datagrams_carry_at_least_the_body_within_their_bounds() {
    for record in observed(&["--observe-framing"]) {
        let (name, is_quic) = (&record["case"]["name"], record["receiver"]["transport"]["quic"].is_object());
        let is_tls = protocol(&record).is_encrypted() && !is_quic;
        for (kind, exists, most) in [("tls_records", is_tls, (16 << 10) + 256), ("datagrams", is_quic, 1_452)]
        {
            let pieces = framing(&record, kind);
            assert_eq!(pieces.is_object(), exists, "{name} {kind}");
            if exists {
                assert!(pieces["total_bytes"].as_u64().unwrap() > BODY, "{name} {pieces}");
                assert!(pieces["max"].as_u64().unwrap() <= most, "{name} {pieces}");
                assert!(pieces["count"].as_u64().unwrap() >= BODY / most, "{name} {pieces}");
            }
        }
        if is_quic {
            let counted = &record["receiver"]["transport"]["quic"]["datagrams_received"];
            // quinn counts the datagrams of the connection, and leaves out those that its endpoint handles.
            let [seen, quinn] = [&framing(&record, "datagrams")["count"], counted];
            let (seen, quinn) = (seen.as_u64().unwrap(), quinn.as_u64().unwrap());
            assert!(quinn <= seen && seen <= quinn + 20, "{name}: {seen} seen, {quinn} by quinn");
        }
    }
}

#[test]
fn without_the_flag_nothing_is_observed() {
    for record in observed(&[]) {
        assert!(record["receiver"].get("framing").unwrap().is_null(), "{}", record["case"]["name"]);
    }
}

#[test]
fn the_stock_profile_is_observed_as_far_as_the_streams_are_ours() {
    for record in observed(&["--observe-framing", "--profile", "stock"]) {
        let (name, is_quic) = (&record["case"]["name"], record["receiver"]["transport"]["quic"].is_object());
        assert_eq!(framing(&record, "datagrams").is_object(), is_quic, "{name}");
        let of_body = ["http1_chunks", "data_frames"].map(|kind| framing(&record, kind).is_object());
        assert_eq!(of_body.contains(&true), !is_quic, "{name}");
    }
}

#[test]
fn the_table_shows_what_was_observed_and_a_comparison_says_that_only_one_side_was() {
    let [plain, seen] = [Out::new(), Out::new()];
    let shape = ["--protocol", "h2", "--chunk-size", "64KiB", "--size", "1MiB", "--rounds", "1", "--quiet"];
    let bench = |out: &str, extra: &[&str]| run(&[&["bench", "--out", out], &shape[..], extra].concat());
    let without = bench(&plain.text(), &[]);
    let with = bench(&seen.text(), &["--observe-framing"]);
    for (output, shows) in [(&without, false), (&with, true)] {
        assert_success(output);
        let table = text(&output.stdout);
        assert_eq!(table.contains("DATA frames") && table.contains("TLS records"), shows, "{table}");
    }
    let summary = std::fs::read_to_string(seen.path().join("summary.md")).unwrap();
    assert!(summary.contains("## Framing") && summary.contains("| DATA frames"), "{summary}");
    let compared = text(&run(&["compare", &plain.text(), &seen.text()]).stdout);
    assert!(compared.contains("framing: not observed in the base, observed in the candidate"), "{compared}");
}

#[test]
fn prove_observes_its_own_receivers() {
    let out = Out::new();
    let path = out.text();
    let sizes = ["--size", "256KiB,512KiB", "--chunk-size", "64KiB", "--rounds", "1", "--no-control"];
    let runs = ["prove", "--protocol", "h1c", "--direction", "down", "--quiet", "--observe-framing"];
    run(&[&runs[..], &sizes, &["--out", &path]].concat());
    let records = out.records();
    assert!(records.len() >= 2);
    for record in &records {
        let chunks = framing(record, "http1_chunks");
        assert_eq!(chunks["total_bytes"], record["case"]["total_bytes"], "{}", record["case"]["name"]);
    }
}

#[test]
fn a_program_of_someone_else_cannot_be_observed() {
    let refused = run(&["prove", "--client", "--observe-framing", "--", "true", "{url}", "{file}"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--observe-framing"), "{}", text(&refused.stderr));
}
