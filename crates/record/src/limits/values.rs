//! The values of all limits that are in force.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    Before, INTERNET_QUIC_MTU, LIMITS, Limit, LimitError, Preset, Profile, QUIC_MTU, QUIC_SEND_WINDOW,
    SOCKET_BUFFER, UDP_BUFFER,
};
use crate::{ByteSize, Protocol, printable::is_printable};

/// The value of one limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub enum LimitValue {
    /// A value in bytes.
    Bytes(u64),
    /// One of the words of the limit.
    Choice(String),
    /// The value `auto`; null in JSON. [`Limit::auto`](super::Limit::auto) states its meaning for each limit: a choice
    /// of the kernel, the size that the path allows, CUBIC over QUIC, or a negotiated cipher suite.
    Auto,
    /// A size that adapts during a transfer, up to this bound in bytes; text such as `auto:8MiB` in JSON.
    AutoWithin(u64),
}

impl LimitValue {
    /// The text of [`LimitValue::Auto`], and the beginning of the text of [`LimitValue::AutoWithin`].
    pub(super) const AUTO: &'static str = "auto";

    /// Returns whether a text begins like `auto:8MiB`, whatever follows the colon.
    pub(super) fn names_a_bound(text: &str) -> bool {
        text.strip_prefix(Self::AUTO).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Parses a text such as `auto:8MiB`; `None` for any other text.
    pub(super) fn auto_within(text: &str) -> Option<Self> {
        let bound: ByteSize = text.strip_prefix(Self::AUTO)?.strip_prefix(':')?.parse().ok()?;
        Some(Self::AutoWithin(bound.0))
    }
}

impl From<Preset> for LimitValue {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Bytes(bytes) => Self::Bytes(bytes),
            Preset::Auto => Self::Auto,
            Preset::Choice(word) => Self::Choice(word.to_owned()),
        }
    }
}

/// Writes the value in the form of flags and names of cases.
impl fmt::Display for LimitValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => ByteSize(*bytes).fmt(f),
            Self::Choice(word) => f.write_str(word),
            Self::Auto => f.write_str(Self::AUTO),
            Self::AutoWithin(bound) => write!(f, "{}:{}", Self::AUTO, ByteSize(*bound)),
        }
    }
}

/// Converts a JSON value to the value of a limit. A value of an unexpected kind becomes text.
impl From<Value> for LimitValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Auto,
            Value::String(word) => Self::auto_within(&word).unwrap_or(Self::Choice(word)),
            Value::Number(number) if number.is_u64() => Self::Bytes(number.as_u64().unwrap_or_default()),
            other => Self::Choice(other.to_string()),
        }
    }
}

impl From<LimitValue> for Value {
    fn from(value: LimitValue) -> Self {
        match value {
            LimitValue::Bytes(bytes) => bytes.into(),
            LimitValue::Choice(word) => word.into(),
            LimitValue::Auto => Self::Null,
            within @ LimitValue::AutoWithin(_) => within.to_string().into(),
        }
    }
}

/// The values of all limits in force, by flag. A value that this version of longhaul does not know is kept as it was
/// read.
///
/// Copies share their memory until one of them is changed, because thousands of records have the same limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits(Arc<BTreeMap<Cow<'static, str>, LimitValue>>);

impl Serialize for Limits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(Profile::default())
    }
}

impl Limits {
    /// Returns the limits of a profile, for two ends on one machine.
    pub fn of(profile: Profile) -> Self {
        let value = |limit: &&Limit| (Cow::from(limit.flag), limit.preset(profile).into());
        Self(Arc::new(LIMITS.iter().map(value).collect()))
    }

