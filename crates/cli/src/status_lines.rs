//! Lines at the end of a terminal that are redrawn in place, while other lines are printed above them.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use metrics::Stamp;

use crate::output::{can_redraw_stderr, stderr_columns};

/// The shortest time between two redraws.
const PAUSE: Duration = Duration::from_millis(250);

/// The lines on stderr that are redrawn.
#[derive(Debug, Default)]
pub(crate) struct StatusLines {
    /// The lengths of the lines that are on the terminal, in columns.
    drawn: Vec<usize>,
    last: Option<Stamp>,
}

impl StatusLines {
    /// Returns lines on stderr; `None` unless it is a terminal that can move its cursor.
    pub(crate) fn on_stderr() -> Option<Self> {
        can_redraw_stderr().then(Self::default)
    }

    /// Returns whether enough time has passed since the last redraw.
    pub(crate) fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= PAUSE)
    }

    /// Replaces the lines. Each is cut to the width of the terminal.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        self.last = Some(Stamp::now());
        let frame = self.frame("", lines, stderr_columns());
        emit(&frame);
    }

    /// Prints text, which ends in a line break, above the lines. The lines are gone until they are drawn again.
    pub(crate) fn print_above(&mut self, text: &str) {
        let frame = self.frame(text, &[], stderr_columns());
        self.last = None;
        emit(&frame);
    }

    /// Removes the lines from the terminal.
    pub(crate) fn clear(&mut self) {
        self.print_above("");
    }

    /// Returns the bytes that remove the lines, print `above`, and draw `lines`.
    fn frame(&mut self, above: &str, lines: &[String], columns: usize) -> String {
        let shown: Vec<String> = lines.iter().map(|line| clipped(line, columns)).collect();
        let frame = format!("{}{above}{}", erasing(&self.drawn, columns), shown.join("\n"));
        self.drawn = shown.iter().map(|line| line.chars().count()).collect();
        frame
    }
}

/// Writes a frame to stderr. A failure, such as a closed terminal, is ignored, because it is no reason to end a
/// measurement.
fn emit(frame: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(frame.as_bytes()).and_then(|()| stderr.flush());
}

/// Returns a line cut to a column less than the terminal has. A full line would leave the cursor at its margin, where
/// terminals differ.
fn clipped(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    if line.chars().count() <= room {
        return line.to_owned();
    }
    let cut: String = line.chars().take(room.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// Returns the bytes that remove lines of these lengths. The cursor must be in the last line. A terminal that has
/// become narrower has broken the lines into several rows.
fn erasing(lengths: &[usize], columns: usize) -> String {
    if lengths.is_empty() {
        return String::new();
    }
    let rows: usize = lengths.iter().map(|length| length.div_ceil(columns.max(1)).max(1)).sum();
    match rows - 1 {
        0 => "\r\x1b[J".into(),
        up => format!("\r\x1b[{up}A\x1b[J"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_replaced_in_place_and_cut_to_the_width() {
        let mut status = StatusLines::default();
        let lines = ["run 1/2".to_owned(), "a line of 22 characters".to_owned()];
        assert_eq!(status.frame("", &lines, 20), "run 1/2\na line of 22 chara…");
        assert_eq!(status.frame("", &lines[..1], 20), "\r\x1b[1A\x1b[Jrun 1/2");
        assert_eq!(status.frame("done\n", &[], 20), "\r\x1b[Jdone\n");
        assert_eq!(status.frame("more\n", &[], 20), "more\n", "nothing is left to remove");
    }

    #[test]
    fn a_terminal_that_has_become_narrower_keeps_no_torn_copy() {
        let mut status = StatusLines::default();
        status.frame("", &["x".repeat(70), "y".repeat(30)], 80);
        // At 40 columns, the first line takes two rows.
        assert!(status.frame("", &[], 40).starts_with("\r\x1b[2A\x1b[J"));
    }
}
