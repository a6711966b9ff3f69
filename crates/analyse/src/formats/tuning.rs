//! The table of rows that are not tuned beside their tuned rows, for standard output and in Markdown.

use comfy_table::{CellAlignment, Table, presets};
use record::{mib_per_s, three_digits};

use super::{cells::range, markdown_text::plain};
use crate::Untuned;

/// The headings of the columns.
const HEADER: [&str; 5] = ["case", "run as", "MiB/s", "tuned", "of tuned"];

/// The mark of a ratio that includes the drift of the machine.
const APART: &str = " *";

/// The explanation of the mark [`APART`], which stands below the table.
const LEGEND: &str = "*: not in turns with the tuned row: the ratio includes the drift of the machine";

/// Returns the table with its headline for standard output; an empty text without rows.
pub(super) fn text(untuned: &[Untuned]) -> String {
    if untuned.is_empty() {
        return String::new();
    }
    let mut table = rows(untuned, str::to_owned);
    table.load_style(presets::NOTHING);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let legend = legend(untuned).map_or_else(String::new, |legend| format!("{legend}\n"));
    format!(
        "\nlibraries with their own defaults (stock) beside the tuned rows\n{}\n{legend}",
        table.trim_fmt()
    )
}

/// Returns the table in Markdown; an empty text without rows.
pub fn untuned_markdown(untuned: &[Untuned]) -> String {
    if untuned.is_empty() {
        return String::new();
    }
    let mut table = rows(untuned, plain);
    table.load_style(presets::ASCII_MARKDOWN);
    let legend = legend(untuned).map_or_else(String::new, |legend| format!("\n\n\\{legend}"));
    format!("{table}{legend}\n")
}

fn legend(untuned: &[Untuned]) -> Option<&'static str> {
    untuned.iter().any(|row| !row.in_turns).then_some(LEGEND)
}

/// Returns the table. `show` makes the text of the output from a name.
fn rows(untuned: &[Untuned], show: fn(&str) -> String) -> Table {
    let mut table = Table::new();
    table.set_header(HEADER);
    let mut last = "";
    for row in untuned {
        // The name of a case appears in its first row only.
        let case = if last == row.case { "" } else { row.case.as_str() };
        last = &row.case;
        let range = range(&row.of_tuned, |ratio| format!("{ratio:.2}"));
        let mark = if row.in_turns { "" } else { APART };
        table.add_row([
            show(case),
            show(&row.variant),
            three_digits(mib_per_s(row.goodput_bytes_per_s)),
            three_digits(mib_per_s(row.tuned_bytes_per_s)),
            format!("{:.2} {range}{mark}", row.of_tuned.median),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use stats::Spread;

    use super::*;

    fn row(variant: &str, of_tuned: &[f64], in_turns: bool) -> Untuned {
        Untuned {
            case: "h2c/up/64KiB/1GiB+sink=discard".into(),
            variant: variant.into(),
            tuned_bytes_per_s: 4000.0 * f64::from(1 << 20),
            goodput_bytes_per_s: 2000.0 * f64::from(1 << 20),
            of_tuned: Spread::of(of_tuned).unwrap(),
            in_turns,
        }
    }

    #[test]
    fn both_goodputs_and_the_ratio_with_its_interval_stand_in_one_row() {
        let rows =
            [row("stock", &[0.5, 0.5, 0.51, 0.52, 0.53, 0.54], true), row("h2-cork=off", &[0.9, 0.8], false)];
        let shown = text(&rows);
        let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap().to_owned();
        let stock: Vec<String> = line("h2c/up").split_whitespace().map(str::to_owned).collect();
        assert_eq!(stock[1..], ["stock", "2000", "4000", "0.52", "[0.50,", "0.54]"], "{shown}");
        assert!(line("h2-cork").ends_with("0.85 0.80..0.90 *") && shown.contains(LEGEND), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        let markdown = untuned_markdown(&rows[..1]);
        assert!(markdown.starts_with("| case ") && !markdown.contains(LEGEND), "{markdown}");
        assert_eq!(text(&[]) + &untuned_markdown(&[]), "");
    }
}
