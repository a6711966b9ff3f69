//! The table of limits: one entry per limit, with the reason for each value.

use super::{AutoBound, Before, Domain, Limit, Preset, Scope};
use crate::CarrierKind;

/// The largest number of concurrent bodies on one connection. Servers announce it (SETTINGS_MAX_CONCURRENT_STREAMS,
/// initial_max_streams_bidi). RFC 9113 section 6.5.2 recommends at least 100.
pub const MAX_STREAMS: u32 = 1024;

/// The smallest UDP payload that every QUIC path must carry, in bytes (RFC 9000 section 14).
pub const MIN_QUIC_MTU: u64 = 1200;

/// The largest UDP payload over IPv4, in bytes (RFC 768 and 791: 65,535 less 28 bytes of headers).
pub const MAX_QUIC_MTU: u64 = 65_507;

/// The UDP payload of an Ethernet frame of 1,500 bytes over IPv6, in bytes.
pub const INTERNET_QUIC_MTU: u64 = 1452;

/// The largest UDP payload, in bytes, that path MTU discovery tries if `--quic-mtu` is `auto`. Ten datagrams of this
/// size, which quinn hands over at once, just fit one GSO send.
pub const DISCOVERED_QUIC_MTU: u64 = 6500;

/// The largest buffer that setsockopt accepts, in bytes: the maximum of a C int.
const MAX_SOCKET_BUFFER: u64 = i32::MAX as u64;

/// The largest buffer, in bytes, of a library that stores sizes in 32 bits.
const MAX_BUFFER: u64 = u32::MAX as u64;

/// The protocols on carriers with connections. Bare datagrams have no congestion controller.
const ALL: Scope = Scope::Carriers(&[CarrierKind::Tcp, CarrierKind::Tls, CarrierKind::Quic]);
const TCP: Scope = Scope::Carriers(&[CarrierKind::Tcp, CarrierKind::Tls]);
const QUIC: Scope = Scope::Carriers(&[CarrierKind::Quic]);
const DATAGRAMS: Scope = Scope::Carriers(&[CarrierKind::Quic, CarrierKind::Udp]);
const ENCRYPTED: Scope = Scope::Carriers(&[CarrierKind::Tls, CarrierKind::Quic]);

/// Returns the range of sizes from 1 byte to `most` bytes.
const fn up_to(most: u64) -> Domain {
    Domain::Bytes { least: 1, most }
}

const fn kib(n: u64) -> Preset {
    Preset::Bytes(n << 10)
}

const fn mib(n: u64) -> Preset {
    Preset::Bytes(n << 20)
}

/// The values of a layer: `on` if the layer is in force, `off` if it is left out.
const SWITCH: Domain = Domain::Choice(&["on", "off"]);
const ON: Preset = Preset::Choice("on");
const OFF: Preset = Preset::Choice("off");

/// A template with the values of the fields that most entries do not set.
const UNSET: Limit = Limit {
    flag: "",
    domain: up_to(MAX_BUFFER),
    auto: None,
    auto_bound: None,
    default: Preset::Auto,
    lean: None,
    fast: None,
    stock: None,
    layer: false,
    remote: None,
    before: None,
    scope: ALL,
    help: "",
};

/// Defines each limit as a static of its own, and lists all of them in `LIMITS` in the order of the name of a case.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = { $($field:ident: $value:expr),* $(,)? })*) => {
        $($(#[$doc])* pub static $name: Limit = Limit { $($field: $value,)* ..UNSET };)*

        /// All limits, in the order in which the name of a case lists them.
        pub static LIMITS: &[&Limit] = &[$(&$name),*];
    };
}

