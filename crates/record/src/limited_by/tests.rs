use super::*;
use crate::{
    Case, Conditions, EndRecord, Fault, FaultKind, Limits, Outcome, QUIC_SEND_WINDOW, QUIC_WINDOW,
    QuicBlocked, QuicStats, Rate, SOCKET_BUFFER, SendWaits, TcpBusy, TcpStats, TransportStats,
};

/// Returns a run of 64 MiB in 10 s, whose ends are idle for most of the time.
fn record(protocol: &str) -> Record {
    let mut case = Case::new(protocol);
    case.body = crate::ByteSize(64 << 20);
    let mut record = Record::new("run", case);
    record.elapsed_s = Some(10.0);
    let mut end = EndRecord { application_wait_s: Some(0.0), run_delay_s: Some(0.1), ..EndRecord::default() };
    (end.cpu.user_s, end.cpu.system_s, end.cpu.spin_s) = (Some(0.5), Some(0.4), Some(0.0));
    (record.sender, record.receiver) = (Some(end.clone()), Some(end));
    record
}

fn with(protocol: &str, change: impl FnOnce(&mut Record)) -> Option<LimitedBy> {
    let mut record = record(protocol);
    change(&mut record);
    record.judge_limit();
    record.limited_by
}

fn cause(protocol: &str, change: impl FnOnce(&mut Record)) -> Option<Cause> {
    with(protocol, change).map(|limit| limit.cause)
}

fn sender(record: &mut Record) -> &mut EndRecord {
    record.sender.as_mut().unwrap()
}

/// Returns the counters of a sender on a path of 40 ms whose congestion window is no bound.
fn tcp() -> TcpStats {
    let busy = TcpBusy { total_us: 9_900_000, ..TcpBusy::default() };
    TcpStats {
        rtt_us: 40_500,
        min_rtt_us: Some(40_000),
        cwnd: 4000,
        mss: 1448,
        busy: Some(busy),
        ..TcpStats::default()
    }
}

fn quic() -> QuicStats {
    let blocked = Some(QuicBlocked::default());
    QuicStats { rtt_us: 40_500, min_rtt_us: Some(40_000), cwnd: 8 << 20, blocked, ..QuicStats::default() }
}

fn set(limits: &mut Limits, limit: &'static crate::Limit, bytes: u64) {
    limits.set(limit, crate::LimitValue::Bytes(bytes)).unwrap();
}

#[test]
fn an_application_that_takes_half_of_the_time_is_the_cause() {
    let waiting = |share: f64| move |end: &mut EndRecord| end.application_wait_s = Some(10.0 * share);
    assert_eq!(cause("h2", |record| waiting(0.6)(sender(record))), Some(Cause::Sender));
    assert_eq!(cause("h2", |record| waiting(0.4)(sender(record))), None);
    let limited = with("h3", |record| {
        record.case.reader_rate = Some(Rate::try_from(8 << 20).unwrap());
        record.receiver.as_mut().unwrap().application_wait_s = Some(9.2);
        sender(record).transport = Some(TransportStats::Quic(quic()));
    });
    let limited = limited.unwrap();
    assert_eq!((limited.cause, limited.share), (Cause::Receiver, 0.92));
    assert_eq!(limited.to_string(), "receiver (waits for its rate of 8MiB/s 92 % of the time)");
}

#[test]
fn the_wait_for_an_application_is_the_mean_of_all_bodies() {
    let eight = |seconds: f64| {
        cause("h2", |record| {
            record.case.streams = 8;
            sender(record).application_wait_s = Some(seconds);
        })
    };
    assert_eq!((eight(39.0), eight(41.0)), (None, Some(Cause::Sender)));
}

