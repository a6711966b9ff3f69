use record::{Direction, FaultKind, H2_WINDOW, LimitValue, Purpose, Record, Subject};

use super::*;
use crate::tests::{failed, run, with, with_peak};

fn answer(records: &[Record]) -> String {
    MemoryAnswer::of(&Analysis::of(records)).unwrap().to_string()
}

#[test]
fn peaks_are_those_of_http_without_controls_and_the_command_names_the_protocols() {
    let control = with(with_peak(run("h1c"), End::Receiver, 300 << 20), |record| {
        (record.purpose, record.label) = (Some(Purpose::Control), Some("control".into()));
    });
    let records = [
        with_peak(run("tcp"), End::Sender, 99 << 20),
        with_peak(run("h2c"), End::Sender, 9 << 20),
        run("h3"),
    ];
    assert_eq!(
        answer(&records),
        "Peak RSS: sender 9.0, receiver 8.0 MiB (50 % of budget); proof: longhaul prove --protocol h2c,h3"
    );
    // A control among the records makes them a proof.
    let with_control = [&records[..], &[control]].concat();
    assert!(!answer(&with_control).contains("300"), "{}", answer(&with_control));
    let five = ["h1c", "h2c", "h1", "h2", "h3"].map(run);
    assert!(answer(&five).ends_with("; proof: longhaul prove"));
}

#[test]
fn a_program_has_the_name_of_its_role_in_both_directions_and_its_failed_runs_do_not_count() {
    let of = |direction, mib: u64| {
        let record = with(run("h1c"), |record| {
            record.case.direction = direction;
            record.subject = Some(Subject::Client);
        });
        with_peak(record, Subject::Client.end(direction), mib << 20)
    };
    let (up, down) = (of(Direction::Up, 9), of(Direction::Down, 7));
    assert!(answer(&[up.clone(), down]).starts_with("Peak RSS: client 9.0 MiB ("));
    let failed = with(up, |record| record.outcome = failed("h1c", FaultKind::Program).outcome);
    assert_eq!(MemoryAnswer::of(&Analysis::of(&[failed])), None);
}

#[test]
fn the_command_has_the_limits_and_the_load_of_the_rows() {
    let record = with(run("h2"), |record| {
        record.case.connections = 4;
        record.case.limits.set(&H2_WINDOW, LimitValue::Bytes(4 << 20)).unwrap();
    });
    assert!(
        answer(std::slice::from_ref(&record))
            .ends_with("longhaul prove --protocol h2 --connections 4 --h2-window 4MiB --streams 1"),
        "{}",
        answer(std::slice::from_ref(&record))
    );
    let usual = with(run("h2"), |record| record.case.connections = 4);
    let mixed = [record.clone(), usual, with(run("h1"), |record| record.case.connections = 4)];
    assert!(
        answer(&mixed).ends_with("longhaul prove --protocol h1,h2 --connections 4 --streams 1"),
        "a limit of some rows only: {}",
        answer(&mixed)
    );
    let other = with(run("h1"), |record| record.case.connections = 4);
    assert!(
        answer(&[record, other]).ends_with("--connections 4 --h2-window 4MiB --streams 1"),
        "a limit that one protocol knows"
    );
    let peer = with(run("h2"), |record| record.peer = Some("https://a/".into()));
    assert!(answer(&[peer]).ends_with("; not proven"));
}

/// Returns records of a proof with three sizes of body, which have too few samples to decide.
fn small_proof(command: &str, edit: impl Fn(&mut Record)) -> Vec<Record> {
    let of_size = |mib: u64| {
        with(run("h2"), |record| {
            record.case.body = ByteSize(mib << 20);
            record.command = Some(command.into());
            edit(record);
        })
    };
    [16, 64, 256].map(of_size).into()
}

#[test]
fn a_proof_with_too_few_samples_asks_for_larger_bodies_with_the_axes_of_the_user() {
    let axes = "longhaul prove --protocol h2 --size 16MiB,64MiB,256MiB --chunk-size 64KiB --direction=up";
    let records = small_proof(axes, |record| record.case.limit_rate = "1GiB".parse().ok());
    let text = answer(&records);
    let expected = "the proof is inconclusive; with larger bodies: longhaul prove --protocol h2 --chunk-size 64KiB --direction up --limit-rate 1GiB";
    assert!(text.ends_with(expected), "{text}");
    let text = answer(&small_proof("longhaul prove --protocol h2", |_| ()));
    assert!(text.ends_with("larger bodies: longhaul prove --protocol h2 --size 64MiB,256MiB,1GiB"), "{text}");
    let long = small_proof(axes, |record| record.case.body = ByteSize(record.case.body.0 << 8));
    assert!(
        answer(&long).contains(" --size 16GiB,64GiB,256GiB"),
        "larger than the defaults: {}",
        answer(&long)
    );
    let slow = small_proof(axes, |record| {
        // The fast reader of a proof has no rate.
        let is_slow = record.case.body.0 > 16 << 20;
        record.case.reader_rate = is_slow.then(|| "50MiB".parse().unwrap());
    });
    assert!(answer(&slow).contains(" --reader-rate 50MiB"), "{}", answer(&slow));
    let of_peer = answer(&small_proof(axes, |record| record.peer = Some("https://a/".into())));
    assert!(of_peer.ends_with("; not proven: the proof is inconclusive"), "{of_peer}");
}

#[test]
fn a_repetition_with_more_rounds_keeps_the_axes_of_the_user() {
    let repeated = |command: &str| {
        let records = small_proof(command, |record| {
            record.case.network = "rtt=40ms".parse().ok();
            record.case.sink = record::SinkKind::Discard;
        });
        let analysis = Analysis::of(&records);
        command::with_more_rounds(&analysis.rows.iter().collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(
        repeated("longhaul prove --size 16MiB,64MiB,256MiB --direction up"),
        "longhaul prove --protocol h2 --direction up --network rtt=40ms --rounds 2 --sink discard --size 16MiB,64MiB,256MiB"
    );
    assert_eq!(
        repeated("longhaul prove"),
        "longhaul prove --protocol h2 --network rtt=40ms --rounds 2 --sink discard"
    );
    let one_size = &small_proof("longhaul prove --size 16MiB", |_| ())[..1];
    let analysis = Analysis::of(one_size);
    let command = command::with_more_rounds(&analysis.rows.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(command, "longhaul prove --protocol h2 --rounds 2", "one size shows no slope of peak RSS");
}

#[test]
fn evidence_is_the_end_of_a_sentence() {
    let proven = |bytes_per_gib, has_controls| {
        MemoryEvidence::Proven { bytes_per_gib, largest: ByteSize(4 << 30), has_controls }.to_string()
    };
    assert_eq!(proven(Some(900.0), true), "proven constant up to 4GiB, at most 0.9 KiB per GiB");
    assert_eq!(proven(None, false), "proven constant up to 4GiB, without controls");
}
