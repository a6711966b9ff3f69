//! Bodies of unusual sizes, which arrive completely over every protocol in both directions.

use record::PROTOCOLS;

use crate::common::{assert_all_good, bench, run};

const BOTH: [&str; 2] = ["--direction", "up,down"];

/// Moves bodies over the protocols that `args` name, or else over all. Asserts `expected` runs.
fn moved(args: &[&str], expected: usize) {
    let names: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
    let names = names.join(",");
    let all: &[&str] = if args.contains(&"--protocol") { &[] } else { &["--protocol", &names] };
    let (output, records) = bench(&[args, all, &BOTH].concat());
    assert_all_good(&output, &records, expected);
}

#[test]
fn nothing_one_byte_and_about_a_chunk() {
    let sizes = "0,1,65535,65536,65537";
    moved(&["--chunk-size", "64KiB", "--size", sizes], 2 * 5 * PROTOCOLS.len());
}

#[test]
fn chunks_that_fit_no_frame_and_no_record() {
    for (chunk, sizes) in [("65563", "65562,65563,65564,1MiB"), ("65527", "65526,65527,65528,1MiB")] {
        moved(&["--chunk-size", chunk, "--size", sizes], 2 * 4 * PROTOCOLS.len());
    }
}

#[test]
fn tiny_chunks() {
    moved(&["--chunk-size", "1,7", "--size", "3000"], 2 * 2 * PROTOCOLS.len());
}

#[test]
fn a_chunk_larger_than_any_window() {
    moved(&["--chunk-size", "16MiB", "--size", "40MiB"], 2 * PROTOCOLS.len());
}

#[test]
fn a_hundred_mebibytes() {
    moved(&["--chunk-size", "64KiB", "--size", "100MiB"], 2 * PROTOCOLS.len());
}

#[test]
fn several_connections() {
    moved(&["--connections", "3", "--chunk-size", "64KiB", "--size", "2MiB"], 2 * PROTOCOLS.len());
}

#[test]
fn several_streams_on_several_connections() {
    let protocols = ["--protocol", "h2c,h2,quic,h3"];
    let shape = ["--connections", "2", "--streams", "5", "--chunk-size", "16KiB", "--size", "3MiB"];
    moved(&[&protocols[..], &shape].concat(), 2 * 4);
}

/// Opening a stream opens all earlier streams. A server that waits for the head of one stream before it reads the
/// others waits for ever, once their bodies fill the send window.
#[test]
fn streams_do_not_block_each_other_when_the_send_window_is_full() {
    let shape = ["--streams", "8", "--chunk-size", "64KiB", "--size", "1MiB", "--quic-send-window", "64KiB"];
    moved(&[&["--protocol", "quic,h3"][..], &shape].concat(), 2 * 2);
}

#[test]
fn zeroes_and_another_seed() {
    moved(&["--payload", "zero", "--chunk-size", "64KiB", "--size", "3MiB"], 2 * PROTOCOLS.len());
    moved(&["--seed", "42", "--chunk-size", "64KiB", "--size", "3MiB"], 2 * PROTOCOLS.len());
}

#[test]
fn a_real_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..3_000_001_u32).map(|i| (i ^ (i >> 11)) as u8).collect();
    std::fs::write(file.path(), content).unwrap();
    let payload = format!("file:{}", file.path().display());
    moved(&["--payload", &payload, "--chunk-size", "4KiB,65563"], 2 * 2 * PROTOCOLS.len());
}

#[test]
fn ciphers_and_limits_other_than_the_default() {
    let small =
        ["--h1-buffer", "8KiB", "--h2-frame", "16KiB", "--h2-window", "64KiB", "--h2-send-buffer", "1"];
    let quic = ["--quic-window", "64KiB", "--quic-connection-window", "64KiB", "--quic-send-window", "64KiB"];
    let rest = ["--quic-mtu", "1200", "--socket-buffer", "64KiB", "--chunk-size", "64KiB", "--size", "5MiB"];
    moved(&[&small[..], &quic, &rest].concat(), 2 * PROTOCOLS.len());
    for cipher in ["aes256", "chacha20"] {
        let protocols = ["--protocol", "tls,h1,h2,quic,h3", "--cipher", cipher];
        moved(&[&protocols[..], &["--chunk-size", "64KiB", "--size", "5MiB"]].concat(), 2 * 5);
    }
    // The sizes allow ten datagrams in one send, seven, and one.
    for (congestion, mtu) in [("newreno", "6500"), ("bbr", "9362"), ("cubic", "65507")] {
        let protocols = ["--protocol", "quic,h3", "--congestion", congestion, "--quic-mtu", mtu];
        moved(&[&protocols[..], &["--chunk-size", "64KiB", "--size", "5MiB"]].concat(), 2 * 2);
    }
}

#[test]
fn a_body_is_saved_before_it_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("save:{}", folder.path().display());
    for direction in ["up", "down"] {
        let shape =
            ["--protocol", "h1c,h3", "--direction", direction, "--size", "3MB", "--chunk-size", "64KiB"];
        let (output, records) = bench(&[&shape[..], &["--connections", "2", "--sink", &sink]].concat());
        assert_all_good(&output, &records, 2);
        assert!(records[0]["case"]["name"].as_str().unwrap().ends_with("+c2s1+sink=save"));
        let sizes =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        assert_eq!(
            sizes.collect::<Vec<_>>(),
            [3_000_000, 3_000_000],
            "a file a body, replaced by the next run"
        );
    }
}

#[test]
fn profiles_and_the_smallest_chunks_move_bodies_over_every_protocol() {
    for profile in ["lean", "fast"] {
        let profile = ["--profile", profile, "--quic-profile", "jumbo", "--chunk-size", "1MiB"];
        moved(&[&profile[..], &["--size", "8MiB"]].concat(), 2 * PROTOCOLS.len());
    }
    moved(&["--chunk-size", "1,64", "--size", "64KiB"], 2 * 2 * PROTOCOLS.len());
}

#[test]
fn the_doctor_lists_conditions_and_the_scatter_of_figures() {
    let output = run(&["doctor"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    // A test binary is a debug build, which the first diagnosis reports.
    for part in
        ["BAD   build:", "cost: ", "remedy: cargo build --release", "socket buffers:", "noise of 11 runs"]
    {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}
