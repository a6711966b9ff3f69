//! The flags of windows, buffers and choices.

use clap::Args;
use transport::{
    Cipher, Congestion, H3Recv, Limits, MAX_QUIC_MTU, MIN_H1_BUFFER, MIN_QUIC_MTU, Profile, QuicProfile,
};

use crate::size::ByteSize;

/// One flag a limit; what is not given stays at its default.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Windows and buffers for the smallest budget, for both, or for the most goodput: lean, balanced or fast [default: balanced]
    #[arg(long, value_name = "NAME")]
    profile: Option<ProfileArg>,
    /// QUIC's datagrams for a path such as the internet (1452 bytes), jumbo frames (8952) or loopback (65507) [default: internet for bench and prove; the others find out]
    #[arg(long, value_name = "NAME", conflicts_with = "quic_mtu")]
    quic_profile: Option<QuicProfileArg>,
    /// HTTP/1.1: bytes read, and gathered for one write, at once, from 8 KiB on [default: 256KiB]
    #[arg(long, value_name = "SIZE", value_parser = h1_buffer)]
    h1_buffer: Option<ByteSize>,
    /// HTTP/2: largest DATA frame the receiver admits, 16 KiB to 16 MiB [default: 256KiB]
    #[arg(long, value_name = "SIZE", value_parser = h2_frame)]
    h2_frame: Option<ByteSize>,
    /// HTTP/2: receive window of a stream, and of the connection [default: 768KiB]
    #[arg(long, value_name = "SIZE", value_parser = h2_window)]
    h2_window: Option<ByteSize>,
    /// HTTP/2: bytes queued for a stream before it stops asking for more [default: 256KiB]
    #[arg(long, value_name = "SIZE", value_parser = at_least_one)]
    h2_send_buffer: Option<ByteSize>,
    /// QUIC: receive window of a stream [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = at_least_one)]
    quic_window: Option<ByteSize>,
    /// QUIC: receive window of all streams of a connection [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = at_least_one)]
    quic_connection_window: Option<ByteSize>,
    /// QUIC: bytes kept for sending, over all streams of a connection [default: 1MiB, twice that for packets over 1452 bytes]
    #[arg(long, value_name = "SIZE", value_parser = at_least_one)]
    quic_send_window: Option<ByteSize>,
    /// QUIC: largest UDP payload, 1200 to 65507 bytes, or auto to find what the path carries, up to 6500 [default: 1452 for bench and prove, auto for the others]
    #[arg(long, value_name = "BYTES", value_parser = quic_mtu)]
    quic_mtu: Option<Auto<u64>>,
    /// The kernel's send and receive buffer of each socket, or auto to leave TCP's to the kernel [default: 256KiB for bench and prove, auto for the others; UDP: as --udp-buffer]
    #[arg(long, value_name = "SIZE", value_parser = socket_buffer)]
    socket_buffer: Option<Auto<ByteSize>>,
    /// QUIC: the same of its UDP socket [default: 4MiB, or as --socket-buffer]
    #[arg(long, value_name = "SIZE", value_parser = buffer)]
    udp_buffer: Option<ByteSize>,
    /// TCP and QUIC: congestion controller, or auto to leave TCP's to the kernel [default: cubic for bench and prove, auto for the others]
    #[arg(long, value_name = "NAME")]
    congestion: Option<CongestionArg>,
    /// TLS 1.3 and QUIC: cipher [default: aes128]
    #[arg(long, value_name = "NAME")]
    cipher: Option<CipherArg>,
    /// HTTP/3: hold back what nobody has asked for, or let h3 pile it up: bounded or stock [default: bounded]
    #[arg(long, value_name = "NAME")]
    h3_recv: Option<H3RecvArg>,
}

