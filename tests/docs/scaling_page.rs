//! The figures of docs/explanation/scaling.md follow from the committed measurements.

use std::{collections::HashMap, fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the cells of each row of the page's tables.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Returns a pair of figures such as `0.313 / 0.243`.
fn pair(cell: &str) -> [f64; 2] {
    let (a, b) = cell.split_once(" / ").unwrap();
    [a.parse().unwrap(), b.parse().unwrap()]
}

#[test]
fn cores_are_the_rate_times_the_measured_cost() {
    let measured = read("results/2026-11-27-cost/cost.tsv");
    let cost: HashMap<(&str, &str), f64> = measured
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|cells| ((cells[0], cells[1]), cells[2].parse().unwrap()))
        .collect();
    let page = read("docs/explanation/scaling.md");
    let mut protocols = 0;
    for row in rows(&page).iter().filter(|row| row.len() == 6 && row[1].contains(" / ")) {
        let Some(receiver) = cost.get(&(row[0].as_str(), "receiver")) else { continue };
        let both = [*receiver, cost[&(row[0].as_str(), "sender")]];
        assert_eq!(pair(&row[1]), both, "{row:?}");
        for (cell, gbit) in row[2..5].iter().zip([10.0, 100.0, 400.0]) {
            let gib_per_s = gbit * 1e9 / 8.0 / f64::from(1 << 30);
            for (stated, cost) in pair(cell).into_iter().zip(both) {
                assert!((stated - gib_per_s * cost).abs() <= 0.051, "{row:?}");
            }
        }
        protocols += 1;
    }
    assert_eq!(protocols, 5);
}

#[test]
fn the_streams_are_those_of_the_committed_run_and_within_their_bound() {
    let page = read("docs/explanation/scaling.md");
    let stated = rows(&page);
    let run = read("results/2026-11-28-many-streams/many-streams.tsv");
    for line in run.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let figure = |index: usize| cells[index].parse::<f64>().unwrap();
        assert!(figure(4) == figure(2) && figure(6) <= figure(7), "{line}");
        let row = stated.iter().find(|row| row[0] == cells[0] && row[1] == cells[1]).unwrap();
        let of =
            |index: usize| row[index].split(' ').next().unwrap().replace(',', "").parse::<f64>().unwrap();
        assert_eq!([of(2), of(3), of(4)], [figure(2), figure(3), figure(5)], "{line}");
        assert!((of(5) - figure(6)).abs() <= 0.5 && of(6) == figure(7), "{line}");
    }
}
