//! The exit code of an outcome, and the line that reports an error.

use std::{error::Error, process::ExitCode};

use analyse::Verdict;

use crate::{log, output::is_reader_gone};

/// The error of wrong usage or unreadable input, with exit code 2. Any other error exits with 1.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Usage(Box<dyn Error + Send + Sync>);

impl Usage {
    /// Wraps the reason: an error, or a text that names the right usage.
    pub(crate) fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

/// The exit code of wrong usage and of unreadable input.
pub(crate) const USAGE: u8 = 2;

/// Returns the exit code of an outcome. An error is reported in one line on stderr, in the form of the log. If the reader of stdout is gone,
/// such as `head` after its last line, the program ends quietly with success.
pub(crate) fn code(outcome: anyhow::Result<Verdict>) -> ExitCode {
    match outcome {
        Ok(verdict) => ExitCode::from(verdict.exit_code()),
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&with_causes(&error));
            ExitCode::from(if error.is::<Usage>() { USAGE } else { Verdict::RunFailed.exit_code() })
        }
    }
}

/// Returns an error with its causes. A cause whose text is already part of the message is left out.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        stated if stated.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::output::ReaderGone;

    #[test]
    fn a_cause_is_reported_once() {
        let cause = || io::Error::other("disk full");
        assert_eq!(
            with_causes(&anyhow::Error::new(cause()).context("cannot write")),
            "cannot write: disk full"
        );
        let stated = anyhow::Error::new(cause()).context("cannot write: disk full");
        assert_eq!(with_causes(&stated), "cannot write: disk full");
    }

    #[test]
    fn a_reader_of_stdout_who_wants_no_more_is_recognised_through_other_errors() {
        let gone = || anyhow::Error::new(ReaderGone).context("cannot write to stdout");
        assert!(is_reader_gone(&gone()));
        let wrapped: Box<dyn Error + Send + Sync> = gone().into();
        assert!(is_reader_gone(&anyhow::Error::new(Usage::new(wrapped))));
        assert!(!is_reader_gone(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
    }

    #[test]
    fn a_usage_error_keeps_its_reason() {
        let error = anyhow::Error::new(Usage::new(io::Error::other("no such file")));
        assert!(error.is::<Usage>());
        assert_eq!(with_causes(&error), "no such file");
    }
}
