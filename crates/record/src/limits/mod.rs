//! Windows, buffers and choices that have a flag: their table, and the values in force.
//!
//! A limit is one entry of [`LIMITS`]. Flags, help, names of cases, schema and docs are loops over that table; code
//! reads the value in force by the entry: `limits.bytes(&H2_WINDOW)`.

#[cfg(test)]
mod schema;
mod table;
mod values;

use std::fmt;

use crate::{ByteSize, Carrier, Engine, Protocol};

pub use table::*;
pub use values::{LimitValue, Limits};

/// One limit or choice: an entry of [`LIMITS`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Limit {
    /// The flag that sets the limit, without dashes. It is also the name of the limit in records.
    pub flag: &'static str,
    /// The range of its values.
    pub domain: Domain,
    /// The meaning of `auto`, where that is a value.
    pub auto: Option<&'static str>,
    /// The value of the `balanced` profile.
    pub default: Preset,
    /// The value of the `lean` profile, where it differs.
    pub lean: Option<Preset>,
    /// The value of the `fast` profile, where it differs.
    pub fast: Option<Preset>,
    /// The value of the `stock` profile, where it differs: the default of the library or the kernel.
    pub stock: Option<Preset>,
    /// True if this is a layer of longhaul between a library and its socket, or the size of a ceiling's calls, rather than
    /// a limit. Studies leave out or vary these one by one; their flags are hidden.
    pub layer: bool,
    /// The default of `send`, `fetch` and `serve`, where it differs: the peer and the path are unknown there.
    pub remote: Option<Preset>,
    /// The value in records written before the limit existed; none for limits that every record states.
    pub before: Option<Before>,
    /// The protocols that the limit has an effect on.
    pub scope: Scope,
    /// One line for `--help`, without the default.
    pub help: &'static str,
}

/// The range of a limit's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A number of bytes, both bounds included.
    Bytes {
        /// The least, in bytes.
        least: u64,
        /// The most, in bytes.
        most: u64,
    },
    /// One of several words.
    Choice(&'static [&'static str]),
}

/// A value in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A number of bytes.
    Bytes(u64),
    /// The kernel's or the path's own choice.
    Auto,
    /// A word.
    Choice(&'static str),
}

/// The value of a limit in records that do not state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// This value, which was in force before the limit existed.
    Was(Preset),
    /// The value of another limit, or a number of bytes if that is `auto`.
    As {
        /// The other limit's flag.
        flag: &'static str,
        /// The number of bytes.
        or: u64,
    },
}

/// The protocols that a limit has an effect on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The protocols on the listed carriers.
    Carriers(&'static [Carrier]),
    /// The protocols of this engine.
    Engine(Engine),
}

impl Scope {
    fn covers(self, protocol: &Protocol) -> bool {
        match self {
            Self::Carriers(carriers) => carriers.contains(&protocol.carrier),
            Self::Engine(engine) => protocol.engine == engine,
        }
    }
}

/// A set of values that belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The smallest budget that still streams: every window holds a few chunks of 64 KiB.
    Lean,
    /// Full speed on loopback within the least memory that gives it.
    #[default]
    Balanced,
    /// The most goodput, whatever the memory: windows past the point where loopback gains by them, and frames as large
    /// as large chunks.
    Fast,
    /// Each library as it comes, on sockets as the kernel makes them: no limit and no layer of longhaul's own. Nothing
    /// bounds the memory.
    Stock,
}

impl Profile {
    /// All profiles, those with a bound on memory from the least to the most.
    pub const ALL: [Self; 4] = [Self::Lean, Self::Balanced, Self::Fast, Self::Stock];

    /// The `--profile` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Balanced => "balanced",
            Self::Fast => "fast",
            Self::Stock => "stock",
        }
    }
}

/// The kind of path that QUIC datagrams are sized for: a name for a value of [`QUIC_MTU`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuicProfile {
    /// 1,452 bytes: an Ethernet frame of 1,500 less the headers of IPv6 and UDP. Figures then hold for other paths than
    /// loopback.
    #[default]
    Internet,
    /// 8,952 bytes: a jumbo frame of 9,000 less the same headers.
    Jumbo,
    /// [`MAX_QUIC_MTU`]: one datagram per send, as large as UDP admits.
    Loopback,
}

