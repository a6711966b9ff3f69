//! The description of an emulated network: its figures, and their text form.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::PRESETS;
use crate::{BitRate, ByteSize, bit_rate::decimal, quoted};

/// The figures of an emulated network between two ends. A figure at its default has no effect, except that a queue
/// always has a bound.
///
/// The text form is a comma list in any order, such as `rtt=40ms,rate=500Mbit,loss=0.5%,queue=1MiB`. The list may begin
/// with the name of one of the [`PRESETS`], whose figures the rest replaces (`wan,loss=1%`). [`Display`](fmt::Display)
/// prints the figures in one order and with the largest unit that has a whole number, so that equal networks have equal
/// texts.
///
/// ```
/// use longhaul_record::NetworkSpec;
///
/// let network: NetworkSpec = "wan,queue=1024KiB,rtt=0.1s".parse()?;
/// assert_eq!(network.to_string(), "rtt=100ms,rate=500Mbit,queue=1MiB");
/// # Ok::<(), longhaul_record::NetworkSpecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkSpec {
    /// The delay added to a round trip, half of it in each direction.
    pub rtt: Duration,
    /// The largest random delay added to a packet in each direction, beside half of `rtt`. Packets stay in order.
    pub jitter: Duration,
    /// The rate of each direction; `None` for unlimited.
    pub rate: Option<BitRate>,
    /// The bytes that the queue of each direction holds, or `None` for the default. If TCP ends at the relay, this is a
    /// window: the bytes of each connection that the relay holds until their acknowledgement would be back.
    pub queue: Option<ByteSize>,
    /// The packets dropped at random, per million.
    pub loss_per_million: u32,
    /// The packets that overtake earlier ones, because they skip the delay, per million.
    pub reorder_per_million: u32,
    /// The carrier of the bytes from end to end.
    pub relay: RelayKind,
}

/// The carrier of the bytes of an emulated network from end to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RelayKind {
    /// A process between sockets of both ends. Datagrams pass it one by one, and TCP connections end at the relay.
    #[default]
    Sockets,
    /// A process between two network namespaces. IP packets pass it one by one.
    Packets,
    /// The kernel: a bridge between two network namespaces, whose ports delay and pace packets.
    Kernel,
}

impl RelayKind {
    /// All kinds.
    const ALL: [Self; 3] = [Self::Sockets, Self::Packets, Self::Kernel];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Packets => "packets",
            Self::Kernel => "kernel",
        }
    }
}

