//! The flags of `longhaul prove`.

use std::ffi::OsString;

use clap::Args;

use record::{ByteSize, DEFAULT_SLOPE_LIMIT, SizeError};

use super::{
    RunArgs,
    values::{distinct, sizes},
};

/// The least slope limit, per GiB of body. A control keeps a twentieth of the limit: here, one byte for each MiB.
pub(crate) const LEAST_SLOPE_LIMIT: ByteSize = ByteSize(20 << 10);

/// The default of `--slope-limit` for programs whose heap is not counted: resident memory scatters by pages.
const SUBJECT_SLOPE_LIMIT: ByteSize = ByteSize(1 << 20);

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    /// Prove a client of yours: the command after --, with {url}, {file}, {size}, {cacert}, {host} and {port} filled in
    #[arg(long, requires = "command", group = "subject")]
    pub(crate) client: bool,
    /// Prove any program whose input has a size: the command after --, with {n} filled in by each of these sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = sizes, requires = "command", group = "subject")]
    series: Vec<Vec<ByteSize>>,
    /// Slope of memory that counts as growth, per GiB of body [default: 100KiB; for a program of yours: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = slope_limit)]
    slope_limit: Option<ByteSize>,
    /// Skip the controls, which show that growing memory is noticed
    #[arg(long)]
    pub(crate) no_control: bool,
    /// Run each growing case once more, and name the call sites of memory that stays allocated (needs a program built
    /// with --features heap-trace)
    #[arg(long)]
    pub(crate) trace: bool,
    /// Command line of the program to prove, run as it is without a shell
    #[arg(last = true, value_name = "COMMAND", requires = "subject")]
    pub(crate) command: Vec<OsString>,
}

impl ProveArgs {
    /// Returns whether a program of someone else is to be proven.
    pub(crate) fn is_of_program(&self) -> bool {
        self.client || !self.series.is_empty()
    }

    /// The sizes of `--series`, each once.
    pub(crate) fn series(&self) -> Vec<ByteSize> {
        distinct(self.series.iter().flatten().copied())
    }

    /// The slope of memory that counts as growth, per GiB of body.
    pub(crate) fn slope_limit(&self) -> ByteSize {
        self.slope_limit.unwrap_or(if self.is_of_program() {
            SUBJECT_SLOPE_LIMIT
        } else {
            DEFAULT_SLOPE_LIMIT
        })
    }
}

/// Parses a slope limit. Below [`LEAST_SLOPE_LIMIT`], no control could keep a twentieth of the limit.
fn slope_limit(text: &str) -> Result<ByteSize, String> {
    let limit: ByteSize = text.parse().map_err(|error: SizeError| error.to_string())?;
    if limit < LEAST_SLOPE_LIMIT {
        Err(format!("'{text}' is too small; use at least {LEAST_SLOPE_LIMIT}"))
    } else {
        Ok(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_limit_is_a_size_that_controls_can_keep_a_twentieth_of() {
        assert_eq!(slope_limit("1MiB"), Ok(ByteSize(1 << 20)));
        assert_eq!(slope_limit("20KiB"), Ok(LEAST_SLOPE_LIMIT));
        assert!(slope_limit("19KiB").unwrap_err().contains("at least 20KiB") && slope_limit("x").is_err());
    }
}