#[test]
fn the_busier_processor_is_the_cause_whatever_the_windows_say() {
    let limited = with("h2", |record| {
        sender(record).send_waits = Some(SendWaits { credit: 1000, socket: 0 });
        sender(record).transport = Some(TransportStats::Tcp(tcp()));
        let receiver = record.receiver.as_mut().unwrap();
        (receiver.cpu.user_s, receiver.run_delay_s) = (Some(4.6), Some(4.5));
    });
    let limited = limited.unwrap();
    assert_eq!(limited.cause, Cause::ReceiverCpu);
    assert_eq!(limited.evidence, "works 50 % of the time, waits for its core 45 %");
    let short = with("h2", |record| {
        let receiver = record.receiver.as_mut().unwrap();
        (receiver.cpu.user_s, receiver.cpu.system_s) = (Some(5.0), Some(0.0));
        receiver.run_delay_s = Some(7.5);
    });
    assert_eq!(short.unwrap().evidence, "works 40 % of the time, waits for its core 60 %");
    let spinning = cause("h2", |record| {
        let receiver = record.receiver.as_mut().unwrap();
        (receiver.cpu.user_s, receiver.cpu.spin_s) = (Some(9.5), Some(9.0));
    });
    assert_eq!(spinning, None, "busy-polling is no work");
}

/// The measured figures of two runs on a core that other programs use: 16 MiB in windows of 32 KiB, and 64 MiB in the
/// default windows.
#[test]
fn an_end_that_busy_polls_waits_for_its_core_in_vain() {
    let on_a_busy_core = |work_s: f64, spin_s: f64, delay_s: f64| {
        cause("h2", |record| {
            sender(record).send_waits = Some(SendWaits { credit: 500, socket: 0 });
            sender(record).transport = Some(TransportStats::Tcp(tcp()));
            let receiver = record.receiver.as_mut().unwrap();
            (receiver.cpu.user_s, receiver.cpu.system_s) = (Some(work_s + spin_s), Some(0.0));
            (receiver.cpu.spin_s, receiver.run_delay_s) = (Some(spin_s), Some(delay_s));
        })
    };
    assert_eq!(on_a_busy_core(0.7, 1.4, 7.9), Some(Cause::StreamWindow));
    assert_eq!(on_a_busy_core(1.6, 0.1, 8.3), Some(Cause::ReceiverCpu));
}

#[test]
fn ends_that_work_at_the_same_time_are_not_held_back_by_a_window() {
    let working = |sender_s: f64, receiver_s: f64| {
        cause("h2", |record| {
            sender(record).send_waits = Some(SendWaits { credit: 1000, socket: 0 });
            sender(record).transport = Some(TransportStats::Tcp(tcp()));
            // Both ends also wait for their cores, for 0.1 s each.
            (sender(record).cpu.user_s, sender(record).cpu.system_s) = (Some(sender_s), Some(0.0));
            let receiver = record.receiver.as_mut().unwrap();
            (receiver.cpu.user_s, receiver.cpu.system_s) = (Some(receiver_s), Some(0.0));
        })
    };
    assert_eq!(working(5.0, 5.0), Some(Cause::StreamWindow));
    assert_eq!(working(6.0, 7.0), Some(Cause::ReceiverCpu));
}

/// On one core, the other end is what an end waits for, not a window. The figures are of a run that left the sender idle
/// for two thirds of the time.
#[test]
fn ends_on_one_core_are_held_back_by_it_and_by_no_window() {
    let on = |cores: [u64; 2], edit: fn(&mut Record)| {
        cause("h2", |record| {
            sender(record).send_waits = Some(SendWaits { credit: 1000, socket: 0 });
            sender(record).transport = Some(TransportStats::Tcp(tcp()));
            sender(record).cpu.user_s = Some(2.8);
            record.receiver.as_mut().unwrap().cpu.user_s = Some(4.8);
            let [sender_core, receiver_core] =
                cores.map(|core| Some(CoreConditions { core, ..CoreConditions::default() }));
            record.conditions = Some(Conditions { sender_core, receiver_core, ..Conditions::default() });
            edit(record);
        })
    };
    assert_eq!(on([1, 1], |_| ()), Some(Cause::ReceiverCpu));
    assert_eq!(on([0, 1], |_| ()), Some(Cause::StreamWindow));
    let two_hosts = |record: &mut Record| record.peer_host = Some(record.host.clone());
    assert_eq!(on([1, 1], two_hosts), Some(Cause::StreamWindow), "each host counts its own cores");
    let threads = |record: &mut Record| {
        sender(record).worker_threads = Some(vec![crate::ThreadRecord::default(); 2]);
    };
    assert_eq!(on([1, 1], threads), Some(Cause::StreamWindow), "the cores of the first threads");
}

