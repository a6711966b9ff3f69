//! The entry point for records, one line of JSON each, and for their analysis and reports.

use analyse::{Analysis, Comparison, FORMATS, Report, Screen, Thresholds};
use record::Record;

/// The most lines that are analysed: an analysis of many runs of one case takes quadratic time.
const LINES: usize = 16;

/// Parses lines as records, writes them again, analyses them, and renders every kind of report.
pub fn records(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').take(LINES);
    let records: Vec<Record> = lines.filter_map(|line| Record::from_json(line).ok()).collect();
    for record in &records {
        let line = record.to_line().unwrap_or_default();
        let again = Record::from_json(line.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("a written record is not read: {error}: {line}"));
        assert_eq!(again.case.key(), record.case.key());
    }
    if records.is_empty() {
        return;
    }
    let analysis = Analysis::of(&records);
    let report = Report::new("fuzz", &records, &analysis);
    for format in FORMATS {
        // A writer may refuse some data, such as characters that XML does not allow.
        let _ = format.render(&report);
    }
    for screen in [Screen::pipe(), Screen::terminal(80)] {
        assert!(!analyse::table(&analysis, &screen).is_empty());
    }
    let comparison = Comparison::of(&records, &records, &Thresholds::default());
    assert!(!analyse::comparison_text(&comparison).is_empty());
    let (ceilings, written) = analyse::suggest(&records);
    assert_eq!(ceilings.matches("[[ceiling]]").count(), written);
}