    /// Returns the limits of a profile for transfers with other programs, where peer and path are unknown.
    ///
    /// Sockets get the kernel's buffers. Hundreds of connections with buffers of several MiB at both ends exceed the
    /// kernel's memory for TCP (`tcp_mem`). The kernel then drops received segments, and transfers stall for half a
    /// minute.
    pub fn for_any_peer(profile: Profile) -> Self {
        let mut limits = Self::of(profile);
        for (limit, preset) in LIMITS.iter().filter_map(|limit| Some((limit, limit.remote?))) {
            limits.values().insert(limit.flag.into(), preset.into());
        }
        limits
    }

    /// Returns whether a protocol runs with the defaults of its library and without any layer of longhaul. Nothing
    /// bounds the memory of such a run.
    pub fn is_stock(&self, protocol: &Protocol) -> bool {
        let differs = |limit: &&&Limit| {
            limit.applies_to(protocol) && limit.stock.is_some_and(|stock| stock != limit.default)
        };
        let (layers, limits): (Vec<&Limit>, Vec<&Limit>) =
            LIMITS.iter().filter(differs).partition(|limit| limit.layer);
        // If the protocol has no layer to leave out, its limits alone decide.
        let decisive = if layers.is_empty() { limits } else { layers };
        let is_stock = |limit: &&Limit| self.get(limit) == limit.preset(Profile::Stock).into();
        !protocol.is_ceiling() && !decisive.is_empty() && decisive.iter().all(is_stock)
    }

    /// Returns whether the layer `layer` is in force.
    pub fn has(&self, layer: &Limit) -> bool {
        self.get(layer) == layer.default.into()
    }

    /// Returns the limits with all layers of longhaul in force.
    #[must_use]
    pub fn with_all_layers(mut self) -> Self {
        for layer in LIMITS.iter().filter(|limit| limit.layer) {
            self.values().insert(layer.flag.into(), layer.default.into());
        }
        self
    }

