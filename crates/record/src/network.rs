//! The description of an emulated network: its figures, and their text form.

use std::{fmt, str::FromStr, time::Duration};

use crate::{ByteSize, quoted};

/// The figures of an emulated network between two ends. A figure at its default has no effect.
///
/// The text form is a comma list, such as `rtt=40ms,rate=500Mbit,loss=0.5%,queue=1MiB`, in any order.
/// [`Display`](fmt::Display) prints the figures in one order and with the largest unit that has a whole number, so
/// that equal networks have equal texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NetworkSpec {
    /// Delay added to a round trip, half of it in each direction.
    pub rtt: Duration,
    /// Greatest random delay added to a datagram beside `rtt`.
    pub jitter: Duration,
    /// Bits per second of each direction; none is unlimited.
    pub rate_bits_per_s: Option<u64>,
    /// Bytes that the queue of each direction holds; none is the relay's default.
    pub queue: Option<ByteSize>,
    /// Datagrams dropped at random, per million.
    pub loss_per_million: u32,
    /// Datagrams that overtake earlier ones, per million.
    pub reorder_per_million: u32,
}

/// An error for a text that does not describe a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkSpecError {
    /// A part of the list has no known name.
    #[error("'{}' is not a figure of a network; use rtt=, jitter=, rate=, queue=, loss= or reorder=", quoted(.0))]
    Name(String),
    /// A name stands twice.
    #[error("{0}= is given twice; give each figure of a network once")]
    Twice(&'static str),
    /// A value is not in its range or has no known unit.
    #[error("'{}' is no value for {name}=; use {expected}", quoted(.value))]
    Value {
        /// Name of the figure.
        name: &'static str,
        /// The refused text.
        value: String,
        /// Values that are accepted.
        expected: &'static str,
    },
}

const TIMES: &[(&str, u64)] = &[("ms", 1_000_000), ("us", 1000), ("s", 1_000_000_000)];
const RATES: &[(&str, u64)] = &[("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("Kbit", 1000), ("bit", 1)];
const SHARES: &[(&str, u64)] = &[("%", 10_000)];

/// The longest delay in nanoseconds. It bounds what a relay may have to hold at a given rate.
const MAX_DELAY_NS: u64 = 10_000_000_000;
/// All of a million.
const ALL: u64 = 1_000_000;

impl FromStr for NetworkSpec {
    type Err = NetworkSpecError;

    fn from_str(text: &str) -> Result<Self, NetworkSpecError> {
        let mut spec = Self::default();
        let mut given = Vec::new();
        for part in text.split(',') {
            let name = spec.take(part)?;
            if given.contains(&name) {
                return Err(NetworkSpecError::Twice(name));
            }
            given.push(name);
        }
        Ok(spec)
    }
}

impl NetworkSpec {
    /// Takes one `name=value`, and returns the name.
    fn take(&mut self, part: &str) -> Result<&'static str, NetworkSpecError> {
        let unknown = || NetworkSpecError::Name(part.to_owned());
        let (name, value) = part.split_once('=').ok_or_else(unknown)?;
        match name {
            "rtt" => self.rtt = delay("rtt", value)?,
            "jitter" => self.jitter = delay("jitter", value)?,
            "rate" => self.rate_bits_per_s = Some(rate(value)?),
            "queue" => self.queue = Some(queue(value)?),
            "loss" => self.loss_per_million = share("loss", value)?,
            "reorder" => self.reorder_per_million = share("reorder", value)?,
            _ => return Err(unknown()),
        }
        ["rtt", "jitter", "rate", "queue", "loss", "reorder"]
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(unknown)
    }
}

fn delay(name: &'static str, value: &str) -> Result<Duration, NetworkSpecError> {
    let expected = "a time from 0ms to 10s, such as 40ms";
    let nanos = scaled(value, TIMES).filter(|nanos| *nanos <= MAX_DELAY_NS && nanos % 1000 == 0);
    nanos.map(Duration::from_nanos).ok_or_else(|| refused(name, value, expected))
}

fn rate(value: &str) -> Result<u64, NetworkSpecError> {
    let expected = "a number of bits per second above 0 with Kbit, Mbit or Gbit, such as 500Mbit";
    scaled(value, RATES).filter(|bits| *bits > 0).ok_or_else(|| refused("rate", value, expected))
}

fn queue(value: &str) -> Result<ByteSize, NetworkSpecError> {
    let size = value.parse::<ByteSize>().ok().filter(|size| size.0 > 0);
    size.ok_or_else(|| refused("queue", value, "a size above 0, such as 1MiB"))
}

fn share(name: &'static str, value: &str) -> Result<u32, NetworkSpecError> {
    let expected = "a percentage from 0% to under 100% in steps of 0.0001%, such as 0.5%";
    let share =
        scaled(value, SHARES).filter(|share| *share < ALL).and_then(|share| u32::try_from(share).ok());
    share.ok_or_else(|| refused(name, value, expected))
}

fn refused(name: &'static str, value: &str, expected: &'static str) -> NetworkSpecError {
    NetworkSpecError::Value { name, value: value.to_owned(), expected }
}

/// Returns a decimal number times the factor of its unit, or nothing if that is not a whole number.
fn scaled(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, *factor)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction % parts != 0 { None } else { whole.checked_add(fraction / parts) }
}

impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.rtt.is_zero() || *self == Self::default() {
            parts.push(format!("rtt={}", time(self.rtt)));
        }
        if !self.jitter.is_zero() {
            parts.push(format!("jitter={}", time(self.jitter)));
        }
        if let Some(bits) = self.rate_bits_per_s {
            let (unit, factor) = RATES.iter().find(|(_, factor)| bits % factor == 0).unwrap_or(&("bit", 1));
            parts.push(format!("rate={}{unit}", bits / factor));
        }
        parts.extend(self.queue.map(|queue| format!("queue={queue}")));
        for (name, share) in [("loss", self.loss_per_million), ("reorder", self.reorder_per_million)] {
            if share > 0 {
                parts.push(format!("{name}={}%", f64::from(share) / 10_000.0));
            }
        }
        f.write_str(&parts.join(","))
    }
}

fn time(time: Duration) -> String {
    match time.as_micros() {
        us if us % 1000 == 0 => format!("{}ms", us / 1000),
        us => format!("{us}us"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_networks_have_equal_texts() {
        for (text, canonical) in [
            ("loss=0.50%,queue=1024KiB,rate=0.5Gbit,rtt=0.04s", "rtt=40ms,rate=500Mbit,queue=1MiB,loss=0.5%"),
            ("rtt=1500us,jitter=2ms,reorder=0.0001%", "rtt=1500us,jitter=2ms,reorder=0.0001%"),
            ("loss=0%", "rtt=0ms"),
        ] {
            assert_eq!(text.parse::<NetworkSpec>().map(|spec| spec.to_string()).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn a_refused_figure_is_named_with_what_would_be_right() {
        for (text, message) in [
            ("", "'' is not a figure of a network"),
            ("delay=4ms", "'delay=4ms' is not a figure of a network"),
            ("rtt=4ms,rtt=5ms", "rtt= is given twice"),
            ("rtt=11s", "'11s' is no value for rtt="),
            ("rtt=0.1us", "'0.1us' is no value for rtt="),
            ("rtt=99999999999999999999s", "is no value for rtt="),
            ("rate=0Mbit", "'0Mbit' is no value for rate="),
            ("rate=500", "'500' is no value for rate="),
            ("queue=0", "'0' is no value for queue="),
            ("loss=100%", "'100%' is no value for loss="),
            ("loss=-1%", "'-1%' is no value for loss="),
            ("loss=0.00001%", "'0.00001%' is no value for loss="),
            ("reorder=.5%", "'.5%' is no value for reorder="),
        ] {
            let error = text.parse::<NetworkSpec>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| error.contains(message)), "{text}: {error:?}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_network_parses_back(
            (rtt, jitter) in (0..=10_000_000_u64, 0..=10_000_000_u64),
            (rate, queue) in (prop::option::of(1..u64::MAX), prop::option::of(1..u64::from(u32::MAX))),
            (loss_per_million, reorder_per_million) in (0..1_000_000_u32, 0..1_000_000_u32),
        ) {
            let (rtt, jitter) = (Duration::from_micros(rtt), Duration::from_micros(jitter));
            let queue = queue.map(ByteSize);
            let spec = NetworkSpec { rtt, jitter, rate_bits_per_s: rate, queue, loss_per_million, reorder_per_million };
            prop_assert_eq!(spec.to_string().parse(), Ok(spec));
        }
    }
}
