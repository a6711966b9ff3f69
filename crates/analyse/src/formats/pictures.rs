//! Charts of a report as SVG files, for a README.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    ops::Range,
    path::Path,
};

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};
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
            let svg = picture.svg().map_err(|error| FormatError::render(&picture.file, error))?;
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

/// An error of the drawing of a chart.
type DrawingError = DrawingAreaErrorKind<io::Error>;

/// The area of a chart between its axes.
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<LogCoord<u64>, RangedCoordf64>>;

/// The name of a line, with its height in pixels and its colour.
type LineName<'a> = (i32, &'a str, RGBColor);

impl Picture {
    fn svg(&self) -> Result<String, DrawingError> {
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

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), DrawingError> {
        let chart = self.draw_axes(area)?;
        let names = self.draw_lines(area, &chart)?;
        draw_names(area, &names, chart.plotting_area().get_pixel_range().0.end)
    }

    /// Returns the points of all lines along the chunk sizes, which ceilings across them do not have.
    fn along(&self) -> impl Iterator<Item = &(u64, Spread)> {
        self.lines.iter().filter(|line| !line.is_across).flat_map(|line| &line.points)
    }

    /// Draws the title, the axes and the grid.
    fn draw_axes<'a>(&self, area: &DrawingArea<SVGBackend<'a>, Shift>) -> Result<Chart<'a>, DrawingError> {
        let chunks = || self.along().map(|point| point.0);
        let (first, last) = (chunks().min().unwrap_or(1), chunks().max().unwrap_or(2));
        let figures = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1.range().high);
        let highest = figures.fold(0.0, f64::max);
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
        Ok(chart)
    }

    /// Draws the lines with their points and bars. Returns the name of each line with its height and colour.
    fn draw_lines<'a>(
        &'a self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        chart: &Chart<'_>,
    ) -> Result<Vec<LineName<'a>>, DrawingError> {
        let Range { start: left, end: right } = chart.plotting_area().get_pixel_range().0;
        let place = |chunk: u64, figure: f64| chart.backend_coord(&(chunk, figure));
        let dodge = self.dodge(right - left);
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
            names.extend(medians.last().map(|(_, y)| (*y, line.protocol.as_str(), colour)));
            area.draw(&PathElement::new(medians, colour.stroke_width(2)))?;
        }
        Ok(names)
    }

    /// Returns the pixels between the points of two neighbouring lines in a chart of this width. Many chunk sizes leave
    /// less room between lines.
    fn dodge(&self, width: i32) -> i32 {
        let chunks: BTreeSet<u64> = self.along().map(|point| point.0).collect();
        let count = |n: usize| i32::try_from(n.max(1)).unwrap_or(i32::MAX);
        DODGE.min(width / count(chunks.len()) / (2 * count(self.lines.len())))
    }
}

/// Draws the names of lines to the right of the pixel column `right`.
fn draw_names(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    names: &[LineName<'_>],
    right: i32,
) -> Result<(), DrawingError> {
    let mut places: Vec<i32> = names.iter().map(|name| name.0).collect();
    move_apart(&mut places, NAME_HEIGHT, i32::try_from(SIZE.1).unwrap_or(i32::MAX) - NAME_HEIGHT);
    for ((_, name, colour), y) in names.iter().zip(places) {
        let style = ("sans-serif", 16).into_font().color(colour);
        area.draw(&Text::new(*name, (right + 10, y - NAME_HEIGHT / 2), style))?;
    }
    Ok(())
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
