//! Remarks on conditions of the runs that the figures do not show.

use std::collections::BTreeSet;

use record::{CoreRoundTrip, End, Record, TransportStats};

use crate::machines;

/// Returns a sentence with the sizes of segments and packets if both TCP and QUIC were measured. These sizes are part
/// of the difference between their rows.
pub(crate) fn packets(records: &[Record]) -> Option<String> {
    let (mut segments, mut packets) = (BTreeSet::new(), BTreeSet::new());
    for record in records.iter().filter(|record| record.peer_program.is_none()) {
        let counted = End::ALL.into_iter().find_map(|end| record.end(end)?.transport.as_ref());
        let (Some(counted), Some(bytes)) = (counted, record.link.as_ref().and_then(|link| link.mtu)) else {
            continue;
        };
        match counted {
            TransportStats::Tcp(_) => segments.insert(bytes),
            TransportStats::Quic(_) => packets.insert(bytes),
        };
    }
    let (least, most) = (*packets.first()?, *segments.last()?);
    let is_local = |record: &Record| {
        record.peer_host.is_none() && (record.peer.is_none() || record.peer_program.is_some())
    };
    let place = if records.iter().all(is_local) { " on loopback" } else { "" };
    let remedy =
        if least < most / 2 { "; for packets of one size: bench --quic-profile loopback" } else { "" };
    Some(format!("TCP: {} segments{place}, QUIC: {} packets{remedy}", sizes(&segments), sizes(&packets)))
}

/// Returns sizes as adjectives: "64 KiB", or "1,452-byte and 6,400-byte".
fn sizes(all: &BTreeSet<u64>) -> String {
    let size = |bytes: &u64| match bytes {
        0..1_000 => format!("{bytes}-byte"),
        1_000..10_240 => format!("{},{:03}-byte", bytes / 1000, bytes % 1000),
        _ => format!("{:.0} KiB", *bytes as f64 / 1024.0),
    };
    let texts: BTreeSet<String> = all.iter().map(size).collect();
    texts.into_iter().collect::<Vec<_>>().join(" and ")
}

/// Returns a sentence if the cores of the two ends were far apart in at least one run. `None` if they were far apart in
/// all runs, and a warning in these records says so.
pub(crate) fn core_distance(records: &[Record]) -> Option<String> {
    let trips = || records.iter().filter_map(|record| record.core_round_trip);
    let far = trips().filter(|trip| trip.is_far()).count();
    let most = trips().filter(|trip| trip.is_far()).map(CoreRoundTrip::longest).max()?.as_nanos();
    let near = trips().filter(|trip| !trip.is_far()).map(CoreRoundTrip::longest).max();
    let is_warned = || {
        let is_far = |record: &&Record| record.core_round_trip.is_some_and(CoreRoundTrip::is_far);
        records
            .iter()
            .filter(is_far)
            .all(|record| record.warnings.iter().any(|warning| warning.name == CoreRoundTrip::CONDITION))
    };
    Some(match near {
        None if is_warned() => return None,
        None => format!(
            "the cores of the two ends were far apart (a cache line took up to {most} ns there and back); see longhaul doctor"
        ),
        Some(near) => format!(
            "in {far} of {} runs the cores of the two ends were far apart (a cache line took up to {most} ns there and back \
             instead of {}): these runs are slower, also than a ceiling or a plain loop of their round; bench --settle 5s \
             waits for near cores",
            trips().count(),
            near.as_nanos(),
        ),
    })
}

/// Returns a sentence that names the machines if the records are from several machines; `None` if all can be from one.
pub(crate) fn other_machines(records: &[Record]) -> Option<String> {
    (!machines::is_one(records)).then(|| {
        format!(
            "the records are from different machines ({}): their speeds are not comparable",
            machines::names(records)
        )
    })
}

/// Returns a sentence for each pair of machines between which runs were made. The sentence names both machines.
pub(crate) fn hosts(records: &[Record]) -> Vec<String> {
    let pair = |record: &Record| {
        let peer = record.peer_host.as_deref()?;
        let (client, server) = (machines::described(&record.host), machines::described(peer));
        Some(format!("over a network: the client on {client}, the server on {server}"))
    };
    let pairs: BTreeSet<String> = records.iter().filter_map(pair).collect();
    pairs.into_iter().collect()
}

/// Returns a sentence if the framing was observed in some runs but not in all, since observation takes processor time.
pub(crate) fn some_observed(records: &[Record]) -> Option<String> {
    let observed: Vec<bool> = records.iter().filter_map(observes_framing).collect();
    let (some, all) = (observed.iter().filter(|is_observed| **is_observed).count(), observed.len());
    (some > 0 && some < all).then(|| {
        format!("the framing was observed in {some} of {all} runs (--observe-framing): these runs are slower")
    })
}

