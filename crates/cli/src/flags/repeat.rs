//! The flags that let a client make more than one request for a transfer, with curl's names.

use std::time::Duration;

use clap::Args;
use client::{Retry, RetryOptions};

use super::values::seconds;

use crate::output::stderr_line;

/// The default of curl's `--max-redirs`.
const MAX_REDIRECTS: &str = "50";

#[derive(Debug, Args)]
pub(crate) struct RepeatArgs {
    /// Follow redirects; credentials, and the fields Authorization, Cookie and Host of -H, go to the first origin only
    #[arg(short = 'L', long)]
    location: bool,
    /// Most redirects that -L follows; -1 is any number
    #[arg(long, value_name = "N", default_value = MAX_REDIRECTS, value_parser = redirects, allow_negative_numbers = true)]
    max_redirs: u32,
    /// Most retries after a timeout, an unknown host, or status 408, 429, 500, 502, 503 or 504; each moves the whole
    /// body, unless -C - resumes it
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    /// Wait before each retry; a bare number is seconds, and 0 is the default: 1s, doubled each time up to 10m. The
    /// server may ask for more (Retry-After)
    #[arg(long, value_name = "TIME", value_parser = seconds_or_zero, requires = "retry")]
    retry_delay: Option<Duration>,
    /// Time since the first try after which no retry begins; a bare number is seconds, and 0 is any time
    #[arg(long, value_name = "TIME", value_parser = seconds_or_zero, requires = "retry")]
    retry_max_time: Option<Duration>,
}

impl RepeatArgs {
    /// Returns the number of redirects that are followed.
    pub(crate) fn max_redirects(&self) -> u32 {
        if self.location { self.max_redirs } else { 0 }
    }

    /// Returns the retries. Each retry is reported to `notice`.
    pub(crate) fn retries(&self, notice: Option<fn(&Retry<'_>)>) -> RetryOptions {
        let given = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        RetryOptions::default()
            .with_most(self.retry)
            .with_delay(given(self.retry_delay))
            .with_max_time(given(self.retry_max_time))
            .with_notice(notice)
    }
}

/// Prints the reason of a retry and its wait on stderr.
pub(crate) fn announce(retry: &Retry<'_>) {
    let Retry { fault, wait, left, .. } = retry;
    stderr_line(format_args!(
        "note: {}; next try in {} s (retries left: {left})",
        fault.message,
        wait.as_secs_f64()
    ));
}

/// Parses a duration, which may be 0. A bare number is seconds, as for curl.
fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// Parses a number of redirects. `-1` becomes the largest number of the type, which no transfer reaches.
fn redirects(text: &str) -> Result<u32, String> {
    match text {
        "-1" => Ok(u32::MAX),
        _ => text
            .parse()
            .map_err(|_| format!("'{text}' is not a number of redirects; use 0 or more, or -1 for any")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_redirects_may_be_any() {
        assert_eq!((redirects("0"), redirects("50"), redirects("-1")), (Ok(0), Ok(50), Ok(u32::MAX)));
        for text in ["", "-2", "x", "1.5"] {
            assert!(redirects(text).unwrap_err().contains("-1 for any"));
        }
    }
}
