//! Tests of charts.

use record::{ChunkSize, Record, SinkKind};

use super::*;
use crate::{
    Analysis,
    tests::{run, with},
};

#[test]
fn a_picture_has_a_line_for_each_protocol_of_one_setup() {
    let of = |protocol: &str, chunk: u64, sink: SinkKind| -> Record {
        let mut case = record::Case::new(protocol);
        (case.chunk, case.sink) = (ChunkSize::try_from(chunk).unwrap(), sink);
        with(run(protocol), |record| record.case = case)
    };
    let records = [
        of("h2", 1 << 16, SinkKind::Verify),
        of("h2", 1 << 14, SinkKind::Verify),
        of("pigeon", 1 << 16, SinkKind::Verify),
        of("h3", 1 << 20, SinkKind::Discard),
    ];
    let analysis = Analysis::of(&records);
    let folder = tempfile::tempdir().unwrap();
    write_pictures(&Report::new("", &records, &analysis), folder.path()).unwrap();
    let svg = std::fs::read_to_string(folder.path().join("goodput-up.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("MiB/s") && svg.contains("bodies of 2GiB"), "{svg}");
    assert!(svg.contains("pigeon"), "{svg}");
    assert!(svg.contains(palette::light("orange").to_uppercase().as_str()), "h2 as on the page: {svg}");
    assert!(svg.contains("prefers-color-scheme: dark"), "{svg}");
    let lines = &pictures(&analysis.rows, Direction::Up)[0].lines;
    assert_eq!(lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(lines[0].points[0].0, 1 << 14);
    assert!(folder.path().join("peak-rss-receiver-up.svg").exists());
}

#[test]
fn a_line_has_one_set_of_limits() {
    let of = |chunk: u64, window: u64| {
        with(run("h2"), |record| {
            record.case.chunk = ChunkSize::try_from(chunk).unwrap();
            record.case.limits.set(&record::H2_WINDOW, record::LimitValue::Bytes(window)).unwrap();
        })
    };
    let windows = [1 << 20, 8 << 20];
    let records: Vec<Record> =
        windows.into_iter().flat_map(|window| [of(1 << 14, window), of(1 << 16, window)]).collect();
    let analysis = Analysis::of(&records);
    let picture = &pictures(&analysis.rows, Direction::Up)[0];
    assert_eq!(picture.lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [2]);
    assert!(picture.title.contains("h2-window="), "{}", picture.title);
}

#[test]
fn names_of_lines_that_end_together_do_not_overlap() {
    let mut places = [100, 101, 99, 460, 300];
    move_apart(&mut places, 16, 464);
    assert_eq!(places, [115, 131, 99, 460, 300]);
    let mut low = [464, 464, 464];
    move_apart(&mut low, 16, 464);
    assert_eq!(low, [432, 448, 464]);
}

/// Returns the number of vertical lines in a chart: the axis, and bars that are longer than a point.
fn uprights(records: &[Record]) -> usize {
    let analysis = Analysis::of(records);
    let folder = tempfile::tempdir().unwrap();
    write_pictures(&Report::new("", records, &analysis), folder.path()).unwrap();
    let svg = std::fs::read_to_string(folder.path().join("goodput-up.svg")).unwrap();
    let points = svg.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let is_upright = |points: &&str| {
        let ends: Vec<_> = points.split_whitespace().filter_map(|point| point.split_once(',')).collect();
        matches!(ends.as_slice(), [(a, from), (b, to)] if a == b && from != to)
    };
    points.filter(is_upright).count()
}

#[test]
fn runs_that_differ_have_a_bar_over_their_range() {
    let of = |chunk: u64, goodput: f64| {
        let mut case = record::Case::new("h2");
        case.chunk = ChunkSize::try_from(chunk).unwrap();
        with(run("h2"), |record| (record.case, record.goodput_bytes_per_s) = (case, Some(goodput)))
    };
    let mut records = vec![of(1 << 16, 3e9), of(1 << 14, 2e9)];
    let before = uprights(&records);
    records.push(of(1 << 16, 4e9));
    assert_eq!(uprights(&records), before + 1);
}
