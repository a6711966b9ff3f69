//! The flags of `longhaul prove`.

use std::{ffi::OsString, time::Duration};

use clap::{ArgGroup, Args};
use client::{Options, TargetError};
use record::{ByteSize, DEFAULT_SLOPE_LIMIT, SizeError};
use subject::{Endpoints, Ready};

use super::{
    RunArgs,
    connect::ConnectArgs,
    request::RequestArgs,
    trust::{KeyLogArgs, TrustArgs},
    values::{distinct, process_id, sizes, stall},
};
use crate::exit::Usage;

/// The least slope limit, per GiB of body. A control keeps a twentieth of the limit: here, one byte for each MiB.
pub(crate) const LEAST_SLOPE_LIMIT: ByteSize = ByteSize(20 << 10);

/// The default of `--slope-limit` for programs whose heap is not counted: resident memory scatters by pages.
pub(crate) const SUBJECT_SLOPE_LIMIT: ByteSize = ByteSize(1 << 20);

/// The default of `--stall`: a program that does not hold its sender back takes in a GiB in less, at 200 MiB/s and more.
pub(crate) const STALL: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// Prove a client of yours: the command after --, with {url}, {file}, {size}, {cacert}, {host} and {port} filled in
    #[arg(long, requires = "command", group = "subject")]
    pub(crate) client: bool,
    /// Prove any program whose input has a size: the command after --, in which n in braces stands for each of these sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = sizes, requires = "command", group = "subject")]
    series: Vec<Vec<ByteSize>>,
    /// Slope of memory that counts as growth, per GiB of body
    #[arg(long, value_name = "SIZE", value_parser = slope_limit)]
    slope_limit: Option<ByteSize>,
    /// Skip the controls, whose memory must grow to show that growth is noticed
    #[arg(long)]
    pub(crate) no_control: bool,
    /// Run each growing case once more, and name the call sites of memory that stays allocated (needs a program built
    /// with --features heap-trace)
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    #[command(flatten)]
    pub(crate) listener: ListenerArgs,
    /// Time for which longhaul's reader stands still in one run of the largest body; 0 leaves that run out
    #[arg(long, value_name = "TIME", value_parser = stall, requires = "subject")]
    stall: Option<Duration>,
    /// Command line of the program to prove, run as it is without a shell
    #[arg(last = true, value_name = "COMMAND", requires = "subject")]
    pub(crate) command: Vec<OsString>,
}

/// The flags of a server or a proxy under proof.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("listener").args(["server", "proxy"]))]
pub(crate) struct ListenerArgs {
    /// Prove a server of yours, which takes uploads at this URL. The server is the command after --, or a running
    /// process (--watch). {port} stands for a free port
    #[arg(long, value_name = "URL", group = "subject")]
    server: Option<String>,
    /// URL that gives bodies, with {size} for their size in bytes; a server is then proven in both directions
    #[arg(long, value_name = "URL", requires = "server")]
    download: Option<String>,
    /// Prove a proxy of yours at this URL, and measure the bytes that it absorbs while their reader stands still; without
    /// a command or --watch, its memory stays unknown
    #[arg(long, value_name = "URL", group = "subject", requires = "upstream")]
    proxy: Option<String>,
    /// Port of 127.0.0.1 to which the proxy passes requests on, in cleartext: longhaul listens there
    #[arg(long, value_name = "PORT", requires = "proxy")]
    upstream: Option<u16>,
    /// Watch this running process and its descendants, in place of a command
    #[arg(long, value_name = "PID", value_parser = process_id, requires = "listener", conflicts_with = "command")]
    pub(crate) watch: Option<u32>,
    /// Sign that the program is ready: a port, a URL that answers, or a text that is part of its output [default: a
    /// handshake at its URL]
    #[arg(long, value_name = "PORT|PATTERN|URL", requires = "listener", requires = "command")]
    pub(crate) ready: Option<Ready>,
    /// Announce the length of uploads by Content-Length, in place of the chunked coding
    #[arg(long, requires = "listener")]
    pub(crate) content_length: bool,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    key_log: KeyLogArgs,
}

/// The role of a program that listens at a URL.
pub(crate) enum ListenerRole<'a> {
    /// A server with a URL for uploads, and optionally one for downloads.
    Server {
        /// The URL for uploads.
        url: &'a str,
        /// The URL for downloads.
        download: Option<&'a str>,
    },
    /// A proxy.
    Proxy {
        /// Its URL.
        url: &'a str,
        /// The port to which it passes requests on.
        upstream: u16,
    },
}

