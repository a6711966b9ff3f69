use record::{CONGESTION, H1_BUFFER, Limit, LimitValue, Record};

use super::*;
use crate::tests::{runs, with};

/// Returns six goodputs around a median, whose interval is 0.3 to either side.
fn around(goodput: f64) -> [f64; 6] {
    [-0.3, -0.2, -0.1, 0.1, 0.2, 0.3].map(|off| goodput + off)
}

fn at(chunk: u64, records: Vec<Record>) -> Vec<Record> {
    let resized = |record: Record| with(record, |record| record.case.chunk = chunk.try_into().unwrap());
    records.into_iter().map(resized).collect()
}

fn answers(records: &[Record]) -> Vec<SpeedAnswer> {
    all(&Analysis::of(records))
}

#[test]
fn each_class_has_its_fastest_protocol_and_baselines_take_no_part() {
    let records = [
        runs("tcp", &around(90.0)),
        runs("h1c", &around(50.0)),
        at(1 << 20, runs("h2c", &around(60.0))),
        runs("h1", &around(30.0)),
        runs("h2", &around(30.1)),
        runs("quic", &around(9.0)),
        runs("h3", &around(8.0)),
    ]
    .concat();
    let [answer] = &answers(&records)[..] else { panic!() };
    let found: Vec<_> = answer
        .contests
        .iter()
        .map(|contest| {
            let names: Vec<_> = contest.leaders.iter().map(|leader| leader.protocol.as_str()).collect();
            (contest.class, names, contest.is_alone)
        })
        .collect();
    assert_eq!(
        found,
        [
            (CarrierClass::Cleartext, vec!["h2c"], false),
            (CarrierClass::Tls, vec!["h2", "h1"], false),
            (CarrierClass::Quic, vec!["h3"], true),
        ]
    );
    assert_eq!(
        answer.fastest_line().unwrap(),
        "Fastest, MiB/s: TCP h2c 60.0 ±1 % at 1MiB; TLS h2 or h1 30.1 ±1 % at 64KiB; QUIC h3 8.00 ±4 % at 64KiB (no rival)"
    );
}

#[test]
fn empty_bodies_take_no_part() {
    let empty = || [runs("h1c", &[0.0; 6]), runs("h2c", &[0.0; 6])].concat();
    let lines = |records: &[Record]| -> Vec<String> {
        answers(records).iter().filter_map(SpeedAnswer::fastest_line).collect()
    };
    assert_eq!(lines(&empty()), Vec::<String>::new());
    let moved = [empty(), runs("h1", &around(30.0)), runs("h2", &around(20.0))].concat();
    assert!(lines(&moved).concat().contains("TLS h1 30.0"), "{:?}", lines(&moved));
    assert!(!lines(&moved).concat().contains("NaN"), "{:?}", lines(&moved));
}

#[test]
fn one_case_has_no_answer_and_few_runs_tell_nothing_apart() {
    assert_eq!(answers(&[runs("tcp", &around(9.0)), runs("h2c", &around(5.0))].concat()), []);
    let few = [runs("h1c", &[50.0, 51.0]), runs("h2c", &[10.0, 11.0])].concat();
    let [answer] = &answers(&few)[..] else { panic!() };
    assert_eq!(answer.contests[0].leaders.len(), 2);
    assert_eq!(
        answer.fastest_line().unwrap(),
        "Fastest at 64KiB, MiB/s: TCP h1c or h2c 50.5; too few rounds for intervals"
    );
    let interrupted = [runs("h1", &[50.0]), runs("h2", &[10.0, 11.0])].concat();
    let [answer] = &answers(&interrupted)[..] else { panic!() };
    assert_eq!(
        answer.fastest_line().unwrap(),
        "Fastest at 64KiB, MiB/s: TLS h1 or h2 50.0; too few rounds for intervals"
    );
}

#[test]
fn the_smallest_chunk_suffices_unless_a_smaller_one_is_not_told_apart() {
    let chunks = |protocol: &str, goodputs: [f64; 3]| -> Vec<Record> {
        let sizes = [4 << 10, 64 << 10, 1 << 20].into_iter().zip(goodputs);
        sizes.flat_map(|(size, goodput)| at(size, runs(protocol, &around(goodput)))).collect()
    };
    let records = [
        chunks("h1c", [50.0, 97.0, 100.0]),
        chunks("h2c", [96.0, 97.0, 100.0]),
        // The medians are 0.4 apart, and each interval reaches 0.3 to either side.
        chunks("h1", [5.0, 5.0, 5.4]),
    ]
    .concat();
    let [answer] = &answers(&records)[..] else { panic!() };
    assert_eq!(
        answer.chunk_line().unwrap(),
        "Smallest chunk for 95 % of best: 4KiB (h2c); 64KiB (h1c); unclear (h1)"
    );
    assert_eq!(answer.chunks[0].share, Some(0.97));
}

