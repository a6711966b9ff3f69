//! The values of a file of ceilings: patterns, sizes and bands.

use std::{path::PathBuf, str::FromStr};

use record::ByteSize;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The allowed distance of peaks from the peaks of other records, in both directions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The path of a file of records or a folder of results, relative to the file of ceilings.
    pub records: PathBuf,
    /// The largest allowed distance.
    pub band: Band,
}

/// A distance: a size, or a share of the reference value.
#[derive(Clone, Copy, Debug)]
pub enum Band {
    /// A distance in bytes.
    Bytes(ByteSize),
    /// A distance in percent of the reference value.
    Percent(f64),
}

/// A pattern for one field of a case: a single value, or `*` for any value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Pattern<T> {
    #[default]
    Any,
    Is(T),
}

impl<T: PartialEq> Pattern<T> {
    pub(super) fn matches(&self, value: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Is(own) => own == value,
        }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match other {
            Self::Any => true,
            Self::Is(value) => self.matches(value),
        }
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl<'a, T: FromStr<Err: std::fmt::Display>> Deserialize<'a> for Pattern<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::Is).map_err(D::Error::custom) }
    }
}

/// Deserializes an optional size from its text form, such as `16MiB`.
pub(super) fn size<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

impl<'a> Deserialize<'a> for Band {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let percent = text.strip_suffix('%').map(|number| number.trim().parse::<f64>());
        match percent {
            None => text.parse().map(Self::Bytes).map_err(D::Error::custom),
            Some(Ok(percent)) if percent > 0.0 && percent.is_finite() => Ok(Self::Percent(percent)),
            Some(_) => {
                Err(D::Error::custom(format!("band '{text}' must be a size or a percentage such as 10%")))
            }
        }
    }
}
