//! The identity of a case as a structured value. A [`CaseKey`] prints as the name of the case and parses back.

use std::{fmt, str::FromStr};

use crate::{ByteSize, Direction, LIMITS};

/// The identity of a case: protocol, direction, chunk, body, then every axis that is not at its default.
///
/// ```
/// use longhaul_record::CaseKey;
///
/// let key: CaseKey = "h3/up/64KiB/1GiB+c4s8+reader=150MiB+h3-recv=stock".parse()?;
/// assert_eq!(key.axis("h3-recv"), Some("stock"));
/// assert_eq!(key.without_body().to_string(), "h3/up/64KiB+c4s8+reader=150MiB+h3-recv=stock");
/// assert_eq!(key.without_protocol().to_string(), "up/64KiB/1GiB+c4s8+reader=150MiB");
/// # Ok::<(), longhaul_record::CaseKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct CaseKey {
    /// The protocol's name; `None` in an identity that several protocols share.
    pub protocol: Option<String>,
    /// The direction of the body: upload or download.
    pub direction: Direction,
    /// The chunk size of the case.
    pub chunk: ByteSize,
    /// The size of one body; `None` in the identity of a series over several sizes.
    pub body: Option<ByteSize>,
    /// The axes that are not at their defaults, in the order of the name.
    pub axes: Vec<Axis>,
}

/// One axis that is not at its default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// Several concurrent bodies: `c4s8`.
    Load {
        /// The number of concurrent connections.
        connections: u32,
        /// The number of bodies in flight on each connection.
        streams: u32,
    },
    /// Any other axis: `reader=150MiB`.
    Setting {
        /// The name of the axis.
        name: String,
        /// The value of the axis.
        value: String,
    },
}

impl Axis {
    /// The name of the axis that states a profile.
    pub(crate) const PROFILE: &'static str = "profile";

    /// Creates an axis from its name and its value.
    pub(crate) fn setting(name: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::Setting { name: name.into(), value: value.to_string() }
    }

    /// Returns whether the axis is a limit or a profile of limits. The name of such an axis is the name of its flag.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::Load { .. } => false,
            Self::Setting { name, .. } => {
                name == Self::PROFILE || LIMITS.iter().any(|limit| limit.flag == name)
            }
        }
    }
}

impl CaseKey {
    /// Returns the identity that all sizes of the body share.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { body: None, ..self.clone() }
    }

    /// Returns the identity that all protocols share. It has neither protocol nor limits, since protocols have
    /// different limits.
    #[must_use]
    pub fn without_protocol(&self) -> Self {
        Self { protocol: None, ..self.without_limits() }
    }

    /// Returns the identity without the limits of the protocol, as if they were at their defaults.
    #[must_use]
    pub fn without_limits(&self) -> Self {
        let axes = self.axes.iter().filter(|axis| !axis.is_limit()).cloned().collect();
        Self { axes, ..self.clone() }
    }

    /// Returns the identity without an axis, as if the axis were at its default.
    #[must_use]
    pub fn without_axis(&self, name: &str) -> Self {
        let is_other = |axis: &&Axis| !matches!(axis, Axis::Setting { name: own, .. } if own == name);
        Self { axes: self.axes.iter().filter(is_other).cloned().collect(), ..self.clone() }
    }

    /// Returns the value of an axis; `None` if the axis is at its default.
    pub fn axis(&self, name: &str) -> Option<&str> {
        self.axes.iter().find_map(|axis| match axis {
            Axis::Setting { name: own, value } if own == name => Some(value.as_str()),
            _ => None,
        })
    }

    /// Returns the part of the name with the axes that are not at their defaults, without the leading `+`.
    pub fn variant(&self) -> String {
        self.axes.iter().map(Axis::to_string).collect::<Vec<_>>().join("+")
    }
}

impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = &self.protocol {
            write!(f, "{protocol}/")?;
        }
        write!(f, "{}/{}", self.direction, self.chunk)?;
        if let Some(body) = self.body {
            write!(f, "/{body}")?;
        }
        self.axes.iter().try_for_each(|axis| write!(f, "+{axis}"))
    }
}

/// Writes an axis as part of a name. A `+` would end the axis, so it is written as `%2B`. A `%` that would be read as
/// the beginning of an escape is written as `%25`.
impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { connections, streams } => write!(f, "c{connections}s{streams}"),
            Self::Setting { name, value } => {
                let value = value.replace("%2", "%252").replace('+', "%2B");
                write!(f, "{name}={value}")
            }
        }
    }
}

/// An error for a text that is not the name of a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the name of a case such as h2/up/64KiB/1GiB+sink=discard")]
pub struct CaseKeyError(String);

impl FromStr for CaseKey {
    type Err = CaseKeyError;

    /// Parses the name of a case. The name may lack the body size or the protocol.
    fn from_str(name: &str) -> Result<Self, CaseKeyError> {
        parse(name).ok_or_else(|| CaseKeyError(name.to_owned()))
    }
}

fn parse(name: &str) -> Option<CaseKey> {
    let (cell, axes) = name.split_once('+').map_or((name, None), |(cell, axes)| (cell, Some(axes)));
    let parts: Vec<&str> = cell.split('/').collect();
    let (protocol, rest) = match parts.as_slice() {
        [first, rest @ ..] if first.parse::<Direction>().is_err() => (Some((*first).to_owned()), rest),
        all => (None, all),
    };
    let (direction, chunk, body) = match rest {
        [direction, chunk] => (direction, chunk, None),
        [direction, chunk, body] => (direction, chunk, Some(body.parse().ok()?)),
        _ => return None,
    };
    let axes = axes.map_or_else(|| Some(Vec::new()), parse_axes)?;
    Some(CaseKey { protocol, direction: direction.parse().ok()?, chunk: chunk.parse().ok()?, body, axes })
}