#[test]
fn rows_that_move_other_bodies_have_answers_of_their_own() {
    let down = |record: Record| with(record, |record| record.case.direction = Direction::Down);
    let up = [runs("h1c", &around(5.0)), runs("h2c", &around(4.0)), runs("h1", &around(3.0))].concat();
    let down: Vec<Record> = up[6..].iter().cloned().map(down).collect();
    let answers = answers(&[&up[..], &down].concat());
    assert_eq!(
        answers.iter().map(SpeedAnswer::scope).collect::<Vec<_>>(),
        ["up, 2GiB", "down, 2GiB"],
        "the set with more rows first"
    );
}

fn limited(limit: &'static Limit, value: LimitValue, records: Vec<Record>) -> Vec<Record> {
    let set =
        |record| with(record, |record: &mut Record| record.case.limits.set(limit, value.clone()).unwrap());
    records.into_iter().map(set).collect()
}

fn labelled(label: &str, records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| with(record, |record| record.label = Some(label.into()))).collect()
}

#[test]
fn a_leader_is_named_with_the_limits_that_produced_its_goodput() {
    let wide = |protocol: &str, goodput: f64| {
        limited(&H1_BUFFER, LimitValue::Bytes(408 << 10), runs(protocol, &around(goodput)))
    };
    let of_rivals =
        [runs("h1c", &around(50.0)), runs("h2c", &around(40.0)), runs("h2", &around(30.0))].concat();
    let line = |records: &[Record]| answers(records)[0].fastest_line().unwrap();
    assert_eq!(
        line(&[wide("h1c", 60.0), of_rivals.clone()].concat()),
        "Fastest at 64KiB, MiB/s: TCP h1c 60.0 ±1 % with h1-buffer=408KiB; TLS h2 30.0 ±2 % (no rival)"
    );
    assert_eq!(
        line(&[wide("h1c", 60.0), wide("h1", 20.0)].concat()),
        "Goodput at 64KiB with h1-buffer=408KiB, MiB/s: TCP h1c 60.0 ±1 %; TLS h1 20.0 ±2 %"
    );
    assert!(!line(&[wide("h1c", 45.0), of_rivals].concat()).contains("with"), "the default is faster");
}

#[test]
fn the_smallest_chunk_is_among_rows_with_equal_limits() {
    let wide = limited(&H1_BUFFER, LimitValue::Bytes(408 << 10), runs("h1c", &around(60.0)));
    let line = |records: &[Record]| answers(records)[0].chunk_line();
    let usual = runs("h1c", &around(59.0));
    assert_eq!(line(&[wide.clone(), usual].concat()), None, "one size of chunk");
    let large = at(1 << 20, runs("h1c", &around(99.0)));
    let small = at(4 << 10, runs("h1c", &around(98.0)));
    let expected = Some("Smallest chunk for 95 % of best: 4KiB (h1c)".to_owned());
    assert_eq!(line(&[wide, large, small].concat()), expected);
}

#[test]
fn of_sets_with_as_many_rows_the_one_at_more_defaults_comes_first() {
    let pair = || [runs("h1c", &around(50.0)), runs("h2c", &around(40.0))].concat();
    let auto = labelled("congestion", limited(&CONGESTION, LimitValue::Auto, pair()));
    let tuned = labelled("tuned", pair());
    let first = |records: &[Record]| answers(records)[0].scope();
    assert_eq!(first(&[auto.clone(), tuned.clone()].concat()), "up, 2GiB, 'tuned'");
    let slow = |record| with(record, |record: &mut Record| record.case.limit_rate = "99MiB".parse().ok());
    let slowed: Vec<Record> = pair().into_iter().map(slow).collect();
    assert_eq!(first(&[slowed, auto, tuned, pair()].concat()), "up, 2GiB");
}

#[test]
fn an_answer_names_rates_and_load_that_are_not_at_their_defaults() {
    let held = |record| {
        with(record, |record: &mut Record| {
            record.case.limit_rate = "20MiB".parse().ok();
            record.case.connections = 4;
            record.label = Some("a label of all records, which distinguishes nothing".into());
        })
    };
    let records: Vec<Record> =
        [runs("h1c", &around(20.0)), runs("h2", &around(20.0))].concat().into_iter().map(held).collect();
    let lines = Analysis::of(&records).answer().lines();
    assert!(lines[0].ends_with(" (c4s1+limit=20MiB)"), "{lines:?}");
    assert!(!lines[0].contains("label"), "{lines:?}");
}