#[test]
fn ends_that_work_in_turns_are_limited_by_the_busier_one() {
    let in_turns = cause("tcp", |record| {
        sender(record).cpu.user_s = Some(5.5);
        record.receiver.as_mut().unwrap().cpu.user_s = Some(4.5);
    });
    assert_eq!(in_turns, Some(Cause::SenderCpu));
}

#[test]
fn a_window_of_http_2_that_adapts_counts_with_the_size_that_it_had() {
    let limited = |in_effect: Option<u64>| {
        let limited = with("h2", |record| {
            record.limits.set(&crate::H2_WINDOW, crate::LimitValue::AutoWithin(2 << 20)).unwrap();
            record.receiver.as_mut().unwrap().receive_window_bytes = in_effect;
            sender(record).send_waits = Some(SendWaits { credit: 1000, socket: 0 });
            sender(record).transport = Some(TransportStats::Tcp(tcp()));
        });
        limited.unwrap()
    };
    let seen = limited(Some(512 << 10));
    assert_eq!(seen.cause, Cause::StreamWindow);
    assert!(seen.evidence.starts_with("512KiB per "), "{}", seen.evidence);
    assert!(limited(None).evidence.starts_with("2MiB per "), "older records state the limit alone");
}

#[test]
fn a_window_of_http_2_is_the_cause_if_bodies_wait_for_credit() {
    let waits = |credit, socket, streams: u32| {
        with("h2", |record| {
            record.case.streams = streams;
            set(&mut record.limits, &crate::H2_WINDOW, 256 << 10);
            sender(record).send_waits = Some(SendWaits { credit, socket });
            sender(record).transport = Some(TransportStats::Tcp(tcp()));
        })
        .unwrap()
    };
    let one = waits(300, 20, 1);
    assert_eq!(
        (one.cause, one.evidence.as_str()),
        (Cause::StreamWindow, "256KiB per 39.1 ms, round trip 40.5 ms")
    );
    assert_eq!(waits(300, 20, 4).cause, Cause::ConnectionWindow);
    assert_eq!(waits(20, 300, 1).cause, Cause::CongestionWindow);
}

#[test]
fn the_times_of_the_kernel_tell_the_bounds_of_tcp_apart() {
    let limited = |window_limited_us, buffer_limited_us| {
        with("h1", |record| {
            let busy = TcpBusy { window_limited_us, buffer_limited_us, total_us: 9_900_000 };
            let stats = TcpStats { busy: Some(busy), peer_window: Some(65_536), retransmits: 7, ..tcp() };
            sender(record).transport = Some(TransportStats::Tcp(stats));
            set(&mut record.limits, &SOCKET_BUFFER, 256 << 10);
        })
        .unwrap()
    };
    let window = limited(8_000_000, 0);
    assert_eq!(
        (window.cause, window.evidence.as_str()),
        (Cause::ConnectionWindow, "64KiB per 9.8 ms, round trip 40.5 ms")
    );
    assert_eq!(limited(0, 8_000_000).cause, Cause::SendBuffer);
    let congestion = limited(100_000, 100_000);
    assert_eq!(congestion.cause, Cause::CongestionWindow);
    assert!(congestion.evidence.ends_with(", 7 packets lost"), "{congestion}");
}

