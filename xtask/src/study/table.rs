//! Tables: aligned on standard output, and separated by tabs in a file.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};

/// A table of text with a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns an empty table with the heads of its columns.
    pub(crate) fn with_heads<S: ToString>(heads: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![heads.into_iter().map(|head| head.to_string()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints the table, and writes it as a file of tab-separated values.
    pub(crate) fn publish(&self, file: &Path) -> Result<()> {
        fs::write(file, self.separated()).with_context(|| format!("cannot write {}", file.display()))?;
        self.print()
    }

    /// Prints the table.
    pub(crate) fn print(&self) -> Result<()> {
        io::stdout().lock().write_all(self.aligned().as_bytes())?;
        Ok(())
    }

    /// Returns the table with tabs between its cells.
    pub(crate) fn separated(&self) -> String {
        self.rows.iter().map(|row| row.join("\t") + "\n").collect()
    }

    /// Returns the table in aligned columns: the first to the left, all others to the right.
    fn aligned(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cell = |(column, text): (usize, &String)| match (column, widths[column]) {
                (0, width) => format!("{text:<width$}"),
                (_, width) => format!("  {text:>width$}"),
            };
            row.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Formats a rate in bytes per second as whole MiB/s.
pub(crate) fn mib_per_s(bytes_per_s: f64) -> String {
    format!("{:.0}", record::mib_per_s(bytes_per_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_on_paper_and_separated_in_the_file() {
        let mut table = Table::with_heads(["row", "MiB/s"]);
        table.push(["h2c/tcp".into(), mib_per_s(1048576.0)]);
        assert_eq!(table.aligned(), "row      MiB/s\nh2c/tcp      1\n");
        assert_eq!(table.separated(), "row\tMiB/s\nh2c/tcp\t1\n");
    }
}
