//! Emulated networks between the two ends of a run.
//!
//! A [`relay`] is a separate process that carries the bytes of both directions. It delays, paces, queues, drops and
//! reorders them as a [`NetworkSpec`](record::NetworkSpec) says, and counts them.

mod alarm;
mod datagrams;
mod descriptors;
mod line;
mod link;
mod messages;
mod packets;
mod ping;
pub mod relay;
mod streams;
mod window;

pub use messages::{RelayEvent, RelayFault, RelayJob, RelayOrder, Site};
pub use packets::{Namespace, enter};
