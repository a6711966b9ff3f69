//! The suggestion of a file of ceilings, from the peaks in records.

use std::fmt::Write as _;

use record::{ByteSize, End, Record};

use crate::{SeriesKey, series};

/// The margin of [`suggest`] over the highest peak, as a divisor of that peak: a quarter. The program's own pages vary
/// by 1 MiB between machines.
const MARGIN: u64 = 4;

/// The granularity of suggested ceilings, in bytes.
const STEP: u64 = 512 << 10;

/// Returns the text of a suggested file of ceilings, and the number of ceilings in it. There is one for each end of
/// each protocol, direction and chunk size. Each ceiling is the highest peak of all successful runs except controls,
/// plus a quarter, rounded up to 512 KiB. Runs of `bench --peer` do not count. Those of a program under proof do, since
/// ceilings hold for its memory as well.
pub fn suggest(records: &[Record]) -> (String, usize) {
    let is_example = |record: &&Record| {
        record.is_ok() && record.peer_program.is_none() && !series::is_control(record, records)
    };
    let measured = records.iter().filter(is_example);
    let cell = |record: &Record| {
        let mut key = SeriesKey::of(record).without_body();
        key.case.axes.clear();
        (key.label, key.peer) = (None, None);
        key
    };
    let mut text = "# The highest peak RSS seen plus a quarter, rounded up to 512 KiB.\n".to_owned();
    let mut written = 0;
    for series in series::group(measured, cell) {
        let Some(case) = series.records.first().map(|record| &record.case) else { continue };
        for end in End::ALL {
            let peaks = series.records.iter().filter_map(|record| record.end(end)?.memory.peak_rss_bytes);
            let Some(peak) = peaks.max() else { continue };
            let ceiling = peak.saturating_add(peak / MARGIN).checked_next_multiple_of(STEP);
            let ceiling = ByteSize(ceiling.unwrap_or(peak));
            // Writing to a `String` cannot fail.
            let _ = write!(
                text,
                "\n[[ceiling]]\nprotocol = \"{}\"\ndirection = \"{}\"\nchunk = \"{}\"\nend = \"{end}\"\npeak_rss = \"{ceiling}\"\n",
                case.protocol, case.direction, case.chunk,
            );
            written += 1;
        }
    }
    (text, written)
}

#[cfg(test)]
mod tests {
    use record::{Case, FaultKind};

    use super::*;
    use crate::{
        Ceilings,
        tests::{failed, run, with, with_peak},
    };

    #[test]
    fn suggested_ceilings_parse_and_learn_nothing_from_controls_and_failed_runs() {
        let control = with(with_peak(run("h1c"), End::Receiver, 900 << 20), |r| {
            r.purpose = Some(record::Purpose::Control)
        });
        let failed = with_peak(failed("h1c", FaultKind::Timeout), End::Sender, 700 << 20);
        let records = [run("h1c"), with_peak(run("h1c"), End::Sender, 9 << 20), control, failed.clone()];
        let (text, written) = suggest(&records);
        let ceilings = Ceilings::parse(&text, &[]).unwrap();
        assert_eq!(written, 2);
        assert_eq!(ceilings.peak_rss(&Case::new("h1c"), End::Sender), Some((9 << 20) + (5 << 19)));
        assert_eq!(ceilings.peak_rss(&Case::new("h1c"), End::Receiver), Some(10 << 20));
        assert_eq!(suggest(&[failed]).1, 0);
    }

    #[test]
    fn a_ceiling_over_an_absurd_peak_does_not_overflow() {
        let (text, written) = suggest(&[with_peak(run("h2"), End::Sender, u64::MAX)]);
        assert!(written == 2 && Ceilings::parse(&text, &[]).is_ok(), "{text}");
    }
}