limits! {
    /// HTTP/1.1: the number of bytes that hyper reads at once, and gathers for one write (`max_buf_size`). Below 8 KiB,
    /// hyper panics (MINIMUM_MAX_BUFFER_SIZE in its proto/h1/io.rs). Its default of 408 KiB was a third slower, because
    /// fewer bytes of a writev stay in the cache.
    H1_BUFFER = {
        flag: "h1-buffer",
        domain: Domain::Bytes { least: 8 << 10, most: MAX_BUFFER },
        default: kib(256),
        lean: Some(kib(64)),
        stock: Some(kib(408)),
        scope: Scope::Http("1.1"),
        help: "HTTP/1.1: bytes read at once, and gathered for one write",
    }
    /// HTTP/2: the largest DATA frame that a receiver admits (SETTINGS_MAX_FRAME_SIZE, bounds of RFC 9113 section
    /// 6.5.2). A chunk up to this size is one frame. Chunks of 256 KiB in frames of 64 KiB are 10 % slower over TLS and
    /// 17 % in cleartext.
    H2_FRAME = {
        flag: "h2-frame",
        domain: Domain::Bytes { least: 16_384, most: 16_777_215 },
        default: kib(256),
        lean: Some(kib(16)),
        fast: Some(mib(1)),
        stock: Some(kib(16)),
        scope: Scope::Http("2"),
        help: "HTTP/2: largest DATA frame that the receiver admits",
    }
    /// HTTP/2: the receive window of a stream, and of the connection; at most 2^31 - 1 (RFC 9113 section 6.9.1). With
    /// the default, a receiver of chunks up to 64 KiB stays under 12 MiB while its reader is slow: at most 11.7 MiB,
    /// with chunks of 4 KiB. A window of 640 KiB was 5 % slower over TLS. A window of 1 MiB is 1 to 4 % faster, and the
    /// receiver takes 12.2 MiB.
    ///
    /// With `auto`, the connection's window starts at 64 KiB, the least that HTTP/2 allows (RFC 9113 section 6.9.2),
    /// and grows with the bandwidth-delay product up to a bound. The default bound is that of the estimators of hyper
    /// (BDP_LIMIT in its proto/h2/ping.rs) and grpc-go (bdpLimit in its internal/transport/bdp_estimator.go): TCP
    /// rarely has more in flight.
    H2_WINDOW = {
        flag: "h2-window",
        domain: up_to((1 << 31) - 1),
        auto: Some("start at 64KiB and follow the path"),
        auto_bound: Some(AutoBound { least: 64 << 10, default: 16 << 20 }),
        default: kib(768),
        lean: Some(kib(256)),
        fast: Some(mib(16)),
        stock: Some(Preset::Bytes(65_535)),
        scope: Scope::Http("2"),
        help: "HTTP/2: receive window of a stream, and of the connection",
    }
    /// HTTP/2: the number of queued bytes per stream at which a sender stops requesting chunks. The queue may exceed
    /// the limit by one chunk.
    H2_SEND_BUFFER = {
        flag: "h2-send-buffer",
        default: kib(256),
        lean: Some(kib(64)),
        fast: Some(mib(1)),
        stock: Some(kib(400)),
        scope: Scope::Http("2"),
        help: "HTTP/2: bytes queued for a stream before the sender stops asking for more",
    }
    /// QUIC: the receive window of a stream. A receiver whose reader takes 400 MiB/s peaks at 14 MiB. With twice as
    /// large windows, it peaks at 24 to 28 MiB, and a fast reader is not faster.
    QUIC_WINDOW = {
        flag: "quic-window",
        default: mib(2),
        lean: Some(kib(256)),
        fast: Some(mib(8)),
        stock: Some(Preset::Bytes(1_250_000)),
        scope: QUIC,
        help: "QUIC: receive window of a stream",
    }
    /// QUIC: the receive window of all streams of a connection together.
    QUIC_CONNECTION_WINDOW = {
        flag: "quic-connection-window",
        default: mib(4),
        lean: Some(kib(512)),
        fast: Some(mib(16)),
        stock: Some(Preset::Bytes(MAX_BUFFER)),
        scope: QUIC,
        help: "QUIC: receive window of all streams of a connection",
    }
    /// QUIC: the number of bytes kept for sending and for retransmission, over all streams of a connection. The default
    /// is as fast as 4 MiB on loopback, and allows 10 MiB/s over a path with a round-trip time of 100 ms. The default
    /// is doubled for datagrams over 1,452 bytes ([`Limits::with_quic_mtu`](super::Limits::with_quic_mtu)).
    QUIC_SEND_WINDOW = {
        flag: "quic-send-window",
        default: mib(1),
        lean: Some(kib(256)),
        fast: Some(mib(4)),
        stock: Some(Preset::Bytes(10_000_000)),
        scope: QUIC,
        help: "QUIC: bytes kept for sending, over all streams of a connection; twice the default for packets over 1452 bytes",
    }
    /// QUIC: the largest UDP payload sent and accepted. The default fits an Ethernet frame of 1,500 bytes, so that
    /// figures hold for other paths than loopback.
    QUIC_MTU = {
        flag: "quic-mtu",
        domain: Domain::Bytes { least: MIN_QUIC_MTU, most: MAX_QUIC_MTU },
        auto: Some("discover what the path carries, up to 6500 bytes (RFC 8899)"),
        default: Preset::Bytes(INTERNET_QUIC_MTU),
        stock: Some(Preset::Auto),
        remote: Some(Preset::Auto),
        scope: DATAGRAMS,
        help: "QUIC: largest UDP payload",
    }
    /// The congestion controller of TCP and QUIC. Over QUIC, `auto` means CUBIC. Over TCP, the kernel's default may be
    /// BBR, whose pacing makes loopback bistable: 2 or 8 GiB/s from run to run.
    CONGESTION = {
        flag: "congestion",
        domain: Domain::Choice(&["cubic", "newreno", "bbr"]),
        auto: Some("CUBIC over QUIC, the kernel's default over TCP"),
        default: Preset::Choice("cubic"),
        stock: Some(Preset::Auto),
        remote: Some(Preset::Auto),
        help: "TCP and QUIC: congestion controller",
    }
    /// TCP: the send buffer and the receive buffer of each socket, as requested from the kernel. The limit has a size
    /// by default, so that the kernel's tuning does not influence a measurement. Bytes in larger buffers have left the
    /// cache before a digesting receiver reads them. With 512 KiB, tls and h1 were 2 to 6 % slower; with 1 MiB, tcp was
    /// another 9 to 15 % slower. With either size, a quarter of the transfers over TLS overran the receiver's queue and
    /// lost segments. Some of these transfers stalled for 50 ms. Over a path with a round-trip time of 100 ms, the
    /// default allows about 3 MiB/s.
    SOCKET_BUFFER = {
        flag: "socket-buffer",
        domain: up_to(MAX_SOCKET_BUFFER),
        auto: Some("leave the buffers to the kernel, which adapts them to the traffic"),
        default: kib(256),
        stock: Some(Preset::Auto),
        remote: Some(Preset::Auto),
        scope: TCP,
        help: "TCP: the kernel's send and receive buffer of each socket; also sets --udp-buffer unless that is given",
    }
    /// QUIC: the send buffer and the receive buffer of the UDP socket, which all connections of an end share. The
    /// kernel does not tune them. Nothing slows a sender down before the peer's receive buffer is full: with 256 KiB,
    /// quic lost a fifth of its goodput in the worst run. Sizes from 512 KiB to 4 MiB are equally fast.
    UDP_BUFFER = {
        flag: "udp-buffer",
        domain: up_to(MAX_SOCKET_BUFFER),
        auto: Some("leave the buffers to the kernel, which does not adapt them"),
        default: mib(4),
        stock: Some(Preset::Auto),
        before: Some(Before::As { flag: "socket-buffer", or: 4 << 20 }),
        scope: DATAGRAMS,
        help: "QUIC: the kernel's send and receive buffer of the UDP socket",
    }
    /// TLS 1.3 and QUIC: the cipher suite.
    CIPHER = {
        flag: "cipher",
        domain: Domain::Choice(&["aes128", "aes256", "chacha20"]),
        auto: Some("let both ends negotiate the suite"),
        default: Preset::Choice("aes128"),
        stock: Some(Preset::Auto),
        remote: Some(Preset::Auto),
        scope: ENCRYPTED,
        help: "TLS 1.3 and QUIC: cipher suite",
    }
    /// HTTP/3: the receive path. `bounded` hands h3 one piece at a time. `stock` is unmodified h3 0.0.8 with h3-quinn
    /// 0.0.10, which buffer without bound for a slow reader (hyperium/h3 issue 308).
    H3_RECV = {
        flag: "h3-recv",
        domain: Domain::Choice(&["bounded", "stock"]),
        default: Preset::Choice("bounded"),
        stock: Some(Preset::Choice("stock")),
        before: Some(Before::Was(Preset::Choice("stock"))),
        scope: Scope::Http("3"),
        help: "HTTP/3: bound the bytes buffered for a slow reader (bounded), or let h3 buffer them all (stock)",
    }
    /// TCP: the option TCP_NODELAY. The kernel's default is off, but the stock profile sets the option, too. Without
    /// the option, each window of h2's default 64 KiB waits 40 ms for a delayed acknowledgement, which limits goodput
    /// to 1 MiB/s.
    NODELAY = {
        flag: "nodelay",
        domain: SWITCH,
        default: ON,
        layer: true,
        before: Some(Before::Was(ON)),
        scope: TCP,
        help: "TCP: send partial segments at once (TCP_NODELAY)",
    }
    /// TLS: the number of bytes that are encrypted ahead of the socket. `on` is one loopback segment, `off` the 64 KiB
    /// of rustls.
    TLS_SEGMENTS = {
        flag: "tls-segments",
        domain: SWITCH,
        default: ON,
        stock: Some(OFF),
        layer: true,
        before: Some(Before::Was(ON)),
        scope: Scope::Carriers(&[CarrierKind::Tls]),
        help: "TLS: encrypt at most one loopback segment ahead of the socket",
    }
    /// HTTP/2: a layer that gathers small frames into whole segments.
    H2_GATHER = {
        flag: "h2-gather",
        domain: SWITCH,
        default: ON,
        stock: Some(OFF),
        layer: true,
        before: Some(Before::Was(ON)),
        scope: Scope::Http("2"),
        help: "HTTP/2: gather small frames for one write",
    }
    /// HTTP/2: a layer that makes the kernel hold back the partial segments of large frames (TCP_CORK).
    H2_CORK = {
        flag: "h2-cork",
        domain: SWITCH,
        default: ON,
        stock: Some(OFF),
        layer: true,
        before: Some(Before::Was(ON)),
        scope: Scope::Http("2"),
        help: "HTTP/2: hold back the partial segments of large frames (TCP_CORK)",
    }
    /// HTTP/2: a layer that lets a connection read a bounded number of bytes before its bodies are polled.
    H2_TURNS = {
        flag: "h2-turns",
        domain: SWITCH,
        default: ON,
        stock: Some(OFF),
        layer: true,
        before: Some(Before::Was(ON)),
        scope: Scope::Http("2"),
        help: "HTTP/2: bound the bytes that a connection reads before its bodies are polled",
    }
    /// Ceilings over TCP and TLS: the number of bytes that one read of a body requests. `cargo xtask ceilings` measures
    /// the candidates.
    CEILING_READ = {
        flag: "ceiling-read",
        domain: Domain::Bytes { least: 4 << 10, most: 16 << 20 },
        default: kib(256),
        layer: true,
        before: Some(Before::Was(kib(256))),
        scope: Scope::StreamCeilings,
        help: "Ceilings: bytes that one read requests",
    }
    /// Ceilings over TCP and TLS: the number of bytes that are gathered for one write. The number is at least 256 KiB,
    /// so that ceilings do not depend on the chunk size. `cargo xtask ceilings` measures the candidates.
    CEILING_WRITE = {
        flag: "ceiling-write",
        domain: Domain::Bytes { least: 256 << 10, most: 16 << 20 },
        default: kib(256),
        layer: true,
        before: Some(Before::Was(kib(256))),
        scope: Scope::StreamCeilings,
        help: "Ceilings: bytes gathered for one write",
    }
    /// QUIC: longhaul's values instead of quinn's for datagrams per receive, initial packet size and window, timeouts
    /// and stream counts.
    QUIC_ENDPOINT = {
        flag: "quic-endpoint",
        domain: SWITCH,
        default: ON,
        stock: Some(OFF),
        layer: true,
        before: Some(Before::Was(ON)),
        scope: QUIC,
        help: "QUIC: bound the datagrams per receive, and start at the largest packet",
    }
}
