//! How the values of flags are read.

use std::{str::FromStr, time::Duration};

use payload::ChunkSize;
use transport::{TRANSPORTS, Transport};

use crate::size::{ByteSize, parse_range};

/// A protocol by its name.
#[derive(Clone, Copy)]
pub(crate) struct Protocol(pub(crate) &'static dyn Transport);

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        transport::by_name(name).map(Self).ok_or_else(|| {
            let known: Vec<_> = TRANSPORTS.iter().map(|transport| transport.name()).collect();
            format!("unknown protocol, it must be one of {}", known.join(", "))
        })
    }
}

/// Chunk sizes: one, or a doubling range.
#[derive(Clone, Debug)]
pub(crate) struct Chunks(pub(crate) Vec<ChunkSize>);

impl FromStr for Chunks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes = parse_range(text)?;
        let chunks = sizes.iter().map(|size| ChunkSize::try_from(size.0).map_err(|error| error.to_string()));
        chunks.collect::<Result<_, _>>().map(Self)
    }
}

/// One chunk size.
pub(crate) fn chunk(text: &str) -> Result<ChunkSize, String> {
    ChunkSize::try_from(text.parse::<ByteSize>()?.0).map_err(|error| error.to_string())
}

/// Body sizes: one, or a doubling range.
#[derive(Clone, Debug)]
pub(crate) struct Sizes(pub(crate) Vec<ByteSize>);

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_range(text).map(Self)
    }
}

/// A rate: a size per second, more than zero.
pub(crate) fn rate(text: &str) -> Result<ByteSize, String> {
    let rate: ByteSize = text.parse()?;
    Some(rate).filter(|rate| rate.0 > 0).ok_or_else(|| "it must be at least one byte per second".into())
}

/// A duration such as `30s` or `2m`, more than zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("'{text}' is no duration above zero: write for example 30s, 500ms or 2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_positive_value() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "30", "0s", "-1s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