#[test]
fn a_queue_on_the_path_is_the_cause_whatever_bounds_the_bytes_in_it() {
    let queued = |rtt_us, min_rtt_us| {
        with("h1", |record| {
            let busy = TcpBusy { window_limited_us: 9_000_000, total_us: 9_900_000, ..TcpBusy::default() };
            let stats = TcpStats { rtt_us, min_rtt_us: Some(min_rtt_us), busy: Some(busy), ..tcp() };
            sender(record).transport = Some(TransportStats::Tcp(stats));
        })
        .unwrap()
    };
    let path = queued(10_200, 100);
    assert_eq!(path.evidence, "53.7 Mbit/s, round trip 10.2 ms, of which 10.1 ms in a queue");
    assert_eq!(path.cause, Cause::PathRate);
    assert_eq!(queued(500, 20).cause, Cause::ConnectionWindow, "half a millisecond on loopback");
    assert_eq!(queued(55_000, 40_000).cause, Cause::ConnectionWindow, "jitter");
}

#[test]
fn more_bytes_than_a_window_takes_are_in_no_queue() {
    let queued = |window, rtt_us| {
        cause("h3", |record| {
            set(&mut record.limits, &crate::QUIC_CONNECTION_WINDOW, window);
            let blocked = Some(QuicBlocked { connection_sent: 9, ..QuicBlocked::default() });
            let stats = QuicStats { rtt_us, min_rtt_us: Some(100), blocked, ..quic() };
            sender(record).transport = Some(TransportStats::Quic(stats));
        })
    };
    // By Little's law, 6.7 MB/s over 5 ms are 33 kB in flight, and over 12 ms 80 kB.
    assert_eq!(queued(32 << 10, 5000), Some(Cause::PathRate));
    assert_eq!(queued(32 << 10, 12_000), Some(Cause::ConnectionWindow));
    assert_eq!(queued(64 << 10, 12_000), Some(Cause::PathRate));
}

#[test]
fn a_short_queue_between_ends_that_always_work_is_their_own() {
    let queued = |rtt_us| {
        cause("h1", |record| {
            sender(record).cpu.user_s = Some(4.5);
            record.receiver.as_mut().unwrap().cpu.user_s = Some(5.0);
            let busy = TcpBusy { window_limited_us: 9_000_000, total_us: 9_900_000, ..TcpBusy::default() };
            let stats = TcpStats { rtt_us, min_rtt_us: Some(20), busy: Some(busy), ..tcp() };
            sender(record).transport = Some(TransportStats::Tcp(stats));
        })
    };
    assert_eq!(queued(3000), Some(Cause::ConnectionWindow));
    assert_eq!(queued(6000), Some(Cause::PathRate));
}

#[test]
fn the_smallest_bound_of_quic_that_was_reached_is_the_cause() {
    let bound = |blocked: QuicBlocked, cwnd, stream_window, send_window| {
        cause("h3", |record| {
            // By Little's law, 16.8 MB/s over 40.5 ms are 680 kB in flight.
            record.elapsed_s = Some(4.0);
            set(&mut record.limits, &QUIC_WINDOW, stream_window);
            set(&mut record.limits, &QUIC_SEND_WINDOW, send_window);
            set(&mut record.limits, &crate::QUIC_CONNECTION_WINDOW, 1 << 20);
            let stats = QuicStats { blocked: Some(blocked), cwnd, ..quic() };
            sender(record).transport = Some(TransportStats::Quic(stats));
        })
    };
    let (none, mib) = (QuicBlocked::default(), 1 << 20);
    let stream = QuicBlocked { stream_sent: 9, ..none };
    let connection = QuicBlocked { connection_sent: 9, ..none };
    assert_eq!(bound(stream, 8 * mib, 64 << 10, 4 * mib), Some(Cause::StreamWindow));
    assert_eq!(bound(connection, 8 * mib, 2 * mib, 4 * mib), Some(Cause::ConnectionWindow));
    assert_eq!(bound(none, 8 * mib, 64 << 10, mib), Some(Cause::SendBuffer));
    assert_eq!(bound(stream, 32 << 10, 64 << 10, 4 * mib), Some(Cause::CongestionWindow));
    assert_eq!(bound(none, 32 << 10, 2 * mib, 4 * mib), Some(Cause::CongestionWindow));
}

