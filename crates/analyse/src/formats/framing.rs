//! The framing that receivers observed: a table for a terminal and in Markdown, and the pieces of each row for other
//! formats. A piece is a chunk, a DATA frame, a TLS record or a datagram.

use comfy_table::{CellAlignment, Table, presets};
use record::{FrameSizes, Framing};

use super::{markdown_text::plain, programs};
use crate::Row;

/// The headings of the columns.
const HEADER: [&str; 6] = ["case", "pieces", "count", "median", "range", "body/piece"];

/// The headline of the table.
const HEADLINE: &str =
    "framing at the receiver, in bytes, of the run with the median goodput (--observe-framing)";

/// Returns the table with its headline for standard output; an empty text if nothing was observed.
pub(super) fn text(rows: &[Row<'_>]) -> String {
    let Some(mut table) = table(rows, str::to_owned) else { return String::new() };
    table.load_style(presets::NOTHING);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    format!("\n{HEADLINE}\n{}\n", table.trim_fmt())
}

/// Returns the table in Markdown under a heading; an empty text if nothing was observed.
pub(super) fn markdown(rows: &[Row<'_>]) -> String {
    let Some(mut table) = table(rows, plain) else { return String::new() };
    table.load_style(presets::ASCII_MARKDOWN);
    format!("\n## Framing\n\n{table}\n\nThe {HEADLINE}.\n")
}

/// Returns one line for each case and kind of piece; `None` if nothing was observed. `show` makes the text of the output
/// from a name.
fn table(rows: &[Row<'_>], show: fn(&str) -> String) -> Option<Table> {
    let mut table = Table::new();
    table.set_header(HEADER);
    for row in rows {
        let mut case = show(programs::name(row).join(" ").trim_end());
        for Pieces { kind, sizes, body_per_piece } in Pieces::of(row) {
            table.add_row([
                std::mem::take(&mut case),
                kind.name.to_owned(),
                sizes.count.to_string(),
                sizes.p50.to_string(),
                format!("{}..{}", sizes.min, sizes.max),
                format!("{body_per_piece:.0}"),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.row(0)?;
    Some(table)
}

/// The pieces of one kind that arrived in the run with the median goodput.
pub(super) struct Pieces {
    pub(super) kind: &'static Kind,
    pub(super) sizes: FrameSizes,
    /// The mean number of body bytes per piece.
    pub(super) body_per_piece: f64,
}

impl Pieces {
    /// Returns the pieces of a row, from the innermost kind to the outermost.
    pub(super) fn of(row: &Row<'_>) -> Vec<Self> {
        let Some(end) = row.ends.receiver.typical else { return Vec::new() };
        let of_kind = |framing: &Framing, kind: &'static Kind| {
            let sizes = (kind.sizes)(framing)?;
            Some(Self { kind, sizes, body_per_piece: end.bytes as f64 / sizes.count.max(1) as f64 })
        };
        let all = end.framing.iter().flat_map(|framing| KINDS.iter().map(move |kind| (framing, kind)));
        all.filter_map(|(framing, kind)| of_kind(framing, kind)).collect()
    }
}

/// A kind of pieces.
pub(super) struct Kind {
    /// The name in tables.
    pub(super) name: &'static str,
    /// The name in records.
    pub(super) field: &'static str,
    sizes: fn(&Framing) -> Option<FrameSizes>,
}

/// All kinds of pieces, from the innermost to the outermost. The first [`OF_HTTP`] kinds are of HTTP, the others of the
/// carrier.
const KINDS: &[Kind] = &[
    Kind { name: "chunks", field: "http1_chunks", sizes: |framing| framing.http1_chunks },
    Kind { name: "DATA frames", field: "data_frames", sizes: |framing| framing.data_frames },
    Kind { name: "TLS records", field: "tls_records", sizes: |framing| framing.tls_records },
    Kind { name: "datagrams", field: "datagrams", sizes: |framing| framing.datagrams },
];

/// The number of kinds in [`KINDS`] that are of HTTP.
const OF_HTTP: usize = 2;

/// Returns the pieces of HTTP in a run, with their name in records. A protocol has at most one kind of them.
pub(super) fn of_http(framing: &Framing) -> Option<(&'static str, FrameSizes)> {
    KINDS.iter().take(OF_HTTP).find_map(|kind| Some((kind.field, (kind.sizes)(framing)?)))
}

/// Returns the pieces of the carrier in a run, with their name in records. A protocol has at most one kind of them.
pub(super) fn of_carrier(framing: &Framing) -> Option<(&'static str, FrameSizes)> {
    KINDS.iter().skip(OF_HTTP).find_map(|kind| Some((kind.field, (kind.sizes)(framing)?)))
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Analysis,
        tests::{run, with},
    };

    fn observed(protocol: &str) -> Record {
        with(run(protocol), |record| {
            let sizes = |count, max| {
                Some(FrameSizes { count, total_bytes: 2 << 30, min: 17, p50: 16_384, p99: max, max })
            };
            let (data_frames, tls_records) = (sizes(131_072, 16_384), sizes(131_074, 16_401));
            record.receiver.as_mut().unwrap().framing =
                Some(Box::new(Framing { data_frames, tls_records, ..Framing::default() }));
        })
    }

    #[test]
    fn each_kind_of_piece_has_a_line_and_the_case_is_named_once() {
        let records = [run("h1"), observed("h2")];
        let rows = Analysis::of(&records).rows;
        let text = text(&rows);
        let line = |part: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.contains(part)).unwrap();
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(
            line("DATA"),
            ["h2/up/64KiB/2GiB", "DATA", "frames", "131072", "16384", "17..16384", "16384"]
        );
        assert_eq!(line("TLS"), ["TLS", "records", "131074", "16384", "17..16401", "16384"]);
        assert!(!text.contains("h1/up") && text.lines().all(|line| line.chars().count() <= 90), "{text}");
        assert!(markdown(&rows).contains("| h2/up/64KiB/2GiB | DATA frames | 131072"), "{}", markdown(&rows));
    }

    #[test]
    fn nothing_observed_shows_nothing() {
        let records = [run("h2")];
        let rows = Analysis::of(&records).rows;
        assert_eq!(text(&rows) + &markdown(&rows), "");
    }
}
