//! The flags of `longhaul prove`.

use clap::Args;

use record::{ByteSize, DEFAULT_SLOPE_LIMIT, SizeError};

use super::RunArgs;

/// The least slope limit, per GiB of body. A control keeps a twentieth of the limit: here, one byte for each MiB.
pub(crate) const LEAST_SLOPE_LIMIT: ByteSize = ByteSize(20 << 10);

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    /// Slope of memory that counts as growth, per GiB of body
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_SLOPE_LIMIT, value_parser = slope_limit)]
    pub(crate) slope_limit: ByteSize,
    /// Skip the controls, which show that growing memory is noticed
    #[arg(long)]
    pub(crate) no_control: bool,
    /// Run each growing case once more, and name the call sites of memory that stays allocated (needs a program built
    /// with --features heap-trace)
    #[arg(long)]
    pub(crate) trace: bool,
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