/// The measured figures of 4 MiB and of 64 MiB over a path of 60 ms, and of a run over loopback whose round-trip time at
/// the end was short.
#[test]
fn slow_start_is_the_cause_if_the_bytes_in_flight_stay_below_every_window() {
    let limited = |mib: u64, elapsed_s, [rtt_us, min_rtt_us]: [u64; 2]| {
        with("h3", |record| {
            (record.case.body, record.elapsed_s) = (crate::ByteSize(mib << 20), Some(elapsed_s));
            (record.sender, record.receiver) = (Some(EndRecord::default()), Some(EndRecord::default()));
            let stats = QuicStats { rtt_us, min_rtt_us: Some(min_rtt_us), cwnd: 2 << 20, ..quic() };
            sender(record).transport = Some(TransportStats::Quic(stats));
        })
        .map(|limit| limit.to_string())
    };
    let slow_start = limited(4, 0.672, [60_500, 60_200]).unwrap();
    assert_eq!(slow_start, "congestion window (full, round trip 60.5 ms)");
    let full = limited(64, 4.3, [60_500, 60_200]).unwrap();
    assert!(full.starts_with("send buffer (1MiB per 67.2 ms"), "{full}");
    let long = limited(64, 20.0, [60_500, 60_200]).unwrap_or_default();
    assert!(!long.starts_with("congestion window"), "slow start takes little of 330 round trips: {long}");
    let on_loopback = limited(32, 1.98, [107, 36]).unwrap();
    assert!(on_loopback.starts_with("send buffer (1MiB per "), "{on_loopback}");
}

/// The measured figures of 2 MiB over a path of 60 ms, with and without a loss of 5 %.
#[test]
fn losses_keep_a_congestion_window_below_a_window_of_unknown_size() {
    let limited = |elapsed_s, cwnd, lost_packets| {
        cause("h3", |record| {
            (record.case.body, record.elapsed_s) = (crate::ByteSize(2 << 20), Some(elapsed_s));
            record.receiver = None;
            (sender(record).cpu.user_s, sender(record).cpu.system_s) = (Some(0.0), Some(0.0));
            let blocked = Some(QuicBlocked { connection_sent: 22, ..QuicBlocked::default() });
            let (rtt_us, min_rtt_us) = (61_000, Some(60_500));
            let stats = QuicStats { rtt_us, min_rtt_us, cwnd, lost_packets, blocked, ..quic() };
            sender(record).transport = Some(TransportStats::Quic(stats));
        })
    };
    assert_eq!(limited(4.537, 34_811, 18), Some(Cause::CongestionWindow));
    assert_eq!(limited(0.706, 920_963, 0), Some(Cause::ConnectionWindow));
    assert_eq!(limited(0.706, 920_963, 1), Some(Cause::ConnectionWindow));
    assert_eq!(limited(4.537, 34_811, 0), Some(Cause::ConnectionWindow));
}

#[test]
fn one_end_says_what_it_can_see() {
    let upload = with("h2", |record| {
        record.receiver = None;
        sender(record).send_waits = Some(SendWaits { credit: 9, socket: 0 });
        sender(record).transport = Some(TransportStats::Tcp(tcp()));
    });
    assert_eq!(upload.unwrap().to_string(), "stream window (full, round trip 40.5 ms)");
    let download = |stats: TransportStats| {
        cause("h3", |record| {
            record.sender = None;
            record.receiver.as_mut().unwrap().transport = Some(stats);
        })
    };
    let blocked = QuicBlocked { stream_received: 5, ..QuicBlocked::default() };
    let stats = QuicStats { blocked: Some(blocked), ..quic() };
    assert_eq!(download(TransportStats::Quic(stats)), Some(Cause::StreamWindow));
    assert_eq!(download(TransportStats::Quic(quic())), None);
    assert_eq!(download(TransportStats::Tcp(tcp())), None);
}

