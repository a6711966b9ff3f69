//! Every window, buffer and choice that has a flag, in one place, with its reason.
//!
//! What a peer or a reader can fill is set here and not left to a library: what stands here is what runs, and what a
//! record states. How much is read, encrypted ahead or taken from a socket at once stands where it is used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most bodies at once on one connection, as servers announce it (SETTINGS_MAX_CONCURRENT_STREAMS,
/// initial_max_streams_bidi). RFC 9113 section 6.5.2 recommends no less than 100.
pub const MAX_STREAMS: u32 = 1024;

/// The smallest `--h1-buffer`: hyper works with no less (MINIMUM_MAX_BUFFER_SIZE in its proto/h1/io.rs; it panics below).
pub const MIN_H1_BUFFER: u64 = 8 << 10;

/// The smallest `--quic-mtu`: what every QUIC path must carry (RFC 9000 section 14).
pub const MIN_QUIC_MTU: u64 = 1200;

/// The largest `--quic-mtu`: what UDP carries over IPv4 (RFC 768 and 791: 65,535 bytes less 28 of headers).
pub const MAX_QUIC_MTU: u64 = 65_507;

/// How large the datagrams become where `--quic-mtu` is left to discovery and the path admits it: ten of
/// them, as many as quinn hands over at once, just fit one GSO send.
pub const DISCOVERED_QUIC_MTU: u64 = 6500;

/// The limits and choices in force, all sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// HTTP/1.1: how much hyper reads, and gathers for one write, at once (`max_buf_size`).
    pub h1_buffer: u64,
    /// HTTP/2: the largest DATA frame the receiver admits (SETTINGS_MAX_FRAME_SIZE).
    pub h2_frame: u64,
    /// HTTP/2: the receive window, of a stream and of the connection alike.
    pub h2_window: u64,
    /// HTTP/2: how much the sender queues for a stream before it stops asking for more, up to one chunk over.
    pub h2_send_buffer: u64,
    /// QUIC: the receive window of a stream.
    pub quic_window: u64,
    /// QUIC: the receive window of all streams of a connection together.
    pub quic_connection_window: u64,
    /// QUIC: how much is kept for sending, and for sending again, over all streams of a connection.
    pub quic_send_window: u64,
    /// QUIC: the largest UDP payload sent and accepted. `None` leaves it to discovery (RFC 8899), which finds
    /// what the path carries up to [`DISCOVERED_QUIC_MTU`].
    pub quic_mtu: Option<u64>,
    /// TCP: the kernel's send and receive buffer of each socket, as asked for. `None` leaves them to the kernel,
    /// which lets them grow with the traffic and shrinks them when they get too many.
    pub socket_buffer: Option<u64>,
    /// QUIC: the same of the UDP socket, which serves all connections of its end and which the kernel does not tune.
    #[serde(default = "udp_buffer_of_auto")]
    pub udp_buffer: u64,
    /// The congestion controller. `None` leaves TCP's to the kernel, and QUIC's is CUBIC then.
    pub congestion: Option<Congestion>,
    /// TLS 1.3 and QUIC: the cipher.
    pub cipher: Cipher,
    /// HTTP/3: how much of a body h3 may hold that nobody has asked for yet.
    #[serde(default = "H3Recv::before_there_was_a_choice")]
    pub h3_recv: H3Recv,
}

/// What records mean that do not say it: UDP's was `socket_buffer` then, and this where that was auto.
fn udp_buffer_of_auto() -> u64 {
    4 << 20
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // hyper's own 408 KiB was a third slower: fewer bytes a writev stay in the cache.
            h1_buffer: 256 << 10,
            // A chunk up to this size is one frame. Chunks of 256 KiB in frames of 64 KiB are 10 % slower over TLS and 17 %
            // in cleartext.
            h2_frame: 256 << 10,
            // With this a receiver of chunks up to 64 KiB stays under 12 MiB while its reader is slow (11.7 at the most, with
            // chunks of 4 KiB). 640 KiB were 5 % slower over TLS; 1 MiB is 1 to 4 % faster and takes 12.2 MiB.
            h2_window: 768 << 10,
            h2_send_buffer: 256 << 10,
            // A receiver whose reader takes 400 MiB/s peaks at 14 MiB, with windows twice as large at 24 to 28; a fast one is
            // not faster with them.
            quic_window: 2 << 20,
            quic_connection_window: 4 << 20,
            // As fast as 4 MiB on loopback. Over a path of 100 ms it admits 10 MiB/s.
            quic_send_window: 1 << 20,
            // An Ethernet frame of 1,500 bytes less the headers of IPv6 and UDP: a figure that means something elsewhere.
            quic_mtu: Some(1452),
            // Set, so that the kernel's tuning is no part of a measurement. What waits in larger ones has left the cache when
            // a receiver that digests comes to it: with 512 KiB tls and h1 were 2 to 6 % slower, with 1 MiB tcp another 9 to
            // 15 %. And with either a quarter of the transfers over TLS overran the receiver's queue and lost segments, for
            // which some stood still for 50 ms. Over a path of 100 ms they admit 2.5 MiB/s.
            socket_buffer: Some(256 << 10),
            // Nothing holds a sender back before these are full: with 256 KiB quic lost a fifth of its goodput in the worst
            // run. 512 KiB to 4 MiB are as fast.
            udp_buffer: 4 << 20,
            // The kernel's may be BBR, whose pacing makes loopback bistable: 2 or 8 GiB/s from run to run.
            congestion: Some(Congestion::Cubic),
            cipher: Cipher::Aes128,
            h3_recv: H3Recv::Bounded,
        }
    }
}

