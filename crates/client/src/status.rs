//! The set of statuses that a transfer expects.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use http::StatusCode;

/// A set of statuses, such as `201,409` or `2xx`. The default is every success (2xx).
///
/// ```
/// use longhaul_client::Statuses;
///
/// let statuses: Statuses = "201,4xx".parse()?;
/// assert!(statuses.contains(http::StatusCode::NOT_FOUND));
/// assert!(!statuses.contains(http::StatusCode::OK));
/// # Ok::<(), longhaul_client::StatusesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Returns whether a status belongs to the set.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }

    /// Returns whether the set is the default.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for Statuses {
    type Err = StatusesError;

    fn from_str(text: &str) -> Result<Self, StatusesError> {
        let range = |part: &str| range(part.trim()).ok_or_else(|| StatusesError(part.trim().to_owned()));
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

/// Returns the statuses of one item: a number, or a class such as `2xx`. `None` for any other text, and for statuses
/// under 200, which no final response has.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (2..=5).contains(class))?;
        return Some(class * 100..=class * 100 + 99);
    }
    let status: u16 = text.parse().ok().filter(|status| (200..=599).contains(status))?;
    Some(status..=status)
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, _) => format!("{}xx", first / 100),
        };
        f.write_str(&self.0.iter().map(shown).collect::<Vec<_>>().join(","))
    }
}

/// An error for a text that is not a set of statuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a status; use a number from 200 to 599, or a class such as 2xx")]
pub struct StatusesError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_list_of_numbers_and_classes() {
        let statuses: Statuses = "201, 409,5xx".parse().unwrap();
        for (status, expected) in [(201, true), (200, false), (409, true), (500, true), (599, true)] {
            assert_eq!(statuses.contains(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
        assert_eq!(statuses.to_string(), "201,409,5xx");
        assert!(Statuses::default().is_default() && "2xx".parse::<Statuses>().unwrap().is_default());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "2", "x", "99", "100", "600", "1xx", "2xxx", "200,,201", "-200"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
