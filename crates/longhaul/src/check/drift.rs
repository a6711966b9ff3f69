//! Whether memory is what it was: peaks against those of other records, in both directions.

use crate::{
    ceilings::Band,
    distinct::distinct,
    record::{End, Outcome, Record},
    report::median,
    size::mib,
};

/// Cases of which both sets of records have a peak that lies outside the band, and those that one of them
/// lacks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Drifted {
    pub(super) compared: usize,
    pub(super) outside: Vec<String>,
    pub(super) unmatched: Vec<String>,
}

/// Compares the medians of all runs of a case.
pub(super) fn compare(before: &[Record], now: &[Record], band: Band) -> Drifted {
    let mut drifted = Drifted::default();
    for name in distinct(now.iter().chain(before).map(|record| record.case.name.as_str())) {
        for end in [End::Sender, End::Receiver] {
            match (peak(before, name, end), peak(now, name, end)) {
                (Some(before), Some(now)) => {
                    drifted.compared += 1;
                    drifted.outside.extend(outside(name, end, before, now, band));
                }
                (None, Some(_)) => {
                    drifted.unmatched.push(format!("NEW  {name} {end}: nothing to compare with"))
                }
                (Some(_), None) => {
                    drifted.unmatched.push(format!("MISSING  {name} {end}: it was measured before"))
                }
                (None, None) => {}
            }
        }
    }
    drifted
}

fn outside(name: &str, end: End, before: f64, now: f64, band: Band) -> Option<String> {
    let band = match band {
        Band::Bytes(bytes) => bytes.0 as f64,
        Band::Percent(percent) => before * percent / 100.0,
    };
    let [now_mib, before_mib, band_mib] = [now, before, band].map(|bytes| mib(bytes as u64));
    let way = if now > before { "rose" } else { "fell" };
    ((now - before).abs() > band).then(|| {
        format!(
            "DRIFT  {name} {end}: expected {before_mib:.1} MiB give or take {band_mib:.1}, it {way} to {now_mib:.1} MiB"
        )
    })
}

/// The median peak RSS of an end, in bytes.
fn peak(records: &[Record], name: &str, end: End) -> Option<f64> {
    let mine = records.iter().filter(|record| record.case.name == name && record.outcome == Outcome::Ok);
    median(mine.filter_map(|record| Some(record.end(end)?.memory.peak_rss_bytes? as f64)))
}
