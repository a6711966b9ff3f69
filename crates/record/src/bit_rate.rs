//! Rates of network paths, in bits per second.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ByteSize, quoted};

/// A rate in bits per second, above zero.
///
/// In the text form, `Kbit Mbit Gbit Tbit` are powers of 1000 (`1.5Gbit`, `10kbit/s`), and a size such as `125MB` is a
/// number of bytes per second. [`Display`](fmt::Display) prints a whole number of the largest possible unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "u64", into = "u64")]
pub struct BitRate(u64);

/// An error for a text or a number that is not a rate in bits per second.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a rate above zero; use for example 1Gbit, 500Mbit or 125MB", quoted(.0))]
pub struct BitRateError(String);

/// The units of the text form, from the largest.
const UNITS: [(&str, u64); 5] =
    [("Tbit", 1_000_000_000_000), ("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("Kbit", 1000), ("bit", 1)];

impl BitRate {
    /// Creates the rate of `mbit_per_s` Mbit/s, for constants: the compiler refuses zero.
    pub(crate) const fn of_mbit(mbit_per_s: u64) -> Self {
        assert!(mbit_per_s > 0);
        Self(mbit_per_s * 1_000_000)
    }

    /// Returns the rate in bits per second.
    pub fn bits_per_s(self) -> u64 {
        self.0
    }

    /// Returns the rate in bytes per second.
    pub fn bytes_per_s(self) -> f64 {
        self.0 as f64 / 8.0
    }
}

impl FromStr for BitRate {
    type Err = BitRateError;

    fn from_str(text: &str) -> Result<Self, BitRateError> {
        parse(text.strip_suffix("/s").unwrap_or(text))
            .and_then(|bits| bits.try_into().ok())
            .ok_or_else(|| BitRateError(text.to_owned()))
    }
}

/// Returns the bits per second that a text without `/s` states; `None` if the text is not a rate.
fn parse(rate: &str) -> Option<u64> {
    let Some(number) = rate.strip_suffix("bit") else {
        // `1Gb` means bits to some and bytes to others.
        let bytes = if rate.ends_with('b') { None } else { rate.parse::<ByteSize>().ok() };
        return bytes?.0.checked_mul(8);
    };
    UNITS.iter().find_map(|(unit, factor)| {
        let prefix = unit.strip_suffix("bit")?;
        let number =
            if prefix == "K" { number.strip_suffix(['k', 'K']) } else { number.strip_suffix(prefix) };
        decimal(number?.trim(), *factor)
    })
}

/// Returns the product of a decimal number and `factor`. `None` if the text is not a decimal number, or the product is
/// not a whole number of 64 bits.
pub(crate) fn decimal(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction % parts == 0 { whole.checked_add(fraction / parts) } else { None }
}

impl TryFrom<u64> for BitRate {
    type Error = BitRateError;

    fn try_from(bits_per_s: u64) -> Result<Self, BitRateError> {
        if bits_per_s == 0 { Err(BitRateError("0bit".into())) } else { Ok(Self(bits_per_s)) }
    }
}

impl From<BitRate> for u64 {
    fn from(rate: BitRate) -> Self {
        rate.0
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 % *factor == 0;
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("bit", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_in_bits_or_in_bytes() {
        for (text, bits) in [
            ("1Gbit", 1_000_000_000),
            ("1.5Gbit/s", 1_500_000_000),
            ("500 Mbit", 500_000_000),
            ("10kbit", 10_000),
            ("9600bit", 9600),
            ("125MB", 1_000_000_000),
            ("1MiB/s", 8_388_608),
        ] {
            assert_eq!(text.parse().map(BitRate::bits_per_s), Ok(bits), "{text}");
        }
        for text in ["", "0", "0bit", "-1Gbit", "infbit", "NaNbit", "1Gb", "fast", "0.5bit", ".5Gbit"] {
            assert!(text.parse::<BitRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_rate_parses_back() {
        for (bits, text) in [(1_500_000_000, "1500Mbit"), (1, "1bit"), (2_000_000_000_000, "2Tbit")] {
            let rate = BitRate(bits);
            assert_eq!((rate.to_string().as_str(), rate.to_string().parse()), (text, Ok(rate)));
        }
    }
}
