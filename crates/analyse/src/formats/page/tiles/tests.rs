use record::Record;

use super::*;
use crate::tests::{run, runs};

fn shown(records: &[Record]) -> Vec<[String; 2]> {
    tiles(&Analysis::of(records)).into_iter().map(|tile| [tile.title, tile.answer]).collect()
}

#[test]
fn protocols_are_the_fastest_only_if_their_intervals_are_apart() {
    let around = |goodput: f64| [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0].map(|off| goodput + off);
    let records = [
        runs("tcp", &around(9000.0)),
        runs("h1c", &around(5000.0)),
        runs("h2c", &around(4000.0)),
        runs("h1", &around(300.0)),
        runs("h2", &around(301.0)),
        runs("h3", &around(80.0)),
    ]
    .concat();
    let expected = [
        ["Fastest HTTP in cleartext", "h1c 5,000 MiB/s"],
        ["Fastest HTTP over TLS", "h2 or h1"],
        ["HTTP over QUIC", "h3 80.0 MiB/s"],
        ["Memory", "at most 8.0 MiB"],
    ];
    assert_eq!(shown(&records), expected);
}

#[test]
fn titles_name_only_what_distinguishes_the_bodies() {
    let both = |direction| -> Vec<Record> {
        [runs("h1c", &[3.0, 4.0]), runs("h2c", &[3.0, 4.0])]
            .concat()
            .into_iter()
            .map(|record| crate::tests::with(record, |record| record.case.direction = direction))
            .collect()
    };
    let (up, down) = (both(Direction::Up), both(Direction::Down));
    assert_eq!(shown(&up)[0][0], "Fastest HTTP in cleartext");
    let titles: Vec<String> = shown(&[up, down].concat()).into_iter().map(|[title, _]| title).collect();
    assert_eq!(
        titles,
        ["Fastest HTTP in cleartext (upload)", "Memory", "Fastest HTTP in cleartext (download)"]
    );
}

#[test]
fn memory_that_is_not_proven_comes_with_the_command_that_proves_it() {
    let records = [run("h2")];
    let [memory] = &tiles(&Analysis::of(&records))[..] else { panic!() };
    assert!(memory.detail.ends_with("Not proven constant. The proof:"), "{memory:?}");
    assert!(memory.command.as_deref().is_some_and(|command| command.starts_with("longhaul prove")));
    assert_eq!(memory.tone, Tone::Plain);
}

#[test]
fn a_speed_is_shown_with_the_limits_and_the_axes_that_produced_it() {
    let edit = |record| {
        crate::tests::with(record, |record: &mut Record| {
            record.case.network = "rtt=40ms".parse().ok();
            let wide = record::LimitValue::Bytes(408 << 10);
            record.case.limits.set(&record::H1_BUFFER, wide).unwrap();
        })
    };
    let rival = |record| {
        crate::tests::with(record, |record: &mut Record| record.case.network = "rtt=40ms".parse().ok())
    };
    let records: Vec<Record> = runs("h1c", &[40.0])
        .into_iter()
        .map(edit)
        .chain(runs("h2", &[20.0]).into_iter().map(rival))
        .collect();
    let tiles = tiles(&Analysis::of(&records));
    assert_eq!(tiles[0].title, "HTTP in cleartext (network=rtt=40ms)");
    assert_eq!(tiles[0].detail, "at 64\u{a0}KiB chunks with h1-buffer=408KiB");
    assert_eq!(tiles[1].detail, "at 64\u{a0}KiB chunks");
}

#[test]
fn an_inconclusive_proof_gets_the_remedy_for_its_reason() {
    let of_size = |mib: u64| {
        crate::tests::with(run("h2"), |record| {
            record.case.body = ByteSize(mib << 20);
            record.command = Some("longhaul prove --size 16MiB,64MiB,256MiB".into());
        })
    };
    let records = [16, 64, 256].map(of_size);
    let memory = tiles(&Analysis::of(&records)).into_iter().find(|tile| tile.title == "Memory").unwrap();
    assert!(memory.detail.ends_with("Larger bodies can decide it:"), "{memory:?}");
    assert_eq!(memory.command.as_deref(), Some("longhaul prove --protocol h2"));
}

#[test]
fn thousands_have_commas() {
    let mib = f64::from(1 << 20);
    assert_eq!([0.0, 999.0, 1000.0, 1_234_567.0].map(|n| rate(n * mib)), ["0", "999", "1,000", "1,234,567"]);
}
