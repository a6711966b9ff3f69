//! Third-party programs in the place of one end of a bench, for comparison with longhaul's own ends.
//!
//! A [`Peer`] is a client or a server with a command line: one of the ready-made definitions, or one that the user gives. A
//! [`PeerExecutor`] runs it against one worker of [`run`], which measures itself as in any bench.

mod definitions;
mod executor;
mod fill;
mod installed;
mod peer;
mod readiness;
mod run_folder;
mod watched;
mod words;

pub use executor::PeerExecutor;
pub use installed::Installed;
pub use peer::{Peer, PeerError};
pub use words::OpenQuote;