/// A size, or what the kernel or the path make of it.
#[derive(Debug, Clone, Copy)]
enum Auto<T> {
    Auto,
    Bytes(T),
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ProfileArg {
    Lean,
    Balanced,
    Fast,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum QuicProfileArg {
    Internet,
    Jumbo,
    Loopback,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CongestionArg {
    Auto,
    Cubic,
    Newreno,
    Bbr,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CipherArg {
    Aes128,
    Aes256,
    Chacha20,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum H3RecvArg {
    Bounded,
    Stock,
}

impl LimitArgs {
    /// The limits in force between ends on one machine.
    pub(crate) fn limits(&self) -> Limits {
        self.over(self.profile())
    }

    /// The limits in force towards anybody. Hundreds of connections with buffers of MiBs at both
    /// ends exceed what the kernel spends on TCP (`tcp_mem`): it drops what has arrived, and transfers stand still for
    /// half a minute. And the path is whatever it is.
    pub(crate) fn limits_for_anybody(&self) -> Limits {
        self.over(Limits { socket_buffer: None, congestion: None, quic_mtu: None, ..self.profile() })
    }

    fn profile(&self) -> Limits {
        self.profile.map_or(Profile::default(), Into::into).limits()
    }

    fn over(&self, default: Limits) -> Limits {
        let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.0);
        let (socket_buffer, asked) = match self.socket_buffer {
            None => (default.socket_buffer, None),
            Some(Auto::Auto) => (None, None),
            Some(Auto::Bytes(size)) => (Some(size.0), Some(size)),
        };
        let mtu = match self.quic_mtu {
            None => self.quic_profile.map_or(default.quic_mtu, |path| Some(QuicProfile::from(path).mtu())),
            Some(Auto::Auto) => None,
            Some(Auto::Bytes(bytes)) => Some(bytes),
        };
        let default = default.with_datagrams(mtu);
        Limits {
            h1_buffer: bytes(self.h1_buffer, default.h1_buffer),
            h2_frame: bytes(self.h2_frame, default.h2_frame),
            h2_window: bytes(self.h2_window, default.h2_window),
            h2_send_buffer: bytes(self.h2_send_buffer, default.h2_send_buffer),
            quic_window: bytes(self.quic_window, default.quic_window),
            quic_connection_window: bytes(self.quic_connection_window, default.quic_connection_window),
            quic_send_window: bytes(self.quic_send_window, default.quic_send_window),
            quic_mtu: default.quic_mtu,
            socket_buffer,
            udp_buffer: bytes(self.udp_buffer.or(asked), default.udp_buffer),
            congestion: self.congestion.map_or(default.congestion, CongestionArg::controller),
            cipher: self.cipher.map_or(default.cipher, Into::into),
            h3_recv: self.h3_recv.map_or(default.h3_recv, Into::into),
        }
    }
}

impl From<ProfileArg> for Profile {
    fn from(arg: ProfileArg) -> Self {
        match arg {
            ProfileArg::Lean => Self::Lean,
            ProfileArg::Balanced => Self::Balanced,
            ProfileArg::Fast => Self::Fast,
        }
    }
}

impl From<QuicProfileArg> for QuicProfile {
    fn from(arg: QuicProfileArg) -> Self {
        match arg {
            QuicProfileArg::Internet => Self::Internet,
            QuicProfileArg::Jumbo => Self::Jumbo,
            QuicProfileArg::Loopback => Self::Loopback,
        }
    }
}

impl CongestionArg {
    fn controller(self) -> Option<Congestion> {
        match self {
            Self::Auto => None,
            Self::Cubic => Some(Congestion::Cubic),
            Self::Newreno => Some(Congestion::NewReno),
            Self::Bbr => Some(Congestion::Bbr),
        }
    }
}

impl From<CipherArg> for Cipher {
    fn from(arg: CipherArg) -> Self {
        match arg {
            CipherArg::Aes128 => Self::Aes128,
            CipherArg::Aes256 => Self::Aes256,
            CipherArg::Chacha20 => Self::ChaCha20,
        }
    }
}

impl From<H3RecvArg> for H3Recv {
    fn from(arg: H3RecvArg) -> Self {
        match arg {
            H3RecvArg::Bounded => Self::Bounded,
            H3RecvArg::Stock => Self::Stock,
        }
    }
}

fn socket_buffer(text: &str) -> Result<Auto<ByteSize>, String> {
    if text == "auto" {
        return Ok(Auto::Auto);
    }
    buffer(text).map(Auto::Bytes).map_err(|error| format!("it must be auto or a size: {error}"))
}

/// setsockopt takes a C int.
fn buffer(text: &str) -> Result<ByteSize, String> {
    within(text, 1, i32::MAX as u64)
}

fn quic_mtu(text: &str) -> Result<Auto<u64>, String> {
    if text == "auto" {
        return Ok(Auto::Auto);
    }
    let bytes: Option<u64> = text.parse().ok().filter(|bytes| (MIN_QUIC_MTU..=MAX_QUIC_MTU).contains(bytes));
    bytes
        .map(Auto::Bytes)
        .ok_or_else(|| format!("it must be auto or from {MIN_QUIC_MTU} to {MAX_QUIC_MTU} bytes"))
}

fn at_least_one(text: &str) -> Result<ByteSize, String> {
    within(text, 1, u64::from(u32::MAX))
}

/// hyper works with no less.
fn h1_buffer(text: &str) -> Result<ByteSize, String> {
    within(text, MIN_H1_BUFFER, u64::from(u32::MAX))
}

/// The bounds of SETTINGS_MAX_FRAME_SIZE (RFC 9113 section 6.5.2).
fn h2_frame(text: &str) -> Result<ByteSize, String> {
    within(text, 16_384, 16_777_215)
}

/// No window exceeds 2^31 - 1 (RFC 9113 section 6.9.1).
fn h2_window(text: &str) -> Result<ByteSize, String> {
    within(text, 1, (1 << 31) - 1)
}

fn within(text: &str, least: u64, most: u64) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if (least..=most).contains(&size.0) {
        return Ok(size);
    }
    Err(format!("it must be from {least} to {most} bytes"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use transport::{Limit, Setting};

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        limits: LimitArgs,
    }

    #[test]
    fn a_flag_goes_before_its_profile() {
        use clap::Parser as _;
        let limits = |args: &[&str]| Flags::parse_from([&["x"], args].concat()).limits.limits();
        let lean = limits(&["--profile", "lean", "--h2-window", "1MiB", "--quic-profile", "jumbo"]);
        assert_eq!((lean.h2_window, lean.h2_frame, lean.quic_mtu), (1 << 20, 16 << 10, Some(8952)));
        assert!(Flags::try_parse_from(["x", "--quic-profile", "jumbo", "--quic-mtu", "1200"]).is_err());
    }

    #[test]
    fn larger_datagrams_double_what_a_sender_keeps_unless_told() {
        use clap::Parser as _;
        let keeps =
            |args: &[&str]| Flags::parse_from([&["x"], args].concat()).limits.limits().quic_send_window;
        let default = Limits::default().quic_send_window;
        for same in [&[][..], &["--quic-mtu", "1200"], &["--quic-mtu", "1452"], &["--quic-mtu", "auto"]] {
            assert_eq!(keeps(same), default, "{same:?}");
        }
        assert_eq!(keeps(&["--quic-mtu", "6400"]), 2 * default);
        assert_eq!(keeps(&["--quic-profile", "loopback"]), 2 * default);
        assert_eq!(keeps(&["--quic-mtu", "6400", "--quic-send-window", "1MiB"]), 1 << 20);
    }

    #[test]
    fn a_socket_buffer_is_every_sockets_unless_udp_has_its_own() {
        use clap::Parser as _;
        let buffers = |args: &[&str]| {
            let limits = Flags::parse_from([&["x"], args].concat()).limits.limits();
            (limits.socket_buffer, limits.udp_buffer)
        };
        let default = Limits::default();
        assert_eq!(buffers(&[]), (default.socket_buffer, default.udp_buffer));
        assert_eq!(buffers(&["--socket-buffer", "auto"]), (None, default.udp_buffer));
        assert_eq!(buffers(&["--socket-buffer", "64KiB"]), (Some(64 << 10), 64 << 10));
        assert_eq!(buffers(&["--socket-buffer", "64KiB", "--udp-buffer", "1MiB"]), (Some(64 << 10), 1 << 20));
    }

    #[test]
    fn the_help_states_the_defaults_that_are_in_force() {
        let command = Flags::command();
        for limit in Limit::ALL {
            let value = match Limits::default().get(limit) {
                Setting::Bytes(bytes) if limit == Limit::QuicMtu => bytes.to_string(),
                Setting::Bytes(bytes) => ByteSize(bytes).to_string(),
                Setting::Auto => "auto".to_owned(),
                Setting::Choice(name) => name.to_owned(),
            };
            let argument = command.get_arguments().find(|a| a.get_long() == Some(limit.flag())).unwrap();
            let help = argument.get_help().unwrap().to_string();
            assert!(help.contains(&format!("[default: {value}")), "{limit:?}: {help}");
        }
    }
}
