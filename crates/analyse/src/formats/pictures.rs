//! Charts of a report as SVG files, for a README.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
};

use plotters::{coord::Shift, prelude::*};
use record::{ByteSize, Direction, End, ProtocolFacts};
use stats::{Interval, Spread};

use super::{
    FormatError, Report, distinct,
    palette::{self, Style},
    setups::setups,
};
use crate::Row;

/// The size of a chart in pixels. Charts stay readable at half the width of a page.
const SIZE: (u32, u32) = (900, 480);

/// A chart of one figure by chunk size, with one line per protocol.
struct Picture {
    file: String,
    title: String,
    unit: &'static str,
    lines: Vec<Line>,
}

struct Line {
    protocol: String,
    style: Style,
    /// True for a ceiling, whose only point holds for all chunk sizes.
    is_across: bool,
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
    let setups = setups(rows);
    let is_shown =
        |(row, _): &(&Row<'_>, &String)| row.case.direction == direction && row.peer_end().is_none();
    let rows: Vec<(&Row<'_>, &String)> = rows.iter().zip(&setups).filter(is_shown).collect();
    // The cases of a chart differ in protocol and chunk size alone. The largest group of such cases is shown.
    let group = |(row, setup): &(&Row<'_>, &String)| (row.case.body, (*setup).clone());
    let mut groups = HashMap::new();
    rows.iter().for_each(|row| *groups.entry(group(row)).or_insert(0) += 1);
    let Some(like) = rows.iter().max_by_key(|row| (groups.get(&group(row)), row.0.case.body)).copied() else {
        return Vec::new();
    };
    let rows: Vec<&Row<'_>> =
        rows.iter().filter(|row| group(row) == group(&like)).map(|(row, _)| *row).collect();
    let title = if like.1.is_empty() { String::new() } else { format!(", {}", like.1) };
    let word = if direction == Direction::Up { "Upload" } else { "Download" };
    let of = |what: &str, name: &str, unit, figure: fn(&Row<'_>) -> Option<Spread>| Picture {
        file: format!("{name}-{direction}.svg"),
        title: format!("{word}: {what} by chunk size, bodies of {}{title}", like.0.case.body),
        unit,
        lines: lines(&rows, figure),
    };
    let all = [
        of("goodput", "goodput", "MiB/s", |row| row.goodput.map(in_mib)),
        of("the sender's peak RSS", "peak-rss-sender", "MiB", |row| peak_rss(row, End::Sender)),
        of("the receiver's peak RSS", "peak-rss-receiver", "MiB", |row| peak_rss(row, End::Receiver)),
    ];
    all.into_iter().filter(|picture| picture.lines.iter().any(|line| line.points.len() > 1)).collect()
}

/// Returns the peak RSS of an end in MiB; `None` for a ceiling, which bounds goodput alone.
fn peak_rss(row: &Row<'_>, end: End) -> Option<Spread> {
    row.ends[end].peak_rss.filter(|_| !row.facts.is_ceiling()).map(in_mib)
}

/// Converts a spread from bytes to MiB.
fn in_mib(spread: Spread) -> Spread {
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let interval = spread.interval.map(|all| Interval { low: mib(all.low), high: mib(all.high) });
    Spread { median: mib(spread.median), least: mib(spread.least), most: mib(spread.most), interval }
}

fn lines(rows: &[&Row<'_>], figure: fn(&Row<'_>) -> Option<Spread>) -> Vec<Line> {
    let of = |(facts, style): (&ProtocolFacts, Style)| {
        let mine = rows.iter().filter(|row| row.facts.name == facts.name);
        let mut points: Vec<_> =
            mine.filter_map(|row| Some((u64::from(row.case.chunk), figure(row)?))).collect();
        points.sort_by_key(|point| point.0);
        let is_across = facts.is_ceiling() && points.len() == 1;
        Line { protocol: facts.name.to_string(), style, is_across, points }
    };
    let mut facts = distinct(rows.iter().map(|row| &row.facts));
    facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let styles = palette::styles(&facts);
    facts.into_iter().zip(styles).map(of).collect()
}

/// The room to the right of the lines for their names, in pixels.
const NAMES: u32 = 110;

/// The distance of two names, in pixels.
const NAME_HEIGHT: i32 = 16;

/// The most pixels between the points of two neighbouring lines at one chunk size. The distance keeps their ranges from
/// hiding each other.
const DODGE: i32 = 5;

impl Picture {
    fn svg(&self) -> Result<String, DrawingAreaErrorKind<io::Error>> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&rgb("surface"))?;
            self.draw(&area)?;
            area.present()?;
        }
        // The style sheet goes right after the first tag.
        let at = svg.find('>').map_or(svg.len(), |end| end + 1);
        svg.insert_str(at, &self.css());
        Ok(svg)
    }

