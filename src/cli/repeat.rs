//! The flags that let a client make more than one request for a transfer, with curl's names.

use clap::Args;

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
}

impl RepeatArgs {
    /// Returns the number of redirects that are followed.
    pub(crate) fn max_redirects(&self) -> u32 {
        if self.location { self.max_redirs } else { 0 }
    }
}

/// Parses a number of redirects. All that fit the type are as good as any number.
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