impl ListenerRole<'_> {
    /// Returns the URL as the user gave it.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Server { url, .. } | Self::Proxy { url, .. } => url,
        }
    }

    /// Returns the URLs of transfers.
    ///
    /// # Errors
    /// Fails if one of them is no URL.
    pub(crate) fn endpoints(&self) -> Result<Endpoints, TargetError> {
        match self {
            Self::Server { url, download } => Endpoints::new(*url, download.map(str::to_owned)),
            Self::Proxy { url, .. } => Endpoints::behind_proxy(url),
        }
    }
}

impl ListenerArgs {
    /// Returns the role of the program; `None` if the program to be proven does not listen.
    pub(crate) fn role(&self) -> Option<ListenerRole<'_>> {
        let download = self.download.as_deref();
        let server = self.server.as_deref().map(|url| ListenerRole::Server { url, download });
        let proxy = self.proxy.as_deref().zip(self.upstream);
        server.or(proxy.map(|(url, upstream)| ListenerRole::Proxy { url, upstream }))
    }

    /// Refuses the URL for downloads without a server, the port of the upstream without a proxy, and flags of
    /// requests and of certificates without either. clap does not refuse the first two beside another program: it
    /// drops a requirement that conflicts with a flag that is given.
    fn check(&self) -> Result<(), Usage> {
        if self.download.is_some() && self.server.is_none() {
            return Err(Usage::new("--download: only for a server of yours (--server)"));
        }
        if self.upstream.is_some() && self.proxy.is_none() {
            return Err(Usage::new("--upstream: only for a proxy of yours (--proxy)"));
        }
        let is_given = self.request.is_given()
            || self.trust.is_given()
            || self.connect.is_given()
            || self.key_log.is_given();
        match self.role().is_none() && is_given {
            true => Err(Usage::new(
                "flags of requests and of certificates are for a server or a proxy of yours (--server, --proxy)",
            )),
            false => Ok(()),
        }
    }
}

impl ProveArgs {
    /// Refuses flags that would have no effect.
    ///
    /// # Errors
    /// Fails if a flag does not apply to the program or the ends that are to be proven.
    pub(crate) fn check(&self) -> Result<(), Usage> {
        self.listener.check()?;
        if let Some((flag, reason)) = self.flag_of_own_ends().filter(|_| self.is_of_program()) {
            return Err(Usage::new(format!("{flag}: not for a program of yours; {reason}")));
        }
        if self.stall.is_some() && !self.series.is_empty() {
            let reason = "not with --series, whose program makes no transfer";
            return Err(Usage::new(format!("--stall: {reason}")));
        }
        match self.runs.transfer_flag().filter(|_| !self.series.is_empty()) {
            Some(flag) => {
                Err(Usage::new(format!("{flag}: not with --series, whose program makes no transfer")))
            }
            None => Ok(()),
        }
    }

    /// Returns a flag that only longhaul's own ends have, if one is given, and the reason.
    fn flag_of_own_ends(&self) -> Option<(&'static str, &'static str)> {
        let session = &self.runs.session;
        let given = [
            ("--observe-framing", session.observe_framing, "only longhaul's own ends can be observed"),
            (
                "--network",
                self.runs.network.is_given(),
                "longhaul conform --network reaches one over a network",
            ),
            ("--trace", self.trace, "only longhaul's own ends can be traced"),
            ("--explain-memory", self.runs.explain_memory, "only longhaul's own ends have a memory budget"),
            ("--address", session.names_address(), "its URL or loopback is the address"),
            ("--affinity", session.names_cores(), "only longhaul's own ends are bound to cores"),
            ("--settle", session.settle.is_some(), "only longhaul's own ends are bound to cores"),
            ("--spin", self.runs.names_spin(), "only longhaul's own ends busy-poll"),
        ];
        given.into_iter().find_map(|(flag, is_given, reason)| is_given.then_some((flag, reason)))
    }

    /// Returns whether a third-party program is to be proven, in place of longhaul's own ends.
    pub(crate) fn is_of_program(&self) -> bool {
        self.client || self.listener.role().is_some() || !self.series.is_empty()
    }

