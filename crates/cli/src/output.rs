//! Standard output, which carries results, and stderr, which carries everything else.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    os::{fd::AsFd, unix::ffi::OsStrExt as _},
    path::Path,
};

use analyse::{Screen, Tone};
use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anyhow::{Context as _, anyhow};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use terminal_size::{Width, terminal_size_of};

/// The width of a terminal that does not state its width, in columns.
const USUAL_COLUMNS: usize = 80;

/// The characters of a path that are percent-encoded in a URL: all except `/` and the unreserved characters (RFC 3986
/// section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The cause of an error when the reader of standard output has gone, such as `head` after its last line.
#[derive(Debug, thiserror::Error)]
#[error("its reader has gone")]
pub(crate) struct ReaderGone;

/// Prints on stdout. A closed pipe is an error whose cause is [`ReaderGone`].
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    written(io::stdout().write_all(text.as_bytes()))
}

/// Prints a conclusion on stdout. A reader that has gone is no error: the exit code has the conclusion as well.
pub(crate) fn conclude(text: &str) -> anyhow::Result<()> {
    print(text).or_else(|error| if is_reader_gone(&error) { Ok(()) } else { Err(error) })
}

/// Returns the outcome of writing to stdout, as [`print()`] does.
pub(crate) fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    let outcome = outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow!(ReaderGone),
        _ => error.into(),
    });
    outcome.context("cannot write to stdout")
}

/// Returns whether an error means that the reader of standard output is gone.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<ReaderGone>())
}

/// Prints a note on stderr.
pub(crate) fn note(text: &str) {
    stderr_text(format_args!("{}", stderr_screen().headed(Tone::Warning, "note", text)));
}

/// Prints a line on stderr, as [`stderr_text`] does.
pub(crate) fn stderr_line(line: fmt::Arguments<'_>) {
    stderr_text(format_args!("{line}\n"));
}

/// Prints a text on stderr. What cannot be written is lost, because its reader has gone or a disk is full: the exit code
/// has the outcome, and the transfers of a server go on. (`eprintln!` would panic.)
pub(crate) fn stderr_text(text: fmt::Arguments<'_>) {
    // In one piece, so that it does not mix with the lines of other threads and programs.
    let _ = io::stderr().write_all(text.to_string().as_bytes());
}

/// Sets whether results and warnings are coloured: always, never, or only on a terminal whose user has not set NO_COLOR.
pub(crate) fn set_colour(choice: clap::ColorChoice) {
    let choice = match choice {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Returns the properties of standard output as a medium for text: its width and its colours.
pub(crate) fn stdout_screen() -> Screen {
    screen(&io::stdout())
}

/// Returns the properties of stderr as a medium for text.
pub(crate) fn stderr_screen() -> Screen {
    screen(&io::stderr())
}

fn screen<S: RawStream + AsFd>(stream: &S) -> Screen {
    let is_coloured = AutoStream::choice(stream) != ColorChoice::Never;
    let columns = || width(stream.as_fd()).unwrap_or(USUAL_COLUMNS);
    let screen = if stream.is_terminal() { Screen::terminal(columns()) } else { Screen::pipe() };
    if is_coloured { screen.coloured() } else { screen }
}

/// Returns whether stderr is a terminal that can move its cursor. A terminal without a name cannot.
pub(crate) fn can_redraw_stderr() -> bool {
    let is_able = std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
    is_able && io::stderr().is_terminal()
}

/// Returns the present width of the terminal behind stderr, in columns.
pub(crate) fn stderr_columns() -> usize {
    width(io::stderr().as_fd()).unwrap_or(USUAL_COLUMNS)
}

fn width(terminal: impl AsFd) -> Option<usize> {
    terminal_size_of(terminal).map(|(Width(columns), _)| columns.into()).filter(|columns| *columns > 0)
}

/// Returns the URL of a file, which terminals open on a click.
pub(crate) fn file_url(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("file://{}", percent_encode(absolute.as_os_str().as_bytes(), ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_file_is_absolute_and_escaped() {
        assert_eq!(file_url(Path::new("/a b/ü#1/report.html")), "file:///a%20b/%C3%BC%231/report.html");
        let url = file_url(Path::new("results/report.html"));
        assert!(url.starts_with("file:///") && url.ends_with("/results/report.html"), "{url}");
    }
}
