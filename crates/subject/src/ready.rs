//! The sign that a server under proof is ready for its first request.

use std::{convert::Infallible, str::FromStr, time::Duration};

use client::{Client, Download, Output, Target, TargetError};
use metrics::Stamp;
use record::{Fault, FaultKind, Protocol, redacted_url};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{endpoints::PORT, program::Program};

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The longest time of one attempt to reach the server.
const ATTEMPT: Duration = Duration::from_secs(1);

/// The longest time in which a server is reached before a program is started. Each run over HTTP/3 at a fixed port takes
/// this time, because UDP does not tell that nobody listens.
const REPLY: Duration = Duration::from_millis(500);

/// The longest time of the answer of a server that was reached before a program is started. The close of its connection
/// may take a second of it.
const ANSWER: Duration = Duration::from_secs(2);

/// The time in which the program of an earlier run leaves its port.
const VACATED: Duration = Duration::from_secs(2);

/// The time between two looks at a port that the program of an earlier run has not left.
const LOOK_AT_PORT: Duration = Duration::from_millis(100);

/// The sign that a server is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ready {
    /// The server at the URL completes a handshake.
    #[default]
    Connects,
    /// A port of the URL's host accepts TCP connections.
    Port(u16),
    /// A GET of this URL is answered with success, over the protocol of the proof if the scheme of the URL allows it.
    /// `{port}` stands for the port that longhaul chose.
    Answers(String),
    /// The server prints this text.
    Prints(String),
}

/// Parses a port, a URL, or else a text to be printed.
impl FromStr for Ready {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(port) => Self::Port(port),
            Err(_) if ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) => {
                Self::Answers(text.to_owned())
            }
            Err(_) => Self::Prints(text.to_owned()),
        })
    }
}

impl Ready {
    /// Returns the text that the server prints; `None` for any other sign.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Prints(text) => Some(text),
            _ => None,
        }
    }

    /// Waits until a server is ready.
    ///
    /// # Errors
    /// Fails if the server ends before that, and if it is not ready within `patience`.
    pub(crate) async fn wait(
        &self,
        program: &mut Program,
        client: &Client,
        target: &Target,
        port: Option<u16>,
        patience: Duration,
    ) -> Result<(), Fault> {
        let began = Stamp::now();
        loop {
            program.processes().find_descendants();
            if let Some(status) = program.ended()?
                && (!status.success() || program.processes().are_gone())
            {
                let what = format!("ended ({}) before it was ready", program.describe(status));
                return Err(program.fault(FaultKind::Program, what).await);
            }
            let Err(missing) = self.look(program, client, target, port).await else { return Ok(()) };
            if began.elapsed() >= patience {
                let what = format!("was not ready within {} s: {missing}", patience.as_secs_f64());
                program.end();
                return Err(program.fault(FaultKind::Timeout, what).await);
            }
            sleep(LOOK).await;
        }
    }

    /// Checks the sign once, for at most [`ATTEMPT`]. The error states what is missing.
    pub(crate) async fn look(
        &self,
        program: &Program,
        client: &Client,
        target: &Target,
        port: Option<u16>,
    ) -> Result<(), String> {
        match self {
            Self::Prints(_) if program.has_printed() => Ok(()),
            Self::Prints(text) => Err(format!("it has not printed '{text}'")),
            _ => {
                let none = || Err(format!("no answer within {} s", ATTEMPT.as_secs_f64()));
                timeout(ATTEMPT, self.answer(client, target, port)).await.unwrap_or_else(|_| none())
            }
        }
    }

    /// Waits until no program gives the sign, for at most [`VACATED`], before `program` is started. Nobody else can
    /// print its output, or know a port that longhaul has just chosen.
    ///
    /// # Errors
    /// Fails if another program gives the sign.
    pub(crate) async fn absent(
        &self,
        program: &str,
        client: &Client,
        target: &Target,
        port: Option<u16>,
    ) -> Result<(), Fault> {
        let sign = match self {
            Self::Connects if port.is_none() => redacted_url(&target.url()),
            Self::Answers(url) if port.is_none() || !url.contains(PORT) => redacted_url(url),
            Self::Port(port) => format!("port {port} of {}", target.host()),
            _ => return Ok(()),
        };
        let began = Stamp::now();
        while self.is_given(client, target, port).await {
            if began.elapsed() >= VACATED {
                let what = format!(
                    "a server answers at {sign} before {program} was started: end it, prove it itself by \
                     --watch PID in place of a command, or write {PORT} in the URL and the command. If it stands in \
                     front of the program, name a sign of the program's own by --ready"
                );
                return Err(Fault::new(FaultKind::Listen, what));
            }
            sleep(LOOK_AT_PORT).await;
        }
        Ok(())
    }

    /// Returns whether a server gives the sign that is an answer. A server that is not reached within [`REPLY`] does not.
    /// The limit covers no close of a connection, which takes three probe timeouts over QUIC (RFC 9000, section 10.2).
    async fn is_given(&self, client: &Client, target: &Target, port: Option<u16>) -> bool {
        let reached =
            async |target: &Target| matches!(timeout(REPLY, client.connect(target)).await, Ok(Ok(_)));
        match self {
            Self::Connects => reached(target).await,
            Self::Answers(url) => {
                let Ok(asked) = asked_at(url, target, port) else { return false };
                reached(&asked).await
                    && matches!(timeout(ANSWER, self.answer(client, target, port)).await, Ok(Ok(())))
            }
            _ => matches!(timeout(REPLY, self.answer(client, target, port)).await, Ok(Ok(()))),
        }
    }

    /// Looks for the answer that is the sign once. A text that is printed is none.
    async fn answer(&self, client: &Client, target: &Target, port: Option<u16>) -> Result<(), String> {
        match self {
            Self::Connects => client.probe(target).await.map_err(|fault| fault.message),
            Self::Port(port) => {
                let connected = TcpStream::connect((target.host(), *port)).await;
                connected.map(drop).map_err(|error| format!("port {port}: {error}"))
            }
            Self::Answers(url) => {
                let target = asked_at(url, target, port).map_err(|error| error.to_string())?;
                let outcome = client.transfer(&target, Download::new(Output::verify()), |_| {}).await;
                outcome.fault.map_or(Ok(()), |fault| Err(fault.message))
            }
            Self::Prints(text) => Err(format!("'{text}' is printed, and no answer")),
        }
    }
}