/// Parses the axes of a name. Earlier versions did not escape a `+` in the name of a payload file. A part that is not
/// an axis therefore belongs to the axis before it.
fn parse_axes(text: &str) -> Option<Vec<Axis>> {
    let mut axes: Vec<Axis> = Vec::new();
    for part in text.split('+') {
        match (parse_load(part), part.split_once('='), axes.last_mut()) {
            (Some(load), _, _) => axes.push(load),
            (None, Some((name, value)), _) => {
                axes.push(Axis::setting(name, current(value.replace("%2B", "+").replace("%25", "%"))));
            }
            (None, None, Some(Axis::Setting { value, .. })) => {
                value.push('+');
                value.push_str(part);
            }
            (None, None, _) => return None,
        }
    }
    Some(axes)
}

/// Returns the value of an axis in its present form. Earlier versions printed a size of 2 GB as 1953125KiB.
fn current(value: String) -> String {
    match value.parse::<ByteSize>() {
        Ok(size) if value.ends_with('B') && size.to_string().len() < value.len() => size.to_string(),
        _ => value,
    }
}

/// Parses an axis such as `c4s8`; `None` for any other text.
fn parse_load(part: &str) -> Option<Axis> {
    let (connections, streams) = part.strip_prefix('c')?.split_once('s')?;
    Some(Axis::Load { connections: connections.parse().ok()?, streams: streams.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> CaseKey {
        name.parse().unwrap()
    }

    #[test]
    fn sizes_that_earlier_versions_printed_in_another_unit_are_the_same() {
        let now = key("quic/up/64KB/2GB+reader=100MB");
        assert_eq!(key("quic/up/64000B/1953125KiB+reader=97656250KiB").axis("reader"), Some("100GB"));
        assert_eq!(key("quic/up/64000B/1953125KiB+reader=100000000B"), now);
        assert_eq!(now.to_string(), "quic/up/64KB/2GB+reader=100MB");
    }

    #[test]
    fn names_print_as_they_parse() {
        for name in [
            "h2/up/64KiB/2GiB",
            "h2/down/65563B/2GiB+c4s8+payload=file:some.iso+seed=7+sink=discard+reader=150MiB+h2-frame=16KiB",
            "s2n-quic/up/1B/0B+unheard-of=5",
            "up/64KiB/2GiB",
            "h3/up/64KiB+h3-recv=stock",
        ] {
            assert_eq!(key(name).to_string(), name);
        }
        for name in [
            "",
            "h2",
            "h2/up",
            "h2/sideways/1B/1B",
            "h2/up/x/1B",
            "h2/up/1B/1B+",
            "h2/up/1B/1B+x",
            "a/b/up/1B/1B",
        ] {
            assert!(name.parse::<CaseKey>().is_err(), "{name}");
        }
    }

    #[test]
    fn only_protocol_and_limits_differ_between_rows_of_one_transfer() {
        let (h3, quic) =
            (key("h3/up/1KiB/1GiB+sink=discard+h3-recv=stock"), key("quic/up/1KiB/1GiB+sink=discard"));
        assert_eq!(h3.without_protocol(), quic.without_protocol());
        assert_ne!(h3.without_protocol(), key("quic/up/1KiB/1GiB").without_protocol());
        assert_eq!(quic.without_axis("sink"), key("quic/up/1KiB/1GiB").without_axis("reader"));
    }

    #[test]
    fn values_with_signs_of_their_own_are_read_as_they_were() {
        for (value, name) in [("1%", "1%"), ("%2B", "%252B"), ("a+b%25%", "a%2Bb%2525%"), ("%%2", "%%252")] {
            let axis = Axis::setting("payload", value);
            assert_eq!(axis.to_string(), format!("payload={name}"));
            assert_eq!(key(&format!("h1/up/1KiB/1GiB+{axis}")).axis("payload"), Some(value));
        }
    }

    #[test]
    fn a_file_name_may_hold_a_plus_sign() {
        let escaped = key("h1/up/1KiB/1GiB+payload=file:a%2Bb%25.iso+sink=discard");
        assert_eq!(escaped.axis("payload"), Some("file:a+b%.iso"));
        assert_eq!(
            key("h1/up/1KiB/1GiB+payload=file:a+b.iso+sink=discard").axis("payload"),
            Some("file:a+b.iso")
        );
    }

    proptest! {
        #[test]
        fn every_key_survives_its_name(
            protocol in "[a-z][a-z0-9-]{0,8}", chunk: u64, body: u64,
            load in prop::option::of((1_u32..9, 1_u32..9)),
            settings in prop::collection::vec(("[a-z][a-z0-9-]{0,8}", "[^\n]{0,12}"), 0..4),
        ) {
            prop_assume!(protocol.parse::<Direction>().is_err());
            let mut axes: Vec<Axis> =
                load.into_iter().map(|(connections, streams)| Axis::Load { connections, streams }).collect();
            axes.extend(settings.into_iter().map(|(name, value)| Axis::Setting { name, value }));
            let key = CaseKey {
                protocol: Some(protocol),
                direction: Direction::Up,
                chunk: ByteSize(chunk),
                body: Some(ByteSize(body)),
                axes,
            };
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
