//! The log on stderr: what libraries trace, and what a server tells its operator, as text or as lines of JSON.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use clap::ValueEnum;
use tracing::Level;

use crate::output::stderr_line;

/// True if each line on stderr is to be an object in JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

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
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.without_time().init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            IS_JSON.store(true, Relaxed);
            panic::set_hook(Box::new(|info| tracing::error!("{info}")));
        }
    }
}

/// Reports the failure that ends the program.
pub(crate) fn error(text: &str) {
    if IS_JSON.load(Relaxed) { tracing::error!("{text}") } else { stderr_line(format_args!("error: {text}")) }
}

/// Warns the operator of a condition that may be unwanted.
pub(crate) fn warning(text: &str) {
    if IS_JSON.load(Relaxed) {
        tracing::warn!("{text}")
    } else {
        stderr_line(format_args!("WARNING: {text}"))
    }
}

/// Tells the operator a fact that needs no action.
pub(crate) fn remark(text: &str) {
    if IS_JSON.load(Relaxed) { tracing::info!("{text}") } else { stderr_line(format_args!("{text}")) }
}
