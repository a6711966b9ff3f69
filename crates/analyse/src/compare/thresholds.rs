//! The thresholds of a comparison: the smallest changes that count.

use std::str::FromStr;

use super::metric::{METRICS, Metric};

/// The smallest changes that count, as shares of the base, by the names of the thresholds in [`METRICS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds(Vec<(&'static str, f64)>);

/// An error for a text that is not a threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdsError {
    /// The text contains something that is not a percentage.
    #[error("'{0}' is not a threshold; use 5%, or {example}", example = example())]
    NotAPercentage(String),
    /// The text contains an unknown name of a threshold.
    #[error("'{0}' has no threshold; use {names}", names = names().join(", "))]
    Unknown(String),
}

/// Returns the names of all thresholds, in the order of the metrics.
fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = METRICS.iter().map(|metric| metric.threshold).collect();
    names.dedup();
    names
}

fn example() -> String {
    Thresholds::default().to_string()
}

impl Default for Thresholds {
    fn default() -> Self {
        let mut thresholds: Vec<_> =
            METRICS.iter().map(|metric| (metric.threshold, metric.default_threshold)).collect();
        thresholds.dedup_by_key(|(name, _)| *name);
        Self(thresholds)
    }
}

impl Thresholds {
    /// Returns the threshold of a metric.
    pub fn of(&self, metric: &Metric) -> f64 {
        let own = self.0.iter().find(|(name, _)| *name == metric.threshold);
        own.map_or(metric.default_threshold, |(_, threshold)| *threshold)
    }
}

impl std::fmt::Display for Thresholds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(name, share)| format!("{name}={}%", 100.0 * share)).collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Thresholds {
    type Err = ThresholdsError;

    /// Parses `5%` for all thresholds, or `goodput=5%,rss=2%,cpu=10%` in any order. A threshold that is left out has
    /// its default.
    fn from_str(text: &str) -> Result<Self, ThresholdsError> {
        let mut thresholds = Self::default();
        if !text.contains('=') {
            let all = percent(text)?;
            thresholds.0.iter_mut().for_each(|(_, threshold)| *threshold = all);
            return Ok(thresholds);
        }
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent(value)?;
            let own = thresholds.0.iter_mut().find(|(own, _)| *own == name.trim());
            own.ok_or_else(|| ThresholdsError::Unknown(name.trim().to_owned()))?.1 = value;
        }
        Ok(thresholds)
    }
}

fn percent(text: &str) -> Result<f64, ThresholdsError> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    number
        .filter(|number| (0.0..1000.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| ThresholdsError::NotAPercentage(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<f64> {
        text.parse::<Thresholds>().unwrap().0.into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn thresholds_are_for_all_figures_or_for_each_kind() {
        assert_eq!(values("3%"), [0.03; 3]);
        assert_eq!(values("rss=2.5%, cpu=20%"), [0.05, 0.025, 0.2]);
        for wrong in ["5", "x%", "-1%", "goodput=5", "speed=5%", ""] {
            assert!(wrong.parse::<Thresholds>().is_err(), "{wrong}");
        }
        assert_eq!(Thresholds::default().to_string(), "goodput=5%,rss=5%,cpu=10%");
    }
}
