//! The limits, which are windows, buffers and choices with a flag each: their table, and their values in force.
//!
//! A limit is one entry of [`LIMITS`]. Flags, help, names of cases, schema and docs are loops over that table. Code
//! reads a value in force through its entry: `limits.bytes(&H2_WINDOW)`.

#[cfg(test)]
mod schema;
mod table;
mod values;

use std::fmt;

use crate::{ByteSize, CarrierKind, Protocol};

pub use table::*;
pub use values::{LimitValue, Limits};

/// One limit or choice: an entry of [`LIMITS`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Limit {
    /// The flag that sets the limit, without dashes. The flag is also the name of the limit in records.
    pub flag: &'static str,
    /// The values that the limit can take.
    pub domain: Domain,
    /// The meaning of `auto`; `None` if `auto` is not a value of the limit.
    pub auto: Option<&'static str>,
    /// The bound within which `auto` chooses; `None` if the kernel or the path bounds the choice.
    pub auto_bound: Option<AutoBound>,
    /// The value in the `balanced` profile.
    pub default: Preset,
    /// The value in the `lean` profile; `None` if it is the default.
    pub lean: Option<Preset>,
    /// The value in the `fast` profile; `None` if it is the default.
    pub fast: Option<Preset>,
    /// The value in the `stock` profile: the default of the library or of the kernel. `None` if it is the same as
    /// `default`.
    pub stock: Option<Preset>,
    /// True for a layer of longhaul between a library and its socket, and for the size of a ceiling's system calls.
    /// Studies leave out one layer, or vary one such size, at a time. The flags of these entries are hidden in
    /// `--help`.
    pub layer: bool,
    /// The default of `send`, `fetch` and `serve`, which do not know the peer and the path; `None` if the value of the
    /// profile applies.
    pub remote: Option<Preset>,
    /// The value for records written before the limit existed; `None` if every record states the limit.
    pub before: Option<Before>,
    /// The protocols on which the limit has an effect.
    pub scope: Scope,
    /// The description in `--help`: one line, without the default.
    pub help: &'static str,
}

/// The values that a limit can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A number of bytes, from `least` to `most`.
    Bytes {
        /// The smallest value, in bytes.
        least: u64,
        /// The largest value, in bytes.
        most: u64,
    },
    /// One of the listed words.
    Choice(&'static [&'static str]),
}

/// The bound of a size that adapts during a transfer. A value such as `auto:8MiB` sets the bound. The largest bound is
/// the largest value of the limit's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoBound {
    /// The smallest bound, in bytes: the size with which a transfer starts.
    pub least: u64,
    /// The bound of `auto` alone, in bytes.
    pub default: u64,
}

/// A value of a limit in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A value in bytes.
    Bytes(u64),
    /// The value `auto`, whose meaning [`Limit::auto`] states for each limit.
    Auto,
    /// One of the words of the limit.
    Choice(&'static str),
}

/// The value of a limit for records that do not state the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// A fixed value, which was in force before the limit existed.
    Was(Preset),
    /// The value of another limit, or a number of bytes if that limit is `auto`.
    As {
        /// The flag of the other limit, without dashes.
        flag: &'static str,
        /// The number of bytes if the other limit is `auto`.
        or: u64,
    },
}

/// The protocols on which a limit has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The protocols on carriers of the listed kinds.
    Carriers(&'static [CarrierKind]),
    /// The protocols with this version of HTTP.
    Http(&'static str),
    /// The ceilings over byte streams.
    StreamCeilings,
}

impl Scope {
    fn covers(self, protocol: &Protocol) -> bool {
        match self {
            Self::Carriers(kinds) => kinds.contains(&protocol.carrier_kind()),
            Self::Http(version) => protocol.http() == Some(version),
            Self::StreamCeilings => {
                protocol.is_ceiling()
                    && matches!(protocol.carrier_kind(), CarrierKind::Tcp | CarrierKind::Tls)
            }
        }
    }
}

/// A named set of values for all limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The smallest memory budget with which bodies still stream: every window holds a few chunks of 64 KiB.
    Lean,
    /// Full speed on loopback, in the least memory that allows full speed.
    #[default]
    Balanced,
    /// The highest goodput, whatever the memory. Windows are so large that larger ones gain nothing on loopback, and
    /// frames are as large as large chunks.
    Fast,
    /// Each library with its own defaults, on sockets with the kernel's defaults. longhaul adds no limit and no layer,
    /// so that nothing bounds the memory.
    Stock,
}

