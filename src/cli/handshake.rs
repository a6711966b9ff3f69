//! The flags of the handshake before a transfer.

use clap::Args;
use client::{HandshakeKind, Target};

use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct HandshakeArgs {
    /// Make a full handshake on a connection of its own first, and resume its TLS session on the connection of the transfer
    /// (h1, h2, h3). The record has the times of both handshakes
    #[arg(long)]
    resume_session: bool,
}

impl HandshakeArgs {
    /// Returns the handshake of the connections that carry bodies.
    pub(crate) fn kind(&self) -> HandshakeKind {
        if self.resume_session { HandshakeKind::Resumed } else { HandshakeKind::Full }
    }

    /// Checks that the protocol of a target has sessions.
    ///
    /// # Errors
    /// Fails if a session is to be resumed over cleartext.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Usage> {
        let protocol = target.protocol();
        if !self.resume_session || protocol.is_encrypted() {
            return Ok(());
        }
        let name = protocol.name;
        Err(Usage::new(format!("--resume-session: {name} is cleartext, without sessions; use h1, h2 or h3")))
    }
}
