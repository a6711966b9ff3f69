//! Runs whose ends are on two hosts: the session runs the client's end, and a [`MeasuringHost`] the server's end.
//!
//! Both hosts talk over a *control session*: one HTTP exchange whose request and response are open for as long as the
//! session runs. Each line of them is a message in JSON (`wire.rs`). The messages carry the dialogue with the worker of
//! the server's end, so that a run over two hosts takes the same steps as a run on one. No message has a time: clocks of
//! two hosts are never compared.
//!
//! A control session ends a run that it has not finished, whichever way it ends itself: by its end, by a broken
//! connection, or by 15 s of silence.

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
