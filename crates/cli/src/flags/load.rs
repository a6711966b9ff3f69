//! The flags of the number of bodies that `send` and `fetch` move at once.

use clap::Args;
use client::{Load, Target};
use record::MAX_STREAMS;

use super::{MAX_CONNECTIONS, MAX_THREADS, values::count};
use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Concurrent connections, each with a request for the same URL
    #[arg(short = 'P', long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_CONNECTIONS))]
    connections: u32,
    /// Bodies in flight on each connection (HTTP/2 and HTTP/3)
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_STREAMS))]
    streams: u32,
    /// Threads over which the connections are spread, each on its own core if there are as many cores
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_THREADS))]
    threads: u32,
}

impl LoadArgs {
    /// Returns the number of threads.
    pub(crate) fn threads(&self) -> u32 {
        self.threads
    }

    /// Returns the number of bodies.
    pub(crate) fn load(&self) -> Load {
        Load::new(self.connections, self.streams)
    }

    /// Returns whether more than one body moves at once.
    pub(crate) fn is_parallel(&self) -> bool {
        self.load() != Load::default()
    }

    /// Checks that the protocol of a target carries the requested number of bodies on each connection, and that each
    /// thread has a connection.
    ///
    /// # Errors
    /// Fails if the protocol carries one body at a time, or there are too few connections.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Usage> {
        run::check_threads(self.threads, self.connections).map_err(Usage::new)?;
        let checked = self.load().check(target.protocol());
        checked.map_err(|fault| Usage::new(format!("--streams {}: {}", self.streams, fault.message)))
    }
}
