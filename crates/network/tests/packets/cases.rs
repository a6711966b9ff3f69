//! The tests. They run one after the other, since each has a relay that takes processor time.

use std::{fs, net::IpAddr, panic::catch_unwind, process::ExitCode, thread::sleep, time::Duration};

use longhaul_network::RelayFault;
use process::Stamp;
use record::NetworkRecord;

use crate::session::{Process, Relay};

/// A test. It fails by panicking, or with the fault of a relay that does not start.
type Test = fn() -> Result<(), RelayFault>;

const TESTS: &[(&str, Test)] = &[
    ("a_datagram_is_back_after_the_round_trip", a_datagram_is_back_after_the_round_trip),
    ("the_ends_have_addresses_of_the_family_asked_for", || {
        the_ends_have_addresses_of_the_family_asked_for("relay=packets")
    }),
    ("the_ends_of_the_kernel_have_addresses_of_the_family_asked_for", || {
        the_ends_have_addresses_of_the_family_asked_for("relay=kernel")
    }),
    ("the_share_of_lost_packets_is_the_one_asked_for", the_share_of_lost_packets_is_the_one_asked_for),
    ("tcp_repairs_its_losses_in_packets_of_the_mtu", tcp_repairs_its_losses_in_packets_of_the_mtu),
    ("a_killed_relay_leaves_nothing", || a_killed_relay_leaves_nothing("rtt=1ms,relay=packets")),
    ("a_killed_relay_leaves_nothing_of_the_kernel", || a_killed_relay_leaves_nothing("relay=kernel")),
    ("the_kernel_counts_every_packet", the_kernel_counts_every_packet),
    ("the_kernel_loses_the_share_asked_for", the_kernel_loses_the_share_asked_for),
    ("the_kernel_paces_packets_of_the_mtu", the_kernel_paces_packets_of_the_mtu),
    ("the_kernel_drops_what_its_queue_has_no_room_for", the_kernel_drops_what_its_queue_has_no_room_for),
    ("the_kernel_delays_or_names_what_can", the_kernel_delays_or_names_what_can),
    ("a_killed_session_leaves_no_relay", a_killed_session_leaves_no_relay),
];