/// An error for a text that does not describe a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkSpecError {
    /// A part of the list does not begin with a known name and `=`.
    #[error(
        "'{}' is not a figure of a network; use rtt=, jitter=, rate=, queue=, loss=, reorder= or relay=, or begin with {}",
        quoted(.0), preset_names()
    )]
    Name(String),
    /// A name stands in the list twice.
    #[error("{0}= is given twice; give each figure of a network once")]
    Twice(&'static str),
    /// A value is out of its range, or has no known unit.
    #[error("'{}' is no value for {name}=; use {expected}", quoted(.value))]
    Value {
        /// The name of the figure.
        name: &'static str,
        /// The text that is not a value.
        value: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// Packets are to overtake others by skipping the delay, but the network has none.
    #[error("reorder= needs a delay, which the packets that overtake others leave out; add rtt= or jitter=")]
    NoDelay,
}

fn preset_names() -> String {
    PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The units of times, each with its nanoseconds.
const TIME_UNITS: &[(&str, u64)] = &[("ms", 1_000_000), ("us", 1000), ("s", 1_000_000_000)];

/// The longest delay, in nanoseconds. It bounds the bytes that a relay has to hold at a given rate.
const MAX_DELAY_NS: u64 = 10_000_000_000;

/// The range of the default queue, in bytes.
const QUEUE: RangeInclusive<u64> = 64 << 10..=16 << 20;

/// The window of a TCP connection over a link without a rate, in bytes. Linux opens a receive window up to 3 MiB by
/// default (half of the 6 MiB in net.ipv4.tcp_rmem).
const WINDOW: u64 = 4 << 20;

/// The number of packets to which shares refer: a million.
const MILLION: u64 = 1_000_000;

impl FromStr for NetworkSpec {
    type Err = NetworkSpecError;

    fn from_str(text: &str) -> Result<Self, NetworkSpecError> {
        let (first, rest) = text.split_once(',').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let preset = PRESETS.iter().find(|(name, _)| *name == first);
        let (mut spec, figures) = match preset {
            Some((_, spec)) => (*spec, rest),
            None => (Self::default(), Some(text)),
        };
        let mut given = Vec::new();
        for part in figures.into_iter().flat_map(|figures| figures.split(',')) {
            let name = spec.set(part)?;
            if given.contains(&name) {
                return Err(NetworkSpecError::Twice(name));
            }
            given.push(name);
        }
        if spec.reorder_per_million > 0 && spec.rtt.is_zero() && spec.jitter.is_zero() {
            return Err(NetworkSpecError::NoDelay);
        }
        Ok(spec)
    }
}

impl NetworkSpec {
    /// Returns whether packets are dropped or overtake each other. A relay that ends TCP connections can do neither to
    /// their packets.
    pub fn needs_packets(&self) -> bool {
        self.loss_per_million > 0 || self.reorder_per_million > 0
    }

    /// Returns the bytes that the queue of each direction holds. By default, these are the bytes that fill the path,
    /// from 64 KiB to 16 MiB. One congestion window of Reno then keeps the link busy after it was halved.
    pub fn queue_bytes(&self) -> u64 {
        let in_flight = self.rate.map(|rate| (rate.bytes_per_s() * self.rtt.as_secs_f64()) as u64);
        let by_default = || in_flight.unwrap_or_default().clamp(*QUEUE.start(), *QUEUE.end());
        self.queue.map_or_else(by_default, |queue| queue.0)
    }

    /// Returns the window of each TCP connection that ends at a relay of sockets, in bytes. By default, these are the
    /// bytes that fill the path, and as many again in its queue. Without a rate, the window is 4 MiB.
    pub fn window_bytes(&self) -> u64 {
        match (self.queue, self.rate) {
            (Some(queue), _) => queue.0,
            (None, Some(_)) => self.queue_bytes().saturating_mul(2),
            (None, None) => WINDOW,
        }
    }

    /// Sets one figure from its text `name=value`. Returns the name of the figure.
    fn set(&mut self, part: &str) -> Result<&'static str, NetworkSpecError> {
        let unknown = || NetworkSpecError::Name(part.to_owned());
        let (name, value) = part.split_once('=').ok_or_else(unknown)?;
        let name = ["rtt", "jitter", "rate", "queue", "loss", "reorder", "relay"]
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(unknown)?;
        match name {
            "rtt" => self.rtt = delay(name, value)?,
            "jitter" => self.jitter = delay(name, value)?,
            "rate" => self.rate = Some(rate(value)?),
            "queue" => self.queue = Some(queue(value)?),
            "loss" => self.loss_per_million = share(name, value)?,
            "reorder" => self.reorder_per_million = share(name, value)?,
            _ => self.relay = relay(value)?,
        }
        Ok(name)
    }
}

fn delay(name: &'static str, value: &str) -> Result<Duration, NetworkSpecError> {
    let expected = "a time from 0ms to 10s in whole microseconds, such as 40ms";
    let nanos = in_unit(value, TIME_UNITS).filter(|nanos| *nanos <= MAX_DELAY_NS && nanos % 1000 == 0);
    nanos.map(Duration::from_nanos).ok_or_else(|| refused(name, value, expected))
}

fn rate(value: &str) -> Result<BitRate, NetworkSpecError> {
    let expected = "a number of bits per second above 0 with Kbit, Mbit or Gbit, such as 500Mbit";
    value.parse().map_err(|_| refused("rate", value, expected))
}

fn queue(value: &str) -> Result<ByteSize, NetworkSpecError> {
    let size = value.parse::<ByteSize>().ok().filter(|size| size.0 > 0);
    size.ok_or_else(|| refused("queue", value, "a size above 0, such as 1MiB"))
}

fn share(name: &'static str, value: &str) -> Result<u32, NetworkSpecError> {
    let expected = "a percentage from 0% to under 100% in steps of 0.0001%, such as 0.5%";
    let share = in_unit(value, &[("%", MILLION / 100)]).filter(|share| *share < MILLION);
    share.and_then(|share| u32::try_from(share).ok()).ok_or_else(|| refused(name, value, expected))
}

fn relay(value: &str) -> Result<RelayKind, NetworkSpecError> {
    let known = RelayKind::ALL.into_iter().find(|kind| kind.name() == value);
    known.ok_or_else(|| refused("relay", value, "sockets, packets or kernel"))
}

fn refused(name: &'static str, value: &str, expected: &'static str) -> NetworkSpecError {
    NetworkSpecError::Value { name, value: value.to_owned(), expected }
}

/// Returns the product of a decimal number and the factor of its unit; `None` if the text has no known unit, or the
/// product is not a whole number.
fn in_unit(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, factor)| decimal(value.strip_suffix(unit)?, *factor))
}