    /// Returns the values for a change of this copy alone.
    fn values(&mut self) -> &mut BTreeMap<Cow<'static, str>, LimitValue> {
        Arc::make_mut(&mut self.0)
    }

    /// Sets one limit.
    ///
    /// # Errors
    /// Fails if the limit cannot have that value.
    pub fn set(&mut self, limit: &'static Limit, value: impl Into<LimitValue>) -> Result<(), LimitError> {
        let value = value.into();
        limit.check(&value)?;
        self.values().insert(limit.flag.into(), value);
        Ok(())
    }

    /// Sets the limits that flags name, and the limits that depend on them. `--socket-buffer` also sets the UDP buffer,
    /// and `--quic-mtu` the send window of QUIC, unless a flag names these limits.
    ///
    /// # Errors
    /// Fails if a limit cannot have the value of its flag.
    pub fn with_flags(
        mut self,
        named: impl IntoIterator<Item = (&'static Limit, LimitValue)>,
    ) -> Result<Self, LimitError> {
        let named: Vec<_> = named.into_iter().collect();
        let of =
            |limit: &Limit| named.iter().find(|(other, _)| other.flag == limit.flag).map(|(_, value)| value);
        if let Some(mtu) = of(&QUIC_MTU) {
            self = self.with_quic_mtu(mtu.clone())?;
        }
        if let Some(buffer @ LimitValue::Bytes(_)) = of(&SOCKET_BUFFER) {
            self.set(&UDP_BUFFER, buffer.clone())?;
        }
        named.into_iter().try_for_each(|(limit, value)| self.set(limit, value))?;
        Ok(self)
    }

    /// Sets the size of QUIC datagrams. If a datagram exceeds an Ethernet frame, the send window doubles.
    ///
    /// A send window of 2 MiB instead of 1 MiB makes HTTP/3 in packets of 6,400 bytes 1 to 7 % faster. In packets of
    /// 1,452 bytes HTTP/3 gains 1 to 3 %, and a receiver takes 1 to 4 MiB more.
    ///
    /// # Errors
    /// Fails if no datagram can have that size.
    pub fn with_quic_mtu(mut self, mtu: impl Into<LimitValue>) -> Result<Self, LimitError> {
        let mtu = mtu.into();
        self.set(&QUIC_MTU, mtu.clone())?;
        if mtu > LimitValue::Bytes(INTERNET_QUIC_MTU) && mtu != LimitValue::Auto {
            self.set(&QUIC_SEND_WINDOW, LimitValue::Bytes(2 * self.bytes(&QUIC_SEND_WINDOW)))?;
        }
        Ok(self)
    }

    /// Returns the value of one limit, or the default if the value is not set.
    pub fn get(&self, limit: &Limit) -> LimitValue {
        self.0.get(limit.flag).cloned().unwrap_or_else(|| limit.default.into())
    }

    /// Returns the number of bytes of a limit that is a size, or the default if the value in a record is not a size.
    /// For a size that adapts, the number is its bound.
    pub fn bytes(&self, limit: &Limit) -> u64 {
        match (self.get(limit), limit.default) {
            (LimitValue::Bytes(bytes) | LimitValue::AutoWithin(bytes), _) | (_, Preset::Bytes(bytes)) => {
                bytes
            }
            _ => 0,
        }
    }

    /// Returns the bound in bytes of a size that adapts during a transfer; `None` if the size is fixed.
    pub fn auto_bound(&self, limit: &Limit) -> Option<u64> {
        match self.get(limit) {
            LimitValue::AutoWithin(bound) => Some(bound),
            _ => None,
        }
    }

    /// Returns the number of bytes of a limit that has a fixed size; `None` if it is `auto` or a choice.
    pub fn bytes_unless_auto(&self, limit: &Limit) -> Option<u64> {
        match self.get(limit) {
            LimitValue::Bytes(bytes) => Some(bytes),
            LimitValue::Auto | LimitValue::AutoWithin(_) | LimitValue::Choice(_) => None,
        }
    }

    /// Returns the word of a limit that is a choice; `None` if the value is `auto` or a size.
    pub fn choice(&self, limit: &Limit) -> Option<&str> {
        match (self.0.get(limit.flag), limit.default) {
            (Some(LimitValue::Choice(word)), _) => Some(word),
            (None, Preset::Choice(word)) => Some(word),
            _ => None,
        }
    }

    /// Returns whether no text of these limits could change the display of other text.
    pub(crate) fn is_printable(&self) -> bool {
        let is_word = |value: &LimitValue| match value {
            LimitValue::Choice(word) => is_printable(word),
            _ => true,
        };
        self.0.iter().all(|(flag, value)| is_printable(flag) && is_word(value))
    }

    /// Returns the limits with all their texts in [`printable`](crate::printable()) form. Records may have limits of any
    /// name.
    pub(crate) fn printable(&self) -> Self {
        let shown = |value: &LimitValue| match value {
            LimitValue::Choice(word) => LimitValue::Choice(crate::printable(word)),
            value => value.clone(),
        };
        let values = self.0.iter().map(|(flag, value)| (crate::printable(flag).into(), shown(value)));
        Self(Arc::new(values.collect()))
    }

    /// Returns every value with its flag, in alphabetical order of the flags.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LimitValue)> {
        self.0.iter().map(|(flag, value)| (flag.as_ref(), value))
    }
}

