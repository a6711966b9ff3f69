use std::thread::sleep;

use super::*;

#[test]
fn a_body_of_known_timing_is_measured_as_such() {
    let meter = Meter::new(1 << 20);
    let mut flow = meter.flow();
    for _ in 0..25 {
        sleep(Duration::from_millis(2));
        flow.pass(1 << 19);
        sleep(Duration::from_millis(2));
        flow.pass(1 << 19);
    }
    let readings = meter.readings();
    let throughput = readings.throughput.unwrap();
    assert_eq!((readings.bytes, throughput.samples), (25 << 20, 25));
    // A sleep never ends early, so no window can be faster than 1 MiB in 4 ms.
    assert!(throughput.max <= 262_144_000 + 262_144, "{throughput:?}");
    assert!(throughput.p50 > 20_000_000, "{throughput:?}");
}

#[test]
fn a_stall_shows_in_the_lowest_percentile_and_as_the_longest_silence() {
    let meter = Meter::new(64 << 10);
    let mut flow = meter.flow();
    // There are 600 windows of at least half a millisecond. One of them contains a stall of half of the total time.
    let began = Stamp::now();
    for chunk in 0..600 * 16 {
        if chunk % 16 == 0 {
            sleep(Duration::from_micros(500));
        }
        if chunk == 5000 {
            sleep(began.elapsed());
        }
        flow.pass(64 << 10);
    }
    let readings = meter.readings();
    let (throughput, silence) = (readings.throughput.unwrap(), readings.longest_silence.unwrap());
    assert_eq!(throughput.samples, 600);
    let stalled = f64::from(1 << 20) / silence.as_secs_f64();
    assert!((throughput.p1 as f64) < 1.1 * stalled, "{throughput:?} {silence:?}");
    assert!(throughput.under_half_median.unwrap() > 0.2, "{throughput:?}");
    assert!(silence > Duration::from_millis(100), "{silence:?}");
}

#[test]
fn a_stall_before_the_last_bytes_counts_although_they_fill_no_window() {
    let meter = Meter::new(1000);
    let mut flow = meter.flow();
    (0..30_000).for_each(|_| _ = flow.pass(1000));
    let before = meter.readings().longest_silence.unwrap();
    sleep(Duration::from_millis(50) + before);
    flow.pass(1);
    flow.finish();
    let readings = meter.readings();
    assert!(readings.longest_silence.unwrap() >= Duration::from_millis(50) + before);
    assert!(readings.throughput.unwrap().min < 21_000_000);
}

#[test]
fn the_window_is_at_least_a_chunk() {
    let meter = Meter::new(4 << 20);
    let mut flow = meter.flow();
    (0..80).for_each(|_| _ = flow.pass(1 << 20));
    let throughput = meter.readings().throughput.unwrap();
    assert_eq!((throughput.window_bytes, throughput.samples), (4 << 20, 20));
}

#[test]
fn windows_cover_the_same_bytes_whatever_the_pieces() {
    for piece in [1400, 65_535, 100_000, 3 << 20] {
        let meter = Meter::new(64 << 10);
        let mut flow = meter.flow();
        let (pieces, rest) = ((64 << 20) / piece, (64 << 20) % piece);
        (0..pieces).for_each(|_| _ = flow.pass(piece));
        flow.pass(rest);
        flow.finish();
        let throughput = meter.readings().throughput.unwrap();
        let expected = if piece > 1 << 20 { 22 } else { 64 };
        assert_eq!(throughput.samples, expected, "{piece}");
    }
}

#[test]
fn a_counting_meter_counts_and_keeps_no_distribution() {
    let meter = Meter::counting();
    let mut flow = meter.flow();
    (0..100).for_each(|_| _ = flow.pass(1 << 20));
    flow.waited(Duration::from_micros(5));
    flow.finish();
    let readings = meter.readings();
    assert_eq!((readings.bytes, meter.bytes()), (100 << 20, 100 << 20));
    assert!(readings.first_byte.is_some());
    assert!(readings.throughput.is_none() && readings.pull_wait.is_none());
    assert!(readings.longest_silence.is_none() && readings.stamp_every_chunks.is_none());
    let state = meter.state();
    assert!(state.rates.is_none() && state.waits.is_none());
}

#[test]
fn meters_of_threads_merge_into_the_readings_of_all_bytes() {
    let meters = Meter::of_threads(64 << 10, None, 3);
    std::thread::scope(|scope| {
        for (i, meter) in meters.iter().enumerate() {
            scope.spawn(move || {
                let mut flow = meter.flow();
                for _ in 0..160 * (i + 1) {
                    flow.pass(64 << 10);
                    flow.waited(Duration::from_micros(5));
                }
                flow.finish();
            });
        }
    });
    let merged = Meter::merged(&meters).unwrap();
    let parts: Vec<_> = meters.iter().map(Meter::readings).collect();
    assert_eq!(merged.bytes, 60 << 20);
    assert_eq!(parts.iter().map(|part| part.bytes).collect::<Vec<_>>(), [10 << 20, 20 << 20, 30 << 20]);
    assert_eq!(merged.throughput.unwrap().samples, 60, "windows that no thread has enough of");
    assert!(parts[0].throughput.is_none());
    assert_eq!(merged.first_byte, parts.iter().filter_map(|part| part.first_byte).min());
    assert_eq!(merged.longest_silence, parts.iter().filter_map(|part| part.longest_silence).max());
    assert!((4_990..5_010).contains(&merged.pull_wait.unwrap().p50));
    assert!(Meter::merged(&[]).is_none() && Meter::of_threads(1, None, 0).len() == 1);
}

#[test]
fn a_trace_has_the_offsets_of_the_stamps_at_both_ends() {
    let offsets = |piece: usize| {
        let meter = Meter::new(1000);
        meter.trace(2);
        let (mut flow, mut other) = (meter.of_body(1).flow(), meter.of_body(2).flow());
        other.pass(100_000);
        (0..6_500_000_usize.div_ceil(piece)).for_each(|_| _ = flow.pass(piece));
        let marks = meter.marks();
        assert_eq!(
            (marks.len(), marks[0].len()),
            (2, 0),
            "a body without a number of its own, and one beyond all"
        );
        marks[1].iter().map(|(offset, _)| *offset).collect::<Vec<_>>()
    };
    // 67 is the first odd number of chunks of 1,000 bytes that covers 64 KiB.
    assert_eq!(offsets(1000), (1..=97).collect::<Vec<_>>());
    assert_eq!(offsets(100_000), offsets(1000));
    assert!(Meter::new(1000).marks().is_empty());
}

#[test]
fn a_body_at_a_low_rate_has_up_to_a_thousand_stamps_in_a_second() {
    let every = |rate| Meter::paced(1000, rate).readings().stamp_every_chunks;
    assert_eq!(every(None), Some(67));
    assert_eq!(every(Some(1 << 30)), Some(67));
    assert_eq!(every(Some(10_000_000)), Some(11));
    assert_eq!(every(Some(100_000)), Some(1));
}