/// Returns the target of a GET of `url`, in which `{port}` stands for `port`.
fn asked_at(url: &str, served: &Target, port: Option<u16>) -> Result<Target, TargetError> {
    let url = port.map_or(url.to_owned(), |port| url.replace(PORT, &port.to_string()));
    asked(&url, served)
}

/// Returns the target of a GET that shows that the server at `served` is ready. The protocol is that of `served`, because a
/// server may speak no other. The default protocol remains for another scheme, and in place of QUIC for another port.
fn asked(url: &str, served: &Target) -> Result<Target, TargetError> {
    let target = Target::parse(url)?;
    let protocol: &'static Protocol = served.protocol();
    let fits = protocol.scheme() == target.protocol().scheme()
        && (!protocol.is_over_udp() || target.port() == served.port());
    target.with_protocol(fits.then_some(protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_a_port_a_url_or_a_text() {
        let parse = |text: &str| text.parse::<Ready>().unwrap();
        assert_eq!(parse("8080"), Ready::Port(8080));
        assert_eq!(parse("http://x/health"), Ready::Answers("http://x/health".into()));
        assert_eq!(parse("99999"), Ready::Prints("99999".into()));
        assert_eq!(parse("listening on").text(), Some("listening on"));
    }

    #[test]
    fn the_url_of_a_sign_has_the_protocol_of_the_server_where_it_can() {
        let of = |url: &str, served: &str, protocol| {
            let served = Target::parse(served).unwrap().with_protocol(Protocol::by_name(protocol)).unwrap();
            asked(url, &served).unwrap().protocol().name
        };
        assert_eq!(of("https://x:8443/health", "https://x:8443/", "h1"), "h1");
        assert_eq!(of("http://x:9/health", "http://x:8080/", "h2c"), "h2c");
        assert_eq!(of("http://x:9/health", "https://x:8443/", "h1"), "h1c", "another scheme");
        assert_eq!(of("https://x:8443/health", "https://x:8443/", "h3"), "h3");
        assert_eq!(of("https://x:9/health", "https://x:8443/", "h3"), "h2", "another listener");
    }
}