/// Reads limits in the form of any version of longhaul. An unknown limit is kept. A limit that did not exist yet gets
/// the value that was in force.
impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut limits: BTreeMap<Cow<'static, str>, LimitValue> =
            read.into_iter().map(|(flag, value)| (flag.into(), value.into())).collect();
        for limit in LIMITS.iter().filter(|limit| !limits.contains_key(limit.flag)).collect::<Vec<_>>() {
            if let Some(before) = limit.before {
                let value = match before {
                    Before::Was(preset) => preset.into(),
                    Before::As { flag, or } => match limits.get(flag) {
                        Some(LimitValue::Bytes(bytes)) => LimitValue::Bytes(*bytes),
                        _ => LimitValue::Bytes(or),
                    },
                };
                limits.insert(limit.flag.into(), value);
            }
        }
        Ok(Self(Arc::new(limits)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{H2_WINDOW, H3_RECV},
        *,
    };

    #[test]
    fn limits_that_did_not_exist_get_the_value_that_was_in_force() {
        let mut json = serde_json::to_value(Limits::default()).unwrap();
        let fields = json.as_object_mut().unwrap();
        fields.remove("h3-recv");
        fields.remove("udp-buffer");
        let read: Limits = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read.choice(&H3_RECV), Some("stock"));
        assert_eq!(read.bytes(&UDP_BUFFER), 256 << 10, "UDP had --socket-buffer then");
        json["socket-buffer"] = Value::Null;
        let read: Limits = serde_json::from_value(json).unwrap();
        assert_eq!(read.bytes(&UDP_BUFFER), 4 << 20);
    }

    #[test]
    fn a_limit_that_this_version_does_not_know_is_kept() {
        let mut json = serde_json::to_value(Limits::default()).unwrap();
        json["warp-factor"] = json!(9);
        json["shields"] = json!(true);
        let read: Limits = serde_json::from_value(json).unwrap();
        let values: BTreeMap<_, _> = read.iter().collect();
        assert_eq!(values["warp-factor"], &LimitValue::Bytes(9));
        assert_eq!(values["shields"], &LimitValue::Choice("true".into()));
    }

    #[test]
    fn larger_datagrams_double_the_send_window_unless_it_is_named() {
        let window = |named: &[(&'static Limit, LimitValue)]| {
            Limits::default().with_flags(named.to_vec()).unwrap().bytes(&QUIC_SEND_WINDOW)
        };
        let mtu = |bytes| (&QUIC_MTU, LimitValue::Bytes(bytes));
        assert_eq!([window(&[]), window(&[mtu(1200)]), window(&[mtu(1452)])], [1 << 20; 3]);
        assert_eq!(window(&[(&QUIC_MTU, LimitValue::Auto)]), 1 << 20);
        assert_eq!(window(&[mtu(6400)]), 2 << 20);
        assert_eq!(window(&[mtu(6400), (&QUIC_SEND_WINDOW, LimitValue::Bytes(1 << 20))]), 1 << 20);
    }

    #[test]
    fn the_udp_buffer_follows_the_socket_buffer_unless_it_is_set() {
        let udp = |named: &[(&'static Limit, LimitValue)]| {
            Limits::default().with_flags(named.to_vec()).unwrap().bytes(&UDP_BUFFER)
        };
        let (tcp, own) =
            ((&SOCKET_BUFFER, LimitValue::Bytes(64 << 10)), (&UDP_BUFFER, LimitValue::Bytes(1 << 20)));
        assert_eq!(udp(&[(&SOCKET_BUFFER, LimitValue::Auto)]), 4 << 20);
        assert_eq!([udp(std::slice::from_ref(&tcp)), udp(&[tcp, own])], [64 << 10, 1 << 20]);
    }

    #[test]
    fn a_size_that_adapts_is_read_as_it_was_written_and_counts_as_its_bound() {
        for bound in [64 << 10, 3_000_001, (1 << 31) - 1] {
            let mut limits = Limits::default();
            limits.set(&H2_WINDOW, LimitValue::AutoWithin(bound)).unwrap();
            let read: Limits = serde_json::from_value(serde_json::to_value(&limits).unwrap()).unwrap();
            assert_eq!(read, limits);
            assert_eq!((read.auto_bound(&H2_WINDOW), read.bytes(&H2_WINDOW)), (Some(bound), bound));
        }
        assert_eq!(Limits::default().auto_bound(&H2_WINDOW), None);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_an_error_at_construction() {
        let mut limits = Limits::default();
        assert!(limits.set(&super::super::H2_FRAME, LimitValue::Bytes(1)).is_err());
        assert_eq!(limits, Limits::default());
    }
}
