//! Sizes and rates, and their text form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number of bytes.
///
/// In the text form, `KiB MiB GiB` are powers of 1024, `KB MB GB` powers of 1000, and bare `K M G` powers of 1024. A
/// bare number counts bytes. [`Display`](fmt::Display) prints a whole number of the largest possible unit, so that the
/// text parses back to the same size. From 10,000 bytes on, the unit is a power of 1000 if its number has fewer digits
/// than that of a power of 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// An error for a text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The text is no number with a known unit.
    #[error("'{0}' is not a size; use a number of bytes, or a number with KiB, MiB, GiB, KB, MB or GB")]
    Malformed(String),
    /// The size takes more than 64 bits.
    #[error("'{0}' is too large; sizes are below 16 EiB")]
    TooLarge(String),
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = text[number.len()..].trim();
        let whole = match unit {
            "k" | "K" | "m" | "M" | "g" | "G" | "t" | "T" => format!("{number}{unit}iB"),
            _ => text.to_owned(),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let refused = |_| match is_number {
            true => SizeError::TooLarge(text.to_owned()),
            false => SizeError::Malformed(text.to_owned()),
        };
        let is_largest = number.trim() == u64::MAX.to_string() && matches!(unit, "" | "b" | "B");
        match whole.parse::<bytesize::ByteSize>().map_err(refused)?.as_u64() {
            // bytesize takes the largest number for all that are larger.
            u64::MAX if !is_largest => Err(SizeError::TooLarge(text.to_owned())),
            bytes => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |units: &[(&'static str, u64)]| {
            let unit = units.iter().find(|(_, bytes)| self.0 > 0 && self.0 % bytes == 0);
            unit.map_or((self.0, "B"), |(unit, bytes)| (self.0 / bytes, *unit))
        };
        let (binary, decimal) = (whole(BINARY), whole(DECIMAL));
        let digits = |(number, _): (u64, &str)| number.checked_ilog10();
        let is_decimal = self.0 >= LEAST_DECIMAL && digits(decimal) < digits(binary);
        let (number, unit) = if is_decimal { decimal } else { binary };
        write!(f, "{number}{unit}")
    }
}

/// The least size that is printed in powers of 1000. Networks state the sizes of packets, which are smaller, in bytes.
const LEAST_DECIMAL: u64 = 10_000;

const BINARY: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: &[(&str, u64)] = &[("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000)];

/// A number of bytes per second, at least one. Its text form is that of a [`ByteSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "u64"))]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

/// An error for a text or a number that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The text is not a number of bytes.
    #[error(
        "'{0}' is not a rate in bytes per second; use a number with KiB, MiB, GiB, KB, MB or GB: 10 Mbit/s are 1250KB"
    )]
    NotBytes(String),
    /// The rate has more than 64 bits.
    #[error(transparent)]
    TooLarge(SizeError),
    /// The rate is zero.
    #[error("a rate of 0 is not possible; use at least one byte per second")]
    Zero,
}

impl Rate {
    /// Returns the rate in bytes per second.
    pub fn bytes_per_s(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Rate {
    type Error = RateError;

    fn try_from(bytes_per_s: u64) -> Result<Self, RateError> {
        if bytes_per_s == 0 { Err(RateError::Zero) } else { Ok(Self(bytes_per_s)) }
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> u64 {
        rate.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let bytes: ByteSize = text.parse().map_err(|error| match error {
            SizeError::Malformed(text) => RateError::NotBytes(text),
            SizeError::TooLarge(_) => RateError::TooLarge(error),
        })?;
        bytes.0.try_into()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize(self.0).fmt(f)
    }
}

/// The default of `--slope-limit`: the slope of memory per GiB of body above which memory counts as growing. A body of
/// 64 GiB may then add 6.25 MiB.
pub const DEFAULT_SLOPE_LIMIT: ByteSize = ByteSize(100 << 10);

/// Converts bytes to MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Converts bytes per second to MiB/s.
pub fn mib_per_s(bytes_per_s: f64) -> f64 {
    bytes_per_s / f64::from(1 << 20)
}

/// Converts bytes per second to Gbit/s (powers of 1000, as networks count).
pub fn gbit_per_s(bytes_per_s: f64) -> f64 {
    bytes_per_s * 8.0 / 1e9
}

/// Formats a figure with three digits, and with all digits of a whole number above: `0.243`, `2.31`, `42.0`, `7412`. A
/// fixed number of decimals would leave nothing of the rates of slow paths, which are far below those of loopback.
pub fn three_digits(figure: f64) -> String {
    let decimals = match figure.abs() {
        0.0 | 99.95.. => 0,
        9.995.. => 1,
        0.9995.. => 2,
        _ => 3,
    };
    format!("{figure:.decimals$}")
}

/// Formats a goodput in both of its units: `1024 MiB/s, 8.59 Gbit/s`.
pub fn speed(bytes_per_s: f64) -> String {
    let [mib, gbit] = [mib_per_s(bytes_per_s), gbit_per_s(bytes_per_s)].map(three_digits);
    format!("{mib} MiB/s, {gbit} Gbit/s")
}

/// Formats a number of things, whose plural ends in `s`: `1 case`, `2 cases`.
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_in_the_singular() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "case")), ["0 cases", "1 case", "2 cases"]);
    }

    #[test]
    fn a_figure_has_three_digits_whatever_its_size() {
        for (figure, text) in [
            (7412.3, "7412"),
            (100.0, "100"),
            (99.96, "100"),
            (99.94, "99.9"),
            (42.0, "42.0"),
            (9.996, "10.0"),
            (2.314, "2.31"),
            (0.9996, "1.00"),
            (0.2431, "0.243"),
            (0.0021, "0.002"),
            (0.0, "0"),
        ] {
            assert_eq!(three_digits(figure), text);
        }
    }

    #[test]
    fn units_have_the_documented_factors() {
        for (text, bytes) in [
            ("0", 0),
            ("65563", 65_563),
            ("1B", 1),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("64K", 65_536),
            ("64k", 65_536),
            ("2G", 2 << 30),
            ("2GiB", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1.5MiB", 3 << 19),
            ("64 KiB", 65_536),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "x", "-1", "64XB", "KiB", "1q", "64KiBs", "ä"] {
            assert_eq!(text.parse::<ByteSize>(), Err(SizeError::Malformed(text.into())));
        }
        for text in ["16EiB", "99999999TiB", "18446744073709551616", "18446744073709551615KiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(SizeError::TooLarge(text.into())));
            assert!(text.parse::<Rate>().unwrap_err().to_string().contains("too large"));
        }
    }

    #[test]
    fn a_printed_size_parses_back() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (65_563, "65563B"),
            (1 << 16, "64KiB"),
            (3 << 20, "3MiB"),
            (2 << 30, "2GiB"),
            (2_000_000_000, "2GB"),
            (64_000, "64KB"),
            (9000, "9000B"),
            (512_000, "500KiB"),
            (u64::from(u32::MAX), "4294967295B"),
            (u64::MAX, "18446744073709551615B"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        assert_eq!("150MiB".parse::<Rate>().map(Rate::bytes_per_s), Ok(150 << 20));
        assert_eq!("0".parse::<Rate>(), Err(RateError::Zero));
        assert!("10Mbps".parse::<Rate>().unwrap_err().to_string().contains("bytes per second"));
        assert!(serde_json::from_str::<Rate>("0").is_err());
    }
}