/// Runs the tests whose names contain the first argument, if there is one.
pub(crate) fn run() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let filter = arguments.next().unwrap_or_default();
    if filter == "hold" {
        return hold(&arguments.next().unwrap());
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        let outcome = match catch_unwind(test) {
            Ok(Ok(())) => {
                passed += 1;
                "ok".to_owned()
            }
            // In continuous integration, the rights must suffice.
            Ok(Err(fault)) if fault.is_unsupported && std::env::var_os("CI").is_none() => {
                skipped += 1;
                format!("ignored, {fault}")
            }
            Ok(Err(fault)) => {
                failed += 1;
                format!("FAILED, {fault}")
            }
            Err(_) => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        println!("test {name} ... {outcome}");
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; 0 filtered out\n"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// Starts a relay for a session that is killed, and prints the relay's process.
fn hold(network: &str) -> ExitCode {
    let relay = Relay::start(network).unwrap();
    println!("{}", relay.process.child.id());
    sleep(Duration::from_secs(60));
    ExitCode::FAILURE
}

/// Makes the client's end do a task with the server's end. Returns the client's last line, the server's process, and
/// the report.
fn exchange(
    network: &str,
    server: &str,
    client: &str,
) -> Result<(String, Process, NetworkRecord), RelayFault> {
    let relay = Relay::start(network)?;
    let mut at_server = Relay::end(&relay.server, server);
    assert_eq!(at_server.line(), "ready");
    let mut at_client =
        Relay::end(&relay.client, &client.replace("SERVER", &relay.server.address.to_string()));
    let printed = at_client.line();
    Ok((printed, at_server, relay.finish()))
}

fn a_datagram_is_back_after_the_round_trip() -> Result<(), RelayFault> {
    let (printed, _, report) = exchange("rtt=40ms,relay=packets", "echo", "ask SERVER 10")?;
    let times: Vec<f64> = serde_json::from_str(&printed).unwrap();
    let pings: Vec<f64> = report.round_trips_us.iter().map(|time| time.unwrap() / 1e3).collect();
    for times in [times, pings] {
        let least = times.iter().copied().fold(f64::MAX, f64::min);
        assert!(times.len() >= 3 && (40.0..60.0).contains(&least), "{times:?}");
    }
    for count in [report.to_server, report.to_client] {
        // Eight bytes, and the headers of UDP and IP.
        assert_eq!((count.packets, count.bytes, count.lost), (10, 10 * 36, Some(0)));
        assert_eq!(count.overflowed, Some(0));
    }
    assert!(report.process.unwrap().cpu_s > 0.0);
    Ok(())
}

fn the_ends_have_addresses_of_the_family_asked_for(network: &str) -> Result<(), RelayFault> {
    for asked in ["::1", "127.0.0.1"].map(|address| address.parse::<IpAddr>().unwrap()) {
        let relay = Relay::start_for(Some(asked), network)?;
        let (client, server) = (relay.client.address, relay.server.address);
        assert_eq!((client.is_ipv6(), server.is_ipv6()), (asked.is_ipv6(), asked.is_ipv6()));
        if asked.is_ipv6() && std::net::UdpSocket::bind((asked, 0)).is_err() {
            // This machine has no IPv6.
            continue;
        }
        let mut at_server = Relay::end(&relay.server, "echo");
        assert_eq!(at_server.line(), "ready");
        let times = Relay::end(&relay.client, &format!("ask {server} 3")).line();
        assert_eq!(serde_json::from_str::<Vec<f64>>(&times).unwrap().len(), 3);
        assert_eq!(relay.finish().to_server.packets, 3);
    }
    Ok(())
}

fn the_share_of_lost_packets_is_the_one_asked_for() -> Result<(), RelayFault> {
    let (printed, _, report) = exchange("loss=10%,relay=packets", "echo", "flood SERVER 2000")?;
    let (there, back) = (report.to_server, report.to_client);
    let lost = there.lost.unwrap();
    assert!((140..=260).contains(&lost), "{lost} of 2000");
    assert_eq!((there.packets, back.packets + back.lost.unwrap()), (2000 - lost, 2000 - lost));
    assert_eq!(printed, back.packets.to_string());
    Ok(())
}

fn tcp_repairs_its_losses_in_packets_of_the_mtu() -> Result<(), RelayFault> {
    let bytes = 4_u64 << 20;
    let network = "rtt=2ms,loss=1%,relay=packets";
    let (printed, mut server, report) = exchange(network, "receive", &format!("send SERVER {bytes}"))?;
    assert_eq!((printed, server.line()), ("sent".into(), bytes.to_string()));
    let count = report.to_server;
    assert!(count.lost.unwrap() > 0 && count.bytes > bytes, "{count:?}");
    assert!(count.bytes <= count.packets * 1500, "{count:?}");
    Ok(())
}

fn a_killed_relay_leaves_nothing(network: &str) -> Result<(), RelayFault> {
    let mut relay = Relay::start(network)?;
    let namespace = fs::read_link(&relay.client.namespace.network).unwrap();
    let mut ends = [&relay.client, &relay.server].map(|site| Relay::end(site, "watch path0"));
    ends.iter_mut().for_each(|end| assert_eq!(end.line(), "ready"));
    assert!(has_process_in(&namespace.to_string_lossy()));
    relay.process.child.kill().unwrap();
    for mut end in ends {
        assert_eq!(end.line(), "gone");
        assert!(end.child.wait().unwrap().success());
    }
    relay.process.child.wait().unwrap();
    assert!(!has_process_in(&namespace.to_string_lossy()));
    Ok(())
}

/// Returns whether a process is in a network namespace.
fn has_process_in(namespace: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("ns/net"));
    processes
        .into_iter()
        .any(|link| fs::read_link(link).is_ok_and(|link| link.to_string_lossy() == namespace))
}

fn a_killed_session_leaves_no_relay() -> Result<(), RelayFault> {
    // Fails if the rights do not suffice.
    Relay::start("rtt=1ms,relay=packets")?.finish();
    let mut session = Process::start(&["hold", "rtt=1ms,relay=packets"]);
    let relay: i32 = session.line().parse().unwrap();
    let status = || fs::read_to_string(format!("/proc/{relay}/stat"));
    assert!(status().is_ok());
    session.child.kill().unwrap();
    session.child.wait().unwrap();
    // A zombie counts as gone, because there may be nobody to reap it.
    let is_gone = || status().map_or(true, |status| status.contains(") Z "));
    for _ in 0..500 {
        if is_gone() {
            return Ok(());
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the relay {relay} has outlived its session");
}

fn the_kernel_counts_every_packet() -> Result<(), RelayFault> {
    let (printed, _, report) = exchange("relay=kernel", "echo", "ask SERVER 10")?;
    let times: Vec<f64> = serde_json::from_str(&printed).unwrap();
    assert_eq!(times.len(), 10);
    assert!(report.round_trips_us.iter().all(Option::is_some), "{report:?}");
    for count in [report.to_server, report.to_client] {
        assert_eq!((count.packets, count.bytes), (10, 10 * 36), "{count:?}");
        assert_eq!((count.lost, count.overflowed, count.reordered), (Some(0), Some(0), Some(0)));
    }
    assert_eq!(report.process, None);
    Ok(())
}

fn the_kernel_loses_the_share_asked_for() -> Result<(), RelayFault> {
    let (printed, _, report) = exchange("loss=10%,relay=kernel", "echo", "flood SERVER 2000")?;
    let (there, back) = (report.to_server, report.to_client);
    let lost = there.lost.unwrap();
    assert!((140..=260).contains(&lost), "{lost} of 2000");
    assert_eq!((there.packets, back.packets + back.lost.unwrap()), (2000 - lost, 2000 - lost));
    assert_eq!((printed, back.bytes), (back.packets.to_string(), back.packets * 36));
    Ok(())
}

fn the_kernel_paces_packets_of_the_mtu() -> Result<(), RelayFault> {
    let bytes = 4_u64 << 20;
    let network = "rate=50Mbit,loss=1%,relay=kernel";
    let began = Stamp::now();
    let (printed, mut server, report) = exchange(network, "receive", &format!("send SERVER {bytes}"))?;
    assert_eq!((printed, server.line()), ("sent".into(), bytes.to_string()));
    let count = report.to_server;
    assert!(count.bytes > bytes && count.bytes <= count.packets * 1500, "{count:?}");
    assert!(count.lost.unwrap() > 0, "{count:?}");
    assert!(began.elapsed().as_secs_f64() > bytes as f64 * 8.0 / 50e6);
    Ok(())
}

fn the_kernel_drops_what_its_queue_has_no_room_for() -> Result<(), RelayFault> {
    let network = "rate=2Mbit,queue=8KiB,relay=kernel";
    let (_, _, report) = exchange(network, "echo", "burst SERVER 200")?;
    let count = report.to_server;
    let overflowed = count.overflowed.unwrap();
    assert!(overflowed > 0 && count.packets > 0, "{count:?}");
    assert_eq!((count.packets + overflowed, count.lost), (200, Some(0)), "{count:?}");
    Ok(())
}

fn the_kernel_delays_or_names_what_can() -> Result<(), RelayFault> {
    match exchange("rtt=40ms,relay=kernel", "echo", "ask SERVER 5") {
        Ok((_, _, report)) => {
            let least = report.round_trips_us.iter().flatten().copied().fold(f64::MAX, f64::min);
            assert!((40e3..60e3).contains(&least), "{report:?}");
        }
        Err(fault) if fault.message.contains("has no netem") => {
            assert!(fault.is_unsupported && fault.message.contains("use --network"), "{fault}");
        }
        Err(fault) => return Err(fault),
    }
    Ok(())
}
