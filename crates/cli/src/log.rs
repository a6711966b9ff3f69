//! The log on stderr: what libraries trace, and what a server tells its operator, as text or as lines of JSON.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    io::{self, Write},
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use clap::ValueEnum;
use record::counted;
use serve::LineQueue;
use tracing::Level;

use crate::output::stderr_line;

/// True if each line on stderr is to be an object in JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The queue of all lines on stderr of a server, which must never wait for the reader of stderr. Without a queue, each
/// line is written at once.
static QUEUE: OnceLock<LineQueue> = OnceLock::new();

/// The time in which the last lines of a queue must be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The form of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for a reader.
    #[default]
    Text,
    /// One object in JSON per line.
    Json,
}

/// Logs to stderr. The level is that of the environment variable LONGHAUL_LOG (at most `debug` in a release build),
/// else `level`.
pub(crate) fn start(level: Option<Level>, format: LogFormat) {
    let asked = std::env::var("LONGHAUL_LOG").ok().and_then(|level| level.parse().ok());
    start_at(asked.or(level), format);
}

/// Logs to stderr at a level. `None` logs nothing.
pub(crate) fn start_at(level: Option<Level>, format: LogFormat) {
    let Some(level) = level else { return };
    // Of a line that cannot be written, tracing-subscriber would complain by `eprintln!`, which then panics.
    let log =
        tracing_subscriber::fmt().with_max_level(level).log_internal_errors(false).with_writer(|| Stderr);
    match format {
        LogFormat::Text => log.without_time().init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            IS_JSON.store(true, Relaxed);
            panic::set_hook(Box::new(|info| {
                tracing::error!("{info}");
                flush();
            }));
        }
    }
}

/// Returns the queue through which all further lines on stderr pass. The first call starts it. From then on, nobody waits
/// for the reader of stderr: if it does not read, lines are lost.
///
/// # Errors
/// Fails if no thread can be started to write the lines.
pub(crate) fn queue() -> io::Result<LineQueue> {
    if let Some(queue) = QUEUE.get() {
        return Ok(queue.clone());
    }
    let queue = LineQueue::to(io::stderr())?;
    if !IS_JSON.load(Relaxed) {
        panic::set_hook(Box::new(report_panic));
    }
    Ok(QUEUE.get_or_init(|| queue).clone())
}

/// Waits until the queue is written, for a second at most. Does nothing without a queue.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.wait(LAST_LINES);
    }
}

/// Reports a panic as Rust itself does, but through the queue.
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let (thread, trace) = (thread::current(), Backtrace::capture());
    line(format_args!("thread '{}' {info}", thread.name().unwrap_or("<unnamed>")));
    if trace.status() == BacktraceStatus::Captured {
        line(format_args!("{trace}"));
    }
    // The panic may end the process.
    flush();
}

/// Prints a line on stderr, through the queue if there is one.
fn line(line: fmt::Arguments<'_>) {
    match QUEUE.get() {
        Some(queue) => push(queue, format!("{line}\n")),
        None => stderr_line(line),
    }
}

/// Adds a line to the queue, after one that states how many lines were lost before it.
fn push(queue: &LineQueue, line: String) {
    let lost = |lost: u64| {
        format!(
            "{} of the log lost, since stderr was not read",
            counted(usize::try_from(lost).unwrap_or(usize::MAX), "line")
        )
    };
    queue.push_stating(|number| {
        Some(match number {
            0 => line,
            _ if IS_JSON.load(Relaxed) => {
                format!("{{\"level\":\"WARN\",\"message\":\"{}\"}}\n{line}", lost(number))
            }
            _ => format!("WARNING: {}\n{line}", lost(number)),
        })
    });
}

/// The writer of traced lines, which come in one piece each.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match QUEUE.get() {
            Some(queue) => push(queue, String::from_utf8_lossy(line).into_owned()),
            None => return io::stderr().write(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reports the failure that ends the program.
pub(crate) fn error(text: &str) {
    // A full queue would lose the line.
    flush();
    if IS_JSON.load(Relaxed) {
        tracing::error!("{text}")
    } else {
        line(format_args!("error: {text}"))
    }
    flush();
}

/// Warns the operator of a condition that may be unwanted.
pub(crate) fn warning(text: &str) {
    if IS_JSON.load(Relaxed) { tracing::warn!("{text}") } else { line(format_args!("WARNING: {text}")) }
}

/// Tells the operator a fact that needs no action.
pub(crate) fn remark(text: &str) {
    if IS_JSON.load(Relaxed) { tracing::info!("{text}") } else { line(format_args!("{text}")) }
}
