//! The flags of `longhaul compare`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What it was before: a file of records, or a folder of results
    pub(crate) base: PathBuf,
    /// What it is now
    pub(crate) candidate: PathBuf,
    /// From where on a change counts: `5%` for all figures, or for each kind
    #[arg(long, value_name = "PERCENT", default_value = "goodput=5%,rss=5%,cpu=10%")]
    pub(crate) threshold: Thresholds,
    /// Exit 3 if the candidate is slower or takes more processor time, 4 if it takes more memory, 1 or 5 if it fails anew, 6 if nothing
    /// could be compared
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
}

/// What fails a comparison.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything that is worse.
    Worse,
}

/// From which part of the base on a change counts, for each kind of figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thresholds {
    pub(crate) goodput: f64,
    pub(crate) rss: f64,
    pub(crate) cpu: f64,
}

/// 5 % of goodput is what medians of seven rounds differ by at most from run to run on a machine that is left
/// alone; the same for peaks; processor time varies more.
impl Default for Thresholds {
    fn default() -> Self {
        Self { goodput: 0.05, rss: 0.05, cpu: 0.10 }
    }
}

impl FromStr for Thresholds {
    type Err = String;

    /// `5%` for all, or `goodput=5%,rss=2%,cpu=10%` in any order, each at its default where it is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = |text: &str| {
            let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            number
                .filter(|number| (0.0..1000.0).contains(number))
                .map(|number| number / 100.0)
                .ok_or_else(|| format!("'{text}' is no threshold: write 5%, or goodput=5%,rss=5%,cpu=10%"))
        };
        if !text.contains('=') {
            let all = percent(text)?;
            return Ok(Self { goodput: all, rss: all, cpu: all });
        }
        let mut thresholds = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent(value)?;
            match name.trim() {
                "goodput" => thresholds.goodput = value,
                "rss" => thresholds.rss = value,
                "cpu" => thresholds.cpu = value,
                other => return Err(format!("'{other}' has no threshold: it must be goodput, rss or cpu")),
            }
        }
        Ok(thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_for_all_or_for_each() {
        assert_eq!("3%".parse(), Ok(Thresholds { goodput: 0.03, rss: 0.03, cpu: 0.03 }));
        assert_eq!("rss=2.5%, cpu=20%".parse(), Ok(Thresholds { goodput: 0.05, rss: 0.025, cpu: 0.2 }));
        for wrong in ["5", "x%", "-1%", "goodput=5", "speed=5%", ""] {
            assert!(wrong.parse::<Thresholds>().is_err(), "{wrong}");
        }
    }
}
