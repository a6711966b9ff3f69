//! The flags of the handshake before a transfer.

use clap::Args;
use client::{HandshakeKind, RequestOptions, Target};
use record::Direction;

use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct HandshakeArgs {
    /// First make a full handshake on a separate connection, and then resume its TLS session on the connection of the
    /// transfer (h1, h2, h3). The record has the times of both handshakes
    #[arg(long)]
    resume_session: bool,
    /// Resume a session, and send the request in early data of the handshake (fetch, GET and HEAD over h1 and h3). An
    /// attacker who records the packets can repeat it. If the server does not accept it, the request is repeated after
    /// the handshake
    #[arg(long)]
    early_data: bool,
}

impl HandshakeArgs {
    /// Returns the handshake of the connections that carry bodies.
    pub(crate) fn kind(&self) -> HandshakeKind {
        match self {
            Self { early_data: true, .. } => HandshakeKind::EarlyData,
            Self { resume_session: true, .. } => HandshakeKind::Resumed,
            Self { .. } => HandshakeKind::Full,
        }
    }

    /// Checks that the protocol of a target has the TLS sessions and the early data that the flags ask for.
    ///
    /// # Errors
    /// Fails if the protocol does not fit the flags.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Usage> {
        let protocol = target.protocol();
        let name = protocol.name;
        if self.early_data && !HandshakeKind::can_be_early(protocol) {
            return Err(Usage::new(format!(
                "--early-data: {name} sends no request in early data; use h1 or h3"
            )));
        }
        if !self.resume_session || protocol.is_encrypted() {
            return Ok(());
        }
        Err(Usage::new(format!("--resume-session: {name} is cleartext, without sessions; use h1, h2 or h3")))
    }

    /// Checks that the request of a transfer may go out in early data, which an attacker can repeat.
    ///
    /// # Errors
    /// Fails if the request is an upload, or neither GET nor HEAD.
    pub(crate) fn check_request(&self, direction: Direction, request: &RequestOptions) -> Result<(), Usage> {
        if !self.early_data || request.is_safe(direction) {
            return Ok(());
        }
        let default = if direction == Direction::Up { "PUT" } else { "GET" };
        let method = request.method.as_ref().map_or(default, |method| method.as_str());
        let reason = format!("an attacker can repeat this {method}; use fetch, with GET or HEAD");
        Err(Usage::new(format!("--early-data: {reason}")))
    }
}