impl Profile {
    /// All profiles. The profiles that bound memory come first, from the least memory to the most.
    pub const ALL: [Self; 4] = [Self::Lean, Self::Balanced, Self::Fast, Self::Stock];

    /// Returns the value of the `--profile` flag that selects the profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Balanced => "balanced",
            Self::Fast => "fast",
            Self::Stock => "stock",
        }
    }
}

/// The kind of path for which QUIC datagrams are sized: a name for a value of [`QUIC_MTU`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuicProfile {
    /// 1,452 bytes: an Ethernet frame of 1,500 bytes less the headers of IPv6 and UDP. Figures with this size hold for
    /// other paths than loopback, too.
    #[default]
    Internet,
    /// 8,952 bytes: a jumbo frame of 9,000 bytes less the headers of IPv6 and UDP.
    Jumbo,
    /// [`MAX_QUIC_MTU`]: the largest datagram that UDP allows, one per system call.
    Loopback,
}

impl QuicProfile {
    /// All profiles, from the smallest datagrams to the largest.
    pub const ALL: [Self; 3] = [Self::Internet, Self::Jumbo, Self::Loopback];

    /// Returns the value of the `--quic-profile` flag that selects the profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::Jumbo => "jumbo",
            Self::Loopback => "loopback",
        }
    }

    /// Returns the largest UDP payload of the profile, in bytes.
    pub fn mtu(self) -> u64 {
        match self {
            Self::Internet => INTERNET_QUIC_MTU,
            Self::Jumbo => 8952,
            Self::Loopback => MAX_QUIC_MTU,
        }
    }
}

/// An error for an invalid value of a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{flag}: '{value}' is not possible; use {expected}")]
pub struct LimitError {
    flag: &'static str,
    value: String,
    expected: String,
}

impl LimitError {
    /// Creates the error for the flag `flag`, whose value must be one of `expected` and not `value`.
    pub fn new(flag: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { flag, value: value.into(), expected: expected.into() }
    }

    /// Returns the values that the limit can take, in words.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl Limit {
    /// Returns whether the limit has an effect on a protocol.
    pub fn applies_to(&self, protocol: &Protocol) -> bool {
        self.scope.covers(protocol)
    }

    /// Returns the value of the limit in a profile.
    pub fn preset(&self, profile: Profile) -> Preset {
        match profile {
            Profile::Lean => self.lean,
            Profile::Balanced => None,
            Profile::Fast => self.fast,
            Profile::Stock => self.stock,
        }
        .unwrap_or(self.default)
    }

    /// Parses the value of the limit's flag.
    ///
    /// # Errors
    /// Fails if the text is not a value of this limit. The error names the possible values.
    pub fn parse(&self, text: &str) -> Result<LimitValue, LimitError> {
        let value = match self.domain {
            _ if text == LimitValue::AUTO && self.auto.is_some() => {
                Some(self.auto_bound.map_or(LimitValue::Auto, |bound| LimitValue::AutoWithin(bound.default)))
            }
            _ if self.auto_bound.is_some() && LimitValue::names_a_bound(text) => {
                LimitValue::auto_within(text)
            }
            Domain::Bytes { .. } => text.parse::<ByteSize>().ok().map(|size| LimitValue::Bytes(size.0)),
            Domain::Choice(_) => Some(LimitValue::Choice(text.to_owned())),
        };
        value.filter(|value| self.admits(value)).ok_or_else(|| self.refuse(text))
    }

    /// Checks that the limit can take `value`.
    ///
    /// # Errors
    /// Fails if the value is out of range, of another kind, or `auto` for a limit without that choice.
    pub fn check(&self, value: &LimitValue) -> Result<(), LimitError> {
        if self.admits(value) { Ok(()) } else { Err(self.refuse(&value.to_string())) }
    }