/// Returns whether the receiver of a run observed the framing; `None` if the receiver made no report, or is not
/// longhaul's.
pub(crate) fn observes_framing(record: &Record) -> Option<bool> {
    let subject = record.subject.map(|subject| subject.end(record.case.direction));
    let receiver = record.end(End::Receiver).filter(|_| subject != Some(End::Receiver))?;
    Some(receiver.framing.is_some())
}

#[cfg(test)]
mod tests {
    use record::{FaultKind, LinkRecord, Subject, Warning};

    use super::*;
    use crate::tests::{failed, run, with};

    fn at(before_ns: u64, after_ns: u64) -> Record {
        with(run("tcp"), |record| record.core_round_trip = Some(CoreRoundTrip { before_ns, after_ns }))
    }

    #[test]
    fn sizes_of_segments_and_packets_are_stated_where_both_are_shown() {
        let sized = |protocol: &str, transport: TransportStats, mtu: u64| {
            with(run(protocol), |record| {
                let mut link = LinkRecord::default();
                link.mtu = Some(mtu);
                record.link = Some(link);
                record.sender.as_mut().unwrap().transport = Some(transport);
            })
        };
        let tcp = || sized("h2", TransportStats::Tcp(Default::default()), 65_483);
        let quic = |mtu: u64| sized("h3", TransportStats::Quic(Default::default()), mtu);
        assert_eq!(packets(&[tcp(), tcp(), run("h1")]), None);
        assert_eq!(
            packets(&[tcp(), quic(1452)]).unwrap(),
            "TCP: 64 KiB segments on loopback, QUIC: 1,452-byte packets; \
             for packets of one size: bench --quic-profile loopback"
        );
        assert_eq!(
            packets(&[tcp(), quic(65_507)]).unwrap(),
            "TCP: 64 KiB segments on loopback, QUIC: 64 KiB packets"
        );
    }

    #[test]
    fn observed_runs_among_others_are_counted() {
        let observed =
            || with(run("h2"), |record| record.receiver.as_mut().unwrap().framing = Some(Box::default()));
        let received_by_a_program = with(run("h2"), |record| record.subject = Some(Subject::Server));
        assert_eq!(some_observed(&[observed(), received_by_a_program]), None);
        assert_eq!(some_observed(&[run("h2"), run("h2")]), None);
        assert_eq!(some_observed(&[observed(), observed(), failed("h2", FaultKind::Timeout)]), None);
        let note = some_observed(&[observed(), run("h2"), run("h1")]).unwrap();
        assert!(note.contains("in 1 of 3 runs"), "{note}");
    }

    #[test]
    fn both_machines_of_runs_over_a_network_are_named() {
        let over_network = with(run("h2"), |record| {
            record.host.name = Some("a".into());
            let mut peer = record::Host::default();
            (peer.name, peer.cores) = (Some("b".into()), Some(4));
            record.peer_host = Some(peer.into());
        });
        assert!(hosts(&[run("h2")]).is_empty());
        let notes = hosts(&[over_network.clone(), over_network]);
        assert_eq!(notes, ["over a network: the client on a, the server on b (4 cores)"]);
    }

    #[test]
    fn several_machines_are_named() {
        let on = |name: &str| with(run("h2"), |record| record.host.name = Some(name.into()));
        assert_eq!(other_machines(&[on("a"), on("a")]), None);
        let note = other_machines(&[on("a"), on("b")]).unwrap();
        assert!(note.contains("(a and b): their speeds are not comparable"), "{note}");
    }

    #[test]
    fn runs_with_distant_cores_are_counted() {
        assert_eq!(core_distance(&[run("tcp"), at(50, 60)]), None, "unknown, and near");
        let some = core_distance(&[at(50, 60), at(50, 340), at(320, 330), run("tcp")]).unwrap();
        assert!(some.starts_with("in 2 of 3 runs ") && some.contains("up to 340 ns"), "{some}");
        assert!(some.contains("instead of 60"), "{some}");
        assert!(core_distance(&[at(320, 330)]).unwrap().contains("up to 330 ns"));
        let warned = |record| {
            with(record, |record| {
                record.warnings = vec![Warning::new(CoreRoundTrip::CONDITION, "they share no cache", "less")]
            })
        };
        assert_eq!(core_distance(&[warned(at(320, 330))]), None);
        assert!(core_distance(&[warned(at(320, 330)), at(50, 60)]).is_some());
    }
}
