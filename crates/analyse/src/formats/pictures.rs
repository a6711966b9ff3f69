//! Charts of a report as SVG files, for a README.

use std::{collections::HashMap, io, path::Path};

use plotters::{coord::Shift, prelude::*};
use record::{ByteSize, CaseKey, Direction, ProtocolFacts};
use stats::{Interval, Spread};

use super::{FormatError, Report, distinct};
use crate::Row;

/// The size of a chart in pixels. Charts stay readable at half the width of a page.
const SIZE: (u32, u32) = (900, 480);

/// A chart of one figure over chunk sizes, with one line per protocol.
struct Picture {
    file: String,
    title: String,
    unit: &'static str,
    lines: Vec<Line>,
}

struct Line {
    protocol: String,
    /// The points of the line: chunk sizes in bytes, each with the figure and its range.
    points: Vec<(u64, Spread)>,
}

/// Writes charts of goodput and peak RSS by chunk size as SVG files, for each direction with at least two chunk sizes.
///
/// # Errors
/// Fails if a file cannot be drawn or written.
pub fn write_pictures(report: &Report<'_>, folder: &Path) -> Result<(), FormatError> {
    for direction in Direction::ALL {
        for picture in pictures(&report.analysis.rows, direction) {
            let path = folder.join(&picture.file);
            let svg = picture.svg().map_err(|error| FormatError::render(&picture.file, error.to_string()))?;
            std::fs::write(&path, svg).map_err(|source| FormatError::File { path: path.clone(), source })?;
        }
    }
    Ok(())
}

fn pictures(rows: &[Row<'_>], direction: Direction) -> Vec<Picture> {
    let is_shown = |row: &&Row<'_>| row.case.direction == direction && row.peer_end().is_none();
    let rows: Vec<&Row<'_>> = rows.iter().filter(is_shown).collect();
    // The cases of a chart differ in protocol and chunk size alone. The largest group of such cases is shown.
    let mut groups = HashMap::new();
    rows.iter().for_each(|row| *groups.entry(setup(row)).or_insert(0) += 1);
    let Some(like) = rows.iter().max_by_key(|row| (groups.get(&setup(row)), row.case.body)).copied() else {
        return Vec::new();
    };
    let rows: Vec<&Row<'_>> = rows.iter().copied().filter(|row| setup(row) == setup(like)).collect();
    let word = if direction == Direction::Up { "Upload" } else { "Download" };
    let of = |what: &str, name: &str, unit, figure: fn(&Row<'_>) -> Option<Spread>| Picture {
        file: format!("{name}-{direction}.svg"),
        title: format!("{word}: {what} by chunk size, bodies of {}", like.case.body),
        unit,
        lines: lines(&rows, figure),
    };
    let all = [
        of("goodput", "goodput", "MiB/s", |row| row.goodput.map(in_mib)),
        of("the sender's peak RSS", "peak-rss-sender", "MiB", |row| row.ends.sender.peak_rss.map(in_mib)),
        of("the receiver's peak RSS", "peak-rss-receiver", "MiB", |row| {
            row.ends.receiver.peak_rss.map(in_mib)
        }),
    ];
    all.into_iter().filter(|picture| picture.lines.iter().any(|line| line.points.len() > 1)).collect()
}

/// Converts a spread from bytes to MiB.
fn in_mib(spread: Spread) -> Spread {
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let interval = spread.interval.map(|all| Interval { low: mib(all.low), high: mib(all.high) });
    Spread { median: mib(spread.median), least: mib(spread.least), most: mib(spread.most), interval }
}

/// Returns the identity of a row without protocol and chunk size.
fn setup<'r>(row: &'r Row<'_>) -> (CaseKey, Option<&'r str>, Option<&'r str>) {
    let mut key = row.key.case.without_protocol();
    key.chunk = ByteSize(0);
    (key, row.key.label.as_deref(), row.key.peer.as_deref())
}

fn lines(rows: &[&Row<'_>], figure: fn(&Row<'_>) -> Option<Spread>) -> Vec<Line> {
    let of = |facts: &ProtocolFacts| {
        let mine = rows.iter().filter(|row| row.facts.name == facts.name);
        let mut points: Vec<_> =
            mine.filter_map(|row| Some((u64::from(row.case.chunk), figure(row)?))).collect();
        points.sort_by_key(|point| point.0);
        Line { protocol: facts.name.to_string(), points }
    };
    let mut facts = distinct(rows.iter().map(|row| &row.facts));
    facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
    facts.into_iter().map(of).collect()
}

/// The colours of lines. People who cannot tell red from green can distinguish them (Okabe and Ito 2008, "Color
/// Universal Design").
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];

impl Picture {
    fn svg(&self) -> Result<String, DrawingAreaErrorKind<io::Error>> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE)?;
            self.draw(&area)?;
            area.present()?;
        }
        Ok(svg)
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), DrawingAreaErrorKind<io::Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (first, last) =
            (points().map(|p| p.0).min().unwrap_or(1), points().map(|p| p.0).max().unwrap_or(2));
        let highest = points().map(|point| point.1.range().high).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d((first..last + last / 8).log_scale().base(2.0), 0.0..highest * 1.05)?;
        chart
            .configure_mesh()
            .x_desc("chunk")
            .y_desc(self.unit)
            .x_label_formatter(&|bytes| ByteSize(*bytes).to_string())
            .y_label_formatter(&|figure| format!("{figure:.0}"))
            .light_line_style(WHITE)
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            // Each bar shows the interval of a median, or the range of values if runs are few.
            let bar = |(chunk, spread): &(u64, Spread)| {
                let range = spread.range();
                PathElement::new([(*chunk, range.low), (*chunk, range.high)], colour.stroke_width(1))
            };
            chart.draw_series(line.points.iter().map(bar))?;
            let medians = line.points.iter().map(|(chunk, spread)| (*chunk, spread.median));
            chart
                .draw_series(LineSeries::new(medians, colour.stroke_width(2)).point_size(3))?
                .label(&line.protocol)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        let lines = &pictures(&analysis.rows, Direction::Up)[0].lines;
        assert_eq!(lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(lines[0].points[0].0, 1 << 14);
        assert!(folder.path().join("peak-rss-receiver-up.svg").exists());
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
}