    fn admits(&self, value: &LimitValue) -> bool {
        match (self.domain, value) {
            (_, LimitValue::Auto) => self.auto.is_some() && self.auto_bound.is_none(),
            (Domain::Bytes { most, .. }, LimitValue::AutoWithin(bytes)) => {
                self.auto_bound.is_some_and(|bound| (bound.least..=most).contains(bytes))
            }
            (Domain::Bytes { least, most }, LimitValue::Bytes(bytes)) => (least..=most).contains(bytes),
            (Domain::Choice(words), LimitValue::Choice(word)) => words.contains(&word.as_str()),
            _ => false,
        }
    }

    fn refuse(&self, value: &str) -> LimitError {
        LimitError::new(self.flag, value, self.expected())
    }

    /// Returns the values that the limit can take, in words.
    fn expected(&self) -> String {
        let range = match self.domain {
            Domain::Bytes { least, most } => {
                format!("a size from {} to {}", ByteSize(least), ByteSize(most))
            }
            Domain::Choice(words) => words.join(", "),
        };
        match (self.auto, self.auto_bound) {
            (None, _) => range,
            (Some(_), None) => format!("auto, or {range}"),
            (Some(_), Some(bound)) => {
                format!("auto, auto:SIZE with a bound from {}, or {range}", ByteSize(bound.least))
            }
        }
    }

    /// Returns the meaning of `auto` in words, with its bound; `None` if `auto` is not a value of the limit.
    pub fn auto_in_words(&self) -> Option<String> {
        let (auto, bound) = (self.auto?, self.auto_bound);
        Some(match bound {
            Some(bound) => {
                format!("{auto}, up to {}, or up to the SIZE of auto:SIZE", ByteSize(bound.default))
            }
            None => auto.to_owned(),
        })
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => ByteSize(*bytes).fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Choice(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_of_the_table_is_a_value_of_its_limit() {
        for limit in LIMITS {
            let presets = [Some(limit.default), limit.lean, limit.fast, limit.stock, limit.remote];
            for preset in presets.into_iter().flatten() {
                assert_eq!(limit.check(&preset.into()), Ok(()), "{}", limit.flag);
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let error = H2_FRAME.parse("1KiB").unwrap_err().to_string();
        assert_eq!(error, "--h2-frame: '1KiB' is not possible; use a size from 16KiB to 16777215B");
        assert!(H2_FRAME.parse("auto").is_err() && QUIC_MTU.parse("auto").is_ok());
        assert_eq!(CIPHER.parse("rot13").unwrap_err().expected(), "auto, or aes128, aes256, chacha20");
        assert!(CONGESTION.parse("auto").is_ok() && H1_BUFFER.parse("lots").is_err());
    }

    #[test]
    fn a_size_that_adapts_has_a_bound() {
        let within = |text: &str| H2_WINDOW.parse(text).map(|value| value.to_string());
        assert_eq!(within("auto").unwrap(), "auto:16MiB");
        assert_eq!(within("auto:64KiB").unwrap(), "auto:64KiB");
        for text in ["auto:63KiB", "auto:2GiB", "auto:", "auto:fast", "auto:auto"] {
            let error = within(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "--h2-window: '{text}' is not possible; use auto, auto:SIZE with a bound from 64KiB, or a size from 1B to 2147483647B"
                )
            );
        }
        assert!(SOCKET_BUFFER.parse("auto:1MiB").is_err() && H2_WINDOW.check(&LimitValue::Auto).is_err());
    }

    #[test]
    fn a_limit_applies_to_its_carriers_or_its_version_of_http() {
        let applies = |limit: &Limit, name: &str| limit.applies_to(Protocol::by_name(name).unwrap());
        assert!(applies(&H2_FRAME, "h2c") && !applies(&H2_FRAME, "h1c"));
        assert!(applies(&CEILING_READ, "tls-ceiling") && !applies(&CEILING_READ, "quic-ceiling"));
        assert!(applies(&QUIC_MTU, "quic") && applies(&QUIC_MTU, "h3") && !applies(&QUIC_MTU, "tls"));
        assert!(applies(&H3_RECV, "h3") && !applies(&H3_RECV, "quic"));
    }
}