impl QuicProfile {
    /// All profiles, by rising size.
    pub const ALL: [Self; 3] = [Self::Internet, Self::Jumbo, Self::Loopback];

    /// The `--quic-profile` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::Jumbo => "jumbo",
            Self::Loopback => "loopback",
        }
    }

    /// The largest UDP payload, in bytes.
    pub fn mtu(self) -> u64 {
        match self {
            Self::Internet => INTERNET_QUIC_MTU,
            Self::Jumbo => 8952,
            Self::Loopback => MAX_QUIC_MTU,
        }
    }
}

/// An invalid value of a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{flag}: '{value}' is not possible; use {expected}")]
pub struct LimitError {
    flag: &'static str,
    value: String,
    expected: String,
}

impl LimitError {
    /// The flag `flag` cannot have `value`, but one of `expected`.
    pub fn new(flag: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { flag, value: value.into(), expected: expected.into() }
    }

    /// The possible values, in words.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl Limit {
    /// Returns whether the limit has an effect on a protocol.
    pub fn applies_to(&self, protocol: &Protocol) -> bool {
        self.scope.covers(protocol)
    }

    /// The value in a profile.
    pub fn preset(&self, profile: Profile) -> Preset {
        match profile {
            Profile::Lean => self.lean,
            Profile::Balanced => None,
            Profile::Fast => self.fast,
            Profile::Stock => self.stock,
        }
        .unwrap_or(self.default)
    }

    /// Reads a flag's value.
    ///
    /// # Errors
    /// The text is no value of this limit; the error names the possible ones.
    pub fn parse(&self, text: &str) -> Result<LimitValue, LimitError> {
        let value = match self.domain {
            _ if text == "auto" && self.auto.is_some() => Some(LimitValue::Auto),
            Domain::Bytes { .. } => text.parse::<ByteSize>().ok().map(|size| LimitValue::Bytes(size.0)),
            Domain::Choice(_) => Some(LimitValue::Choice(text.to_owned())),
        };
        value.filter(|value| self.admits(value)).ok_or_else(|| self.refuse(text))
    }

    /// Checks that a value is valid for the limit.
    ///
    /// # Errors
    /// The value is out of range, of another kind, or `auto` for a limit without that choice.
    pub fn check(&self, value: &LimitValue) -> Result<(), LimitError> {
        if self.admits(value) { Ok(()) } else { Err(self.refuse(&value.to_string())) }
    }

    fn admits(&self, value: &LimitValue) -> bool {
        match (self.domain, value) {
            (_, LimitValue::Auto) => self.auto.is_some(),
            (Domain::Bytes { least, most }, LimitValue::Bytes(bytes)) => (least..=most).contains(bytes),
            (Domain::Choice(words), LimitValue::Choice(word)) => words.contains(&word.as_str()),
            _ => false,
        }
    }

    fn refuse(&self, value: &str) -> LimitError {
        LimitError::new(self.flag, value, self.expected())
    }

    /// The possible values, in words.
    fn expected(&self) -> String {
        let range = match self.domain {
            Domain::Bytes { least, most } => {
                format!("a size from {} to {}", ByteSize(least), ByteSize(most))
            }
            Domain::Choice(words) => words.join(", "),
        };
        if self.auto.is_some() { format!("auto, or {range}") } else { range }
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
    fn a_limit_applies_to_its_carriers_or_its_engine() {
        let applies = |limit: &Limit, name: &str| limit.applies_to(Protocol::by_name(name).unwrap());
        assert!(applies(&H2_FRAME, "h2c") && !applies(&H2_FRAME, "h1c"));
        assert!(applies(&QUIC_MTU, "quic") && applies(&QUIC_MTU, "h3") && !applies(&QUIC_MTU, "tls"));
        assert!(applies(&H3_RECV, "h3") && !applies(&H3_RECV, "quic"));
    }
}
