//! Pictures of a set as SVG files, for a README.

use std::{io, path::Path};

use anyhow::Context as _;
use plotters::{coord::Shift, prelude::*};

use super::{Set, summary::Row};
use crate::{
    case::Direction,
    distinct::distinct,
    record::CaseRecord,
    size::{ByteSize, mib, mib_per_s},
};

/// In pixels: readable at half the width of a page.
const SIZE: (u32, u32) = (900, 480);

/// A figure over chunk sizes, a line a protocol.
struct Picture {
    file: String,
    title: String,
    unit: &'static str,
    lines: Vec<Line>,
}

struct Line {
    protocol: String,
    /// Chunk sizes in bytes, each with the figure.
    points: Vec<(u64, f64)>,
}

/// Writes goodput and peak RSS by chunk size, of each direction that has two chunk sizes or more.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write(set: &Set, folder: &Path) -> anyhow::Result<()> {
    for direction in distinct(set.summary.rows.iter().map(|row| row.case.direction)) {
        for picture in pictures(set, direction) {
            let path = folder.join(&picture.file);
            let svg =
                picture.svg().map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", picture.file))?;
            std::fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

fn pictures(set: &Set, direction: Direction) -> Vec<Picture> {
    let rows: Vec<&Row> = set.summary.rows.iter().filter(|row| row.case.direction == direction).collect();
    // Only cases that are alike but for protocol and chunk size make a line; the largest group of them is shown.
    let group = |row: &Row| rows.iter().filter(|other| is_alike(&other.case, &row.case)).count();
    let Some(like) = rows.iter().max_by_key(|row| (group(row), row.case.body_bytes)).map(|row| &row.case)
    else {
        return Vec::new();
    };
    let rows: Vec<&Row> = rows.iter().copied().filter(|row| is_alike(&row.case, like)).collect();
    let word = if direction == Direction::Up { "Upload" } else { "Download" };
    let of = |what: &str, name: &str, unit, figure: fn(&Row) -> Option<f64>| Picture {
        file: format!("{name}-{direction}.svg"),
        title: format!("{word}: {what} by chunk size, bodies of {}", ByteSize(like.body_bytes)),
        unit,
        lines: lines(&rows, figure),
    };
    let all = [
        of("goodput", "goodput", "MiB/s", |row| Some(mib_per_s(row.goodput?.median))),
        of("the sender's peak RSS", "peak-rss-sender", "MiB", |row| row.sender_rss.map(mib)),
        of("the receiver's peak RSS", "peak-rss-receiver", "MiB", |row| row.receiver_rss.map(mib)),
    ];
    all.into_iter().filter(|picture| picture.lines.iter().any(|line| line.points.len() > 1)).collect()
}

fn is_alike(a: &CaseRecord, b: &CaseRecord) -> bool {
    let key = |case: &CaseRecord| {
        let axes = case.name.split_once('+').map_or(String::new(), |(_, axes)| axes.to_owned());
        (case.body_bytes, case.connections, case.streams, axes)
    };
    key(a) == key(b)
}

fn lines(rows: &[&Row], figure: fn(&Row) -> Option<f64>) -> Vec<Line> {
    let of = |protocol: &str| {
        let mine = rows.iter().filter(|row| row.case.protocol == protocol);
        let mut points: Vec<_> = mine.filter_map(|row| Some((row.case.chunk_bytes, figure(row)?))).collect();
        points.sort_by_key(|point| point.0);
        Line { protocol: protocol.into(), points }
    };
    distinct(rows.iter().map(|row| row.case.protocol.as_str())).into_iter().map(of).collect()
}

/// Colours that are told apart without seeing red and green (Okabe and Ito), and black.
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

    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<(), DrawingAreaErrorKind<io::Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (first, last) =
            (points().map(|p| p.0).min().unwrap_or(1), points().map(|p| p.0).max().unwrap_or(2));
        let highest = points().map(|point| point.1).fold(0.0, f64::max);
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
            chart
                .draw_series(LineSeries::new(line.points.clone(), colour.stroke_width(2)).point_size(3))?
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
    use super::*;
    use crate::record::{Record, tests::record};

    #[test]
    fn a_picture_has_a_line_for_each_protocol_and_only_of_cases_that_are_alike() {
        let with = |protocol: &str, chunk: u64, axes: &str| {
            let mut record: Record = record(protocol);
            record.case.chunk_bytes = chunk;
            record.case.name = format!("{protocol}/up/{}/2GiB{axes}", ByteSize(chunk));
            record
        };
        let mut records = vec![with("h2", 1 << 16, ""), with("h2", 1 << 14, ""), with("h3", 1 << 16, "")];
        records.push(with("h3", 1 << 20, "+reader=1MiB"));
        let set = Set::of("", &records, None);
        let folder = tempfile::tempdir().unwrap();
        write(&set, folder.path()).unwrap();
        let svg = std::fs::read_to_string(folder.path().join("goodput-up.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("MiB/s") && svg.contains("bodies of 2GiB"), "{svg}");
        let lines = &pictures(&set, Direction::Up)[0].lines;
        assert_eq!(lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(lines[0].points[0].0, 1 << 14);
        assert!(folder.path().join("peak-rss-receiver-up.svg").exists());
    }
}
