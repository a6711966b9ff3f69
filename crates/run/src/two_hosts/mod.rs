//! Runs whose ends are on two hosts: the session runs the client's end, and a [`MeasuringHost`] the server's end.
//!
//! Both hosts talk over a *control session*: one HTTP exchange whose request and response stay open for as long as the
//! session runs. Each line is a message in JSON (`wire.rs`). Messages carry the dialogue with the worker of the
//! server's end, so a run over two hosts takes the same steps as a run on one. No times of two hosts are ever compared.
//!
//! The end of a control session ends an unfinished run, whatever ends the session: the client's host, a broken
//! connection, or 15 s of silence.

mod admission;
mod control;
mod host;
mod lines;
mod peer_worker;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use control::secret_path;
pub use control::{Control, ControlError, Opened, PeerHost};
pub use host::{ControlSession, MeasuringHost};
pub use wire::{CONTROL_PATH, CONTROL_VERSION, VERSION_FIELD};
