//! The flags of limits: one per entry of [`record::LIMITS`], and the profiles that name sets of values.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use record::{Domain, LIMITS, Limit, LimitError, LimitValue, Limits, Profile, QUIC_MTU, QuicProfile};

use super::names::{Named, named};

/// The heading of the flags of limits in `--help`.
const HEADING: &str = "Limits";

const PROFILE: &str = "profile";
const QUIC_PROFILE: &str = "quic-profile";

/// The limits that flags name; every other limit has its default.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitArgs {
    profile: Profile,
    named: Vec<(&'static Limit, LimitValue)>,
}

impl LimitArgs {
    /// Returns the limits in force between two ends on one machine.
    ///
    /// # Errors
    /// Fails if a value is out of range for its limit.
    pub(crate) fn limits(&self) -> Result<Limits, LimitError> {
        Limits::of(self.profile).with_flags(self.named.clone())
    }

    /// Returns whether a flag names a limit, or a profile other than the default.
    pub(crate) fn names_any(&self) -> bool {
        !self.named.is_empty() || self.profile != Profile::default()
    }

    /// Returns the limits in force for a command with the defaults `own`. Flags replace single values. A profile other
    /// than the default replaces all of `own`.
    ///
    /// # Errors
    /// Fails if a value is out of range for its limit.
    pub(crate) fn over(&self, own: Limits) -> Result<Limits, LimitError> {
        self.assert_bounded()?;
        let named = self.named.clone();
        let base = if self.profile == Profile::default() { own } else { Limits::for_any_peer(self.profile) };
        base.with_flags(named)
    }

    /// Returns the limits in force towards any peer.
    ///
    /// # Errors
    /// Fails if a value is out of range for its limit.
    pub(crate) fn limits_for_any_peer(&self) -> Result<Limits, LimitError> {
        self.assert_bounded()?;
        Limits::for_any_peer(self.profile).with_flags(self.named.clone())
    }

    /// Returns whether `--profile stock` is in force, in which the libraries have their own defaults.
    pub(crate) fn is_stock(&self) -> bool {
        self.profile == Profile::Stock
    }

    /// Refuses `--profile stock`, which bounds no memory, for unknown peers.
    fn assert_bounded(&self) -> Result<(), LimitError> {
        if !self.is_stock() {
            return Ok(());
        }
        let bounded: Vec<_> =
            Profile::ALL.iter().filter(|profile| **profile != Profile::Stock).map(|it| it.name()).collect();
        Err(LimitError::new(PROFILE, Profile::Stock.name(), bounded.join(", ")))
    }
}

impl Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        let profile = flag(
            PROFILE,
            "Preset of windows and buffers: lean (least memory), balanced, fast (most goodput), or in bench and prove stock (the defaults of each library, without a memory budget)",
        )
        .value_parser(named(Profile::ALL.map(|profile| (profile.name(), profile))))
        .hide_possible_values(true)
        .default_value(Profile::default().name());
        let quic_profile = flag(
            QUIC_PROFILE,
            "QUIC: datagrams for a path: internet (1452 bytes), jumbo (8952, jumbo frames) or loopback (65507)",
        )
        .value_parser(named(QuicProfile::ALL.map(|path| (path.name(), path))))
        .hide_possible_values(true)
        .conflicts_with(QUIC_MTU.flag);
        command.arg(profile).arg(quic_profile).args(LIMITS.iter().map(|limit| argument(limit)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(Named(_, profile)) = matches.get_one::<Named<Profile>>(PROFILE) {
            self.profile = *profile;
        }
        if let Some(Named(_, path)) = matches.get_one::<Named<QuicProfile>>(QUIC_PROFILE) {
            self.named.push((&QUIC_MTU, LimitValue::Bytes(path.mtu())));
        }
        let values = LIMITS
            .iter()
            .filter_map(|&limit| Some((limit, matches.get_one::<LimitValue>(limit.flag)?.clone())));
        self.named.extend(values);
        Ok(())
    }
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("NAME").help(help).help_heading(HEADING)
}

fn argument(limit: &'static Limit) -> Arg {
    let value_name = match limit.domain {
        Domain::Bytes { .. } => "SIZE",
        Domain::Choice(_) => "NAME",
    };
    let parse = move |text: &str| limit.parse(text).map_err(|error| format!("use {}", error.expected()));
    flag(limit.flag, "").value_name(value_name).help(help(limit)).value_parser(parse).hide(limit.layer)
}

/// Returns the help of a limit: its meaning, the possible words, and the meaning of `auto`. The definition of a command
/// adds its default.
fn help(limit: &Limit) -> String {
    let mut help = limit.help.to_owned();
    if let Domain::Choice(words) = limit.domain {
        help += &format!(": {}", words.join(", "));
    }
    if let Some(auto) = limit.auto_in_words() {
        help += &format!("; auto: {auto}");
    }
    help
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use record::{H2_FRAME, H2_WINDOW, QUIC_SEND_WINDOW, SOCKET_BUFFER, UDP_BUFFER};

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn limits(args: &[&str]) -> Limits {
        Flags::parse_from([&["x"], args].concat()).limits.limits().unwrap()
    }

    #[test]
    fn a_flag_overrides_its_profile() {
        let lean = limits(&["--profile", "lean", "--h2-window", "1MiB", "--quic-profile", "jumbo"]);
        assert_eq!((lean.bytes(&H2_WINDOW), lean.bytes(&H2_FRAME)), (1 << 20, 16 << 10));
        assert_eq!(lean.bytes(&QUIC_MTU), 8952);
        assert!(Flags::try_parse_from(["x", "--quic-profile", "jumbo", "--quic-mtu", "1200"]).is_err());
    }

    #[test]
    fn larger_datagrams_double_the_send_window_unless_it_is_named() {
        let window = |args: &[&str]| limits(args).bytes(&QUIC_SEND_WINDOW);
        let default = window(&[]);
        for same in [["--quic-mtu", "1200"], ["--quic-mtu", "1452"], ["--quic-mtu", "auto"]] {
            assert_eq!(window(&same), default, "{same:?}");
        }
        assert_eq!(window(&["--quic-mtu", "6400"]), 2 * default);
        assert_eq!(window(&["--quic-profile", "loopback"]), 2 * default);
        assert_eq!(window(&["--quic-mtu", "6400", "--quic-send-window", "1MiB"]), 1 << 20);
    }

    #[test]
    fn the_udp_buffer_follows_the_socket_buffer_unless_it_is_named() {
        let buffers = |args: &[&str]| {
            let limits = limits(args);
            (limits.bytes_unless_auto(&SOCKET_BUFFER), limits.bytes(&UDP_BUFFER))
        };
        let (socket, udp) = buffers(&[]);
        assert_eq!(buffers(&["--socket-buffer", "auto"]), (None, udp));
        assert_eq!(buffers(&["--socket-buffer", "64KiB"]), (Some(64 << 10), 64 << 10));
        assert_eq!(buffers(&["--udp-buffer", "1MiB"]), (socket, 1 << 20));
        assert_eq!(buffers(&["--socket-buffer", "64KiB", "--udp-buffer", "1MiB"]), (Some(64 << 10), 1 << 20));
    }
}