impl Limits {
    /// The same for datagrams of up to `mtu` bytes of UDP payload, `None` for as many as discovery finds. A sender keeps twice as
    /// much where they are larger than the default's: with 2 MiB instead of 1 MiB HTTP/3 in packets of 6,400 bytes is 1 to
    /// 7 % faster, in packets of 1,452 it is 1 to 3 %, and takes 1 to 4 MiB more of a receiver.
    pub fn with_datagrams(self, mtu: Option<u64>) -> Self {
        let larger = mtu > Self::default().quic_mtu;
        let quic_send_window = self.quic_send_window * if larger { 2 } else { 1 };
        Self { quic_mtu: mtu, quic_send_window, ..self }
    }

    /// The value of one limit.
    pub fn get(&self, limit: Limit) -> Setting {
        match limit {
            Limit::H1Buffer => Setting::Bytes(self.h1_buffer),
            Limit::H2Frame => Setting::Bytes(self.h2_frame),
            Limit::H2Window => Setting::Bytes(self.h2_window),
            Limit::H2SendBuffer => Setting::Bytes(self.h2_send_buffer),
            Limit::QuicWindow => Setting::Bytes(self.quic_window),
            Limit::QuicConnectionWindow => Setting::Bytes(self.quic_connection_window),
            Limit::QuicSendWindow => Setting::Bytes(self.quic_send_window),
            Limit::QuicMtu => self.quic_mtu.map_or(Setting::Auto, Setting::Bytes),
            Limit::SocketBuffer => self.socket_buffer.map_or(Setting::Auto, Setting::Bytes),
            Limit::UdpBuffer => Setting::Bytes(self.udp_buffer),
            Limit::Congestion => {
                self.congestion.map_or(Setting::Auto, |congestion| Setting::Choice(congestion.name()))
            }
            Limit::Cipher => Setting::Choice(self.cipher.name()),
            Limit::H3Recv => Setting::Choice(self.h3_recv.name()),
        }
    }
}

/// The value of a limit or choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A size in bytes.
    Bytes(u64),
    /// A size that the kernel or the path decides.
    Auto,
    /// A named choice.
    Choice(&'static str),
}

/// One limit or choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented where its value stands, in `Limits`")]
pub enum Limit {
    H1Buffer,
    H2Frame,
    H2Window,
    H2SendBuffer,
    QuicWindow,
    QuicConnectionWindow,
    QuicSendWindow,
    QuicMtu,
    SocketBuffer,
    UdpBuffer,
    Congestion,
    Cipher,
    H3Recv,
}

impl Limit {
    /// All of them, in the order of [`Limits`].
    pub const ALL: [Self; 13] = [
        Self::H1Buffer,
        Self::H2Frame,
        Self::H2Window,
        Self::H2SendBuffer,
        Self::QuicWindow,
        Self::QuicConnectionWindow,
        Self::QuicSendWindow,
        Self::QuicMtu,
        Self::SocketBuffer,
        Self::UdpBuffer,
        Self::Congestion,
        Self::Cipher,
        Self::H3Recv,
    ];

    /// The flag that sets it, without its dashes.
    pub fn flag(self) -> &'static str {
        match self {
            Self::H1Buffer => "h1-buffer",
            Self::H2Frame => "h2-frame",
            Self::H2Window => "h2-window",
            Self::H2SendBuffer => "h2-send-buffer",
            Self::QuicWindow => "quic-window",
            Self::QuicConnectionWindow => "quic-connection-window",
            Self::QuicSendWindow => "quic-send-window",
            Self::QuicMtu => "quic-mtu",
            Self::SocketBuffer => "socket-buffer",
            Self::UdpBuffer => "udp-buffer",
            Self::Congestion => "congestion",
            Self::Cipher => "cipher",
            Self::H3Recv => "h3-recv",
        }
    }
}

/// A congestion controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Congestion {
    /// CUBIC (RFC 9438), the default of quinn and of Linux's TCP.
    Cubic,
    /// NewReno (RFC 9002 section 7); for TCP the kernel's `reno`.
    NewReno,
    /// BBR; quinn's is an experimental first version.
    Bbr,
}

impl Congestion {
    /// What Linux calls it.
    pub(crate) fn of_tcp(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::NewReno => "reno",
            Self::Bbr => "bbr",
        }
    }

    /// The `--congestion` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::NewReno => "newreno",
            Self::Bbr => "bbr",
        }
    }
}

/// A TLS 1.3 cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cipher {
    /// TLS_AES_128_GCM_SHA256
    Aes128,
    /// TLS_AES_256_GCM_SHA384
    Aes256,
    /// TLS_CHACHA20_POLY1305_SHA256
    ChaCha20,
}

impl Cipher {
    /// The `--cipher` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes128",
            Self::Aes256 => "aes256",
            Self::ChaCha20 => "chacha20",
        }
    }
}

/// How HTTP/3 bodies are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum H3Recv {
    /// h3 holds one piece at most.
    Bounded,
    /// h3 0.0.8 and h3-quinn 0.0.10 as they are: they pile up what a slow reader leaves, without bound
    /// (hyperium/h3 issue 308).
    Stock,
}

impl H3Recv {
    /// What records mean that do not say it.
    fn before_there_was_a_choice() -> Self {
        Self::Stock
    }

    /// The `--h3-recv` flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bounded => "bounded",
            Self::Stock => "stock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_every_limit_by_its_flag() {
        let record = serde_json::to_value(Limits::default()).unwrap();
        assert_eq!(record.as_object().unwrap().len(), Limit::ALL.len());
        for limit in Limit::ALL {
            let expected = match Limits::default().get(limit) {
                Setting::Bytes(bytes) => serde_json::json!(bytes),
                Setting::Auto => serde_json::Value::Null,
                Setting::Choice(name) => serde_json::json!(name),
            };
            assert_eq!(record[limit.flag()], expected, "{limit:?}");
        }
    }
}