#[test]
fn records_without_the_counters_and_failed_runs_have_no_cause() {
    assert_eq!(cause("h2", |_| {}), None);
    let old = |stats: TransportStats| cause("h1", |record| sender(record).transport = Some(stats));
    assert_eq!(old(TransportStats::Tcp(TcpStats { busy: None, min_rtt_us: None, ..tcp() })), None);
    assert_eq!(old(TransportStats::Quic(QuicStats { blocked: None, ..quic() })), None);
    let failed = cause("h2", |record| {
        sender(record).application_wait_s = Some(9.0);
        (record.outcome, record.error) = (Outcome::Error, Some(Fault::new(FaultKind::Timeout, "late")));
    });
    assert_eq!(failed, None);
}

#[test]
fn names_are_distinct() {
    let names: std::collections::BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(names.len(), Cause::ALL.len());
}

fn network(asked: &str, held: u64, passed: u64) -> impl FnOnce(&mut Record) {
    let mut network = crate::NetworkRecord::new(asked.parse().unwrap());
    network.round_trips_us = vec![Some(40_100.0)];
    (network.to_server.queue_peak_bytes, network.to_server.bytes) = (Some(held), passed);
    move |record| {
        sender(record).transport = Some(TransportStats::Tcp(TcpStats { rtt_us: 100, ..tcp() }));
        record.network = Some(Box::new(network));
    }
}

#[test]
fn the_rate_of_an_emulated_network_or_the_window_of_its_relay_is_the_cause() {
    let total = record("h1c").case.total_bytes();
    let rate = total * 8 / 10;
    let cause_of =
        |asked: &str, held: u64| with("h1c", network(asked, held, total)).map(|limit| limit.to_string());
    let used = cause_of(&format!("rtt=40ms,rate={rate}bit"), 0).unwrap();
    assert!(used.starts_with("path rate (") && used.ends_with(&format!("Mbit/s of {rate}bit/s)")), "{used}");
    let full = cause_of("rtt=40ms,queue=1MiB", 1 << 20).unwrap();
    assert!(
        full.starts_with("connection window (1MiB per ") && full.ends_with(", round trip 40.1 ms)"),
        "{full}"
    );
    assert_eq!(cause_of("rtt=40ms,queue=1MiB", 1 << 19), None);
}

/// The figures of 16 MiB over networks of packets. The times of `asked` alone make the round trips.
#[test]
fn the_delays_of_an_emulated_network_are_no_queue() {
    let over = |asked: &str, held: Option<u64>, [rtt_us, min_rtt_us]: [u64; 2]| {
        let mut network = crate::NetworkRecord::new(asked.parse().unwrap());
        network.to_server.queue_peak_bytes = held;
        with("h1", |record| {
            record.case.body = crate::ByteSize(16 << 20);
            let stats = TcpStats { rtt_us, min_rtt_us: Some(min_rtt_us), ..tcp() };
            sender(record).transport = Some(TransportStats::Tcp(stats));
            record.network = Some(Box::new(network));
        })
        .unwrap()
    };
    let jitter = over("rtt=1ms,jitter=20ms,relay=packets", Some(0), [35_800, 9200]);
    assert_eq!(jitter.cause, Cause::CongestionWindow);
    let reordering = "rtt=10ms,rate=50Mbit,reorder=2%,relay=packets";
    assert_eq!(over(reordering, Some(21_657), [12_500, 1400]).cause, Cause::CongestionWindow);
    let both = "rtt=1ms,jitter=5ms,rate=20Mbit,relay=kernel";
    assert_eq!(over(both, None, [20_000, 2000]).cause, Cause::CongestionWindow);
    assert_eq!(over(both, None, [30_000, 2000]).cause, Cause::PathRate);
    let queue = over("rtt=10ms,rate=50Mbit,relay=packets", Some(66_000), [21_000, 10_200]);
    assert_eq!(queue.evidence, "13.4 Mbit/s, round trip 21.0 ms, of which 10.6 ms in a queue");
}