impl TryFrom<String> for NetworkSpec {
    type Error = NetworkSpecError;

    fn try_from(text: String) -> Result<Self, NetworkSpecError> {
        text.parse()
    }
}

impl From<NetworkSpec> for String {
    fn from(spec: NetworkSpec) -> Self {
        spec.to_string()
    }
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
        parts.extend(self.rate.map(|rate| format!("rate={rate}")));
        parts.extend(self.queue.map(|queue| format!("queue={queue}")));
        for (name, share) in [("loss", self.loss_per_million), ("reorder", self.reorder_per_million)] {
            if share > 0 {
                parts.push(format!("{name}={}%", f64::from(share) / 10_000.0));
            }
        }
        if self.relay != RelayKind::default() {
            parts.push(format!("relay={}", self.relay.name()));
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
            ("relay=packets", "relay=packets"),
            ("lan", "rtt=500us,rate=1Gbit"),
            ("lossy-wifi,loss=0%,relay=sockets", "rtt=20ms,jitter=5ms,rate=100Mbit"),
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
            ("rate=1Gb", "'1Gb' is no value for rate="),
            ("rtt=1ms,wan", "'wan' is not a figure of a network"),
            ("loss=1%,reorder=1%", "reorder= needs a delay"),
            ("relay=tun", "'tun' is no value for relay="),
            ("queue=0", "'0' is no value for queue="),
            ("loss=100%", "'100%' is no value for loss="),
            ("loss=-1%", "'-1%' is no value for loss="),
            ("loss=0.00001%", "'0.00001%' is no value for loss="),
            ("rtt=1ms,reorder=.5%", "'.5%' is no value for reorder="),
        ] {
            let error = text.parse::<NetworkSpec>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| error.contains(message)), "{text}: {error:?}");
        }
    }

    #[test]
    fn the_defaults_of_queue_and_window_fill_the_path() {
        for (text, queue, window) in [
            ("wan", 2_500_000, 5_000_000),
            ("lan", 65_536, 131_072),
            ("rtt=1ms", 65_536, 4 << 20),
            ("wan,queue=1MiB", 1 << 20, 1 << 20),
        ] {
            let spec: NetworkSpec = text.parse().unwrap();
            assert_eq!((spec.queue_bytes(), spec.window_bytes()), (queue, window), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_network_parses_back(
            (rtt, jitter) in (0..=10_000_000_u64, 0..=10_000_000_u64),
            (rate, queue) in (prop::option::of(1..u64::MAX >> 4), prop::option::of(1..u64::from(u32::MAX))),
            (loss_per_million, reorder_per_million) in (0..1_000_000_u32, 0..1_000_000_u32),
        ) {
            let (rtt, jitter) = (Duration::from_micros(rtt), Duration::from_micros(jitter));
            let (rate, queue) = (rate.and_then(|bits| BitRate::try_from(bits).ok()), queue.map(ByteSize));
            let relay = if loss_per_million % 2 == 0 { RelayKind::Sockets } else { RelayKind::Packets };
            let reorder_per_million = if rtt.is_zero() { 0 } else { reorder_per_million };
            let spec =
                NetworkSpec { rtt, jitter, rate, queue, loss_per_million, reorder_per_million, relay };
            prop_assert_eq!(spec.to_string().parse(), Ok(spec));
        }
    }
}