    /// Returns the options of the client that talks to a server or a proxy under proof.
    ///
    /// # Errors
    /// Fails if a file cannot be used, or a value is out of range for its limit.
    pub(crate) fn client_options(&self) -> anyhow::Result<Options> {
        let listener = &self.listener;
        Ok(Options::default()
            .with_trust(listener.trust.trust()?)
            .with_identity(listener.trust.identity()?)
            .with_oldest_tls(listener.trust.oldest())
            .with_key_log(listener.key_log.open()?)
            .with_timeout(self.runs.session.timeout)
            .with_addresses(listener.connect.addresses())
            .with_request(listener.request.options()?)
            .with_limits(self.runs.limits()?))
    }

    /// Returns the sizes of `--series`, each once.
    pub(crate) fn series(&self) -> Vec<ByteSize> {
        distinct(self.series.iter().flatten().copied())
    }

    /// Returns the time for which the reader of a program's body stands still; zero if it does not.
    pub(crate) fn stall(&self) -> Duration {
        self.stall.unwrap_or(STALL)
    }

    /// Returns the slope of memory that counts as growth, per GiB of body.
    pub(crate) fn slope_limit(&self) -> ByteSize {
        self.slope_limit.unwrap_or(if self.is_of_program() {
            SUBJECT_SLOPE_LIMIT
        } else {
            DEFAULT_SLOPE_LIMIT
        })
    }
}

/// Parses a slope limit. Below [`LEAST_SLOPE_LIMIT`], no control could keep a twentieth of the limit.
fn slope_limit(text: &str) -> Result<ByteSize, String> {
    let limit: ByteSize = text.parse().map_err(|error: SizeError| error.to_string())?;
    if limit < LEAST_SLOPE_LIMIT {
        Err(format!("'{text}' is too small; use at least {LEAST_SLOPE_LIMIT}"))
    } else {
        Ok(limit)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ProveArgs,
    }

    /// Returns the reason for which a command line is refused; `None` if it is not.
    fn refusal(flags: &str, command: &str) -> Option<String> {
        let words = ["prove"].into_iter().chain(flags.split_whitespace()).chain(command.split_whitespace());
        Line::try_parse_from(words).unwrap().args.check().err().map(|error| error.to_string())
    }

    #[test]
    fn flags_without_effect_on_a_program_are_refused() {
        const CLIENT: &str = "--client -- curl -T {file} {url}";
        for (flags, flag) in [
            ("--trace", "--trace"),
            ("--explain-memory", "--explain-memory"),
            ("--address ::1", "--address"),
            ("--affinity 0:1", "--affinity"),
            ("--settle 1s", "--settle"),
            ("--spin 5ms", "--spin"),
            ("--network lan", "--network"),
            ("--observe-framing", "--observe-framing"),
        ] {
            for command in [CLIENT, "--series 1MiB -- true {n}", "--server http://localhost:1/ --watch 1"] {
                let said = refusal(flags, command).unwrap_or_default();
                assert!(said.starts_with(&format!("{flag}: ")), "{flags} {command}: {said}");
            }
            assert_eq!(refusal(flags, ""), None, "{flags}");
        }
        assert_eq!(refusal("--affinity off --idle sleep --slope-limit 16MiB", CLIENT), None);
    }

    #[test]
    fn an_upstream_is_for_a_proxy_and_a_url_for_downloads_is_for_a_server() {
        let (client, proxy) = ("--client -- curl {url}", "--proxy http://localhost:1/ --upstream 2");
        assert_eq!(
            refusal("--upstream 2", client).unwrap(),
            "--upstream: only for a proxy of yours (--proxy)"
        );
        let said = "--download: only for a server of yours (--server)";
        assert_eq!(refusal("--download http://localhost/", client).unwrap(), said);
        assert_eq!(refusal("--download http://localhost/", proxy).unwrap(), said);
        assert_eq!(refusal("", proxy), None);
        assert_eq!(refusal("--download http://localhost/", "--server http://localhost:1/ --watch 1"), None);
    }

    #[test]
    fn a_slope_limit_is_a_size_that_controls_can_keep_a_twentieth_of() {
        assert_eq!(slope_limit("1MiB"), Ok(ByteSize(1 << 20)));
        assert_eq!(slope_limit("20KiB"), Ok(LEAST_SLOPE_LIMIT));
        assert!(slope_limit("19KiB").unwrap_err().contains("at least 20KiB") && slope_limit("x").is_err());
    }
}