    /// Returns the style sheet: the dashes of lines, and all colours for a dark background.
    fn css(&self) -> String {
        let dashes = self.lines.iter().filter(|line| !line.style.dashes.is_empty()).map(|line| {
            let colour = palette::light(line.style.colour).to_uppercase();
            let dashes: Vec<String> = line.style.dashes.iter().map(u32::to_string).collect();
            format!("[stroke=\"{colour}\"][stroke-width=\"2\"]{{stroke-dasharray:{}}}\n", dashes.join(" "))
        });
        let dark = palette::COLOURS.iter().map(|colour| {
            let light = colour.light.to_uppercase();
            let dark = colour.dark;
            format!("[stroke=\"{light}\"]{{stroke:{dark}}}[fill=\"{light}\"]{{fill:{dark}}}\n")
        });
        format!(
            "<style>\n{}@media (prefers-color-scheme: dark) {{\n{}}}\n</style>",
            dashes.collect::<String>(),
            dark.collect::<String>()
        )
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), DrawingAreaErrorKind<io::Error>> {
        let along = || self.lines.iter().filter(|line| !line.is_across).flat_map(|line| &line.points);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (first, last) =
            (along().map(|p| p.0).min().unwrap_or(1), along().map(|p| p.0).max().unwrap_or(2));
        let highest = points().map(|point| point.1.range().high).fold(0.0, f64::max);
        let (text, quiet) = (rgb("text"), rgb("quiet"));
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 22).into_font().color(&text))
            .margin(12)
            .margin_right(NAMES)
            .x_label_area_size(48)
            .y_label_area_size(74)
            .build_cartesian_2d(
                (first - first / 8..last + last / 8).log_scale().base(2.0),
                0.0..highest * 1.05,
            )?;
        chart
            .configure_mesh()
            .x_desc("chunk size")
            .y_desc(self.unit)
            .x_label_formatter(&|bytes| ByteSize(*bytes).to_string())
            .y_label_formatter(&|figure| format!("{figure:.0}"))
            .axis_desc_style(("sans-serif", 16).into_font().color(&quiet))
            .label_style(("sans-serif", 15).into_font().color(&quiet))
            .axis_style(rgb("axis"))
            .bold_line_style(rgb("grid"))
            .disable_x_mesh()
            .max_light_lines(0)
            .draw()?;
        let right = chart.plotting_area().get_pixel_range().0.end;
        let left = chart.plotting_area().get_pixel_range().0.start;
        let place = |chunk: u64, figure: f64| chart.backend_coord(&(chunk, figure));
        let chunks: BTreeSet<u64> = along().map(|point| point.0).collect();
        let count = |n: usize| i32::try_from(n.max(1)).unwrap_or(i32::MAX);
        // Many chunk sizes leave less room between lines.
        let dodge = DODGE.min((right - left) / count(chunks.len()) / (2 * count(self.lines.len())));
        let middle = i32::try_from(self.lines.len()).unwrap_or(0) / 2;
        let mut names = Vec::new();
        for (line, number) in self.lines.iter().zip(0..) {
            let colour = rgb(line.style.colour);
            let shift = dodge * (number - middle);
            let mut medians = Vec::new();
            for (chunk, spread) in &line.points {
                let (x, y) = place(*chunk, spread.median);
                if line.is_across {
                    medians.extend([(left, y), (right, y)]);
                    continue;
                }
                medians.push((x + shift, y));
                // Each bar shows the interval of a median, or the range of values if runs are few.
                let range = spread.range();
                let ends = [range.low, range.high].map(|figure| (x + shift, place(*chunk, figure).1));
                area.draw(&PathElement::new(ends, colour.stroke_width(1)))?;
                area.draw(&Circle::new((x + shift, y), 4, colour.filled()))?;
            }
            names.extend(medians.last().map(|(_, y)| (*y, &line.protocol, colour)));
            area.draw(&PathElement::new(medians, colour.stroke_width(2)))?;
        }
        let mut places: Vec<i32> = names.iter().map(|name| name.0).collect();
        move_apart(&mut places, NAME_HEIGHT, i32::try_from(SIZE.1).unwrap_or(i32::MAX) - NAME_HEIGHT);
        for ((_, name, colour), y) in names.iter().zip(places) {
            let style = ("sans-serif", 16).into_font().color(colour);
            area.draw(&Text::new(name.as_str(), (right + 10, y - NAME_HEIGHT / 2), style))?;
        }
        Ok(())
    }
}

/// Returns a colour on a light background by its name.
fn rgb(name: &str) -> RGBColor {
    let hex = u32::from_str_radix(palette::light(name).trim_start_matches('#'), 16).unwrap_or(0);
    let [_, red, green, blue] = hex.to_be_bytes();
    RGBColor(red, green, blue)
}

/// Moves places at least `distance` apart. Places keep their order, and none lies below `bottom`.
fn move_apart(places: &mut [i32], distance: i32, bottom: i32) {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|at| places[*at]);
    let mut least = i32::MIN;
    for at in &order {
        places[*at] = places[*at].max(least);
        least = places[*at].saturating_add(distance);
    }
    let mut most = bottom;
    for at in order.iter().rev() {
        places[*at] = places[*at].min(most);
        most = places[*at].saturating_sub(distance);
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
}
