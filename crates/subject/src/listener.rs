//! The common part of proofs of a server and of a proxy: its process, its URLs, and longhaul's client.

use std::time::Duration;

use client::{Client, Options, Target, Transfer};
use receiver::Halt;
use record::{Build, Case, Direction, Fault};

use crate::{Endpoints, Source, exchange::transfer_of, source::Listening, standstill::allowance};

/// A program that listens, and the client that makes transfers with it.
pub(crate) struct Listener {
    source: Source,
    endpoints: Endpoints,
    uploading: Client,
    downloading: Client,
    announces_length: bool,
    pub(crate) timeout: Duration,
}

impl Listener {
    /// The method in the options applies to uploads. The timeout in the options is also the longest time until a
    /// program is ready.
    pub(crate) fn new(source: Source, endpoints: Endpoints, options: Options) -> Self {
        let timeout = options.timeout;
        let gets = options.clone().with_request(options.request.clone().with_method(None));
        let [uploading, downloading] = [options, gets].map(|options| Client::new(options, Build::default()));
        Self { source, endpoints, uploading, downloading, announces_length: false, timeout }
    }

    /// Announces the length of uploads by Content-Length, in place of the chunked coding.
    pub(crate) fn announcing_length(self, announces_length: bool) -> Self {
        Self { announces_length, ..self }
    }

    /// Starts the program if it does not run yet, and waits until it is ready.
    pub(crate) async fn begin(&self, case: &Case) -> Result<(Listening, Target), Fault> {
        self.source.begin(case, &self.endpoints, &self.downloading, self.timeout).await
    }

    /// Returns the client for a case. Its timeout is longer by the time for which the reader stands still.
    pub(crate) fn client(&self, case: &Case) -> Client {
        let client = match case.direction {
            Direction::Up => &self.uploading,
            Direction::Down => &self.downloading,
        };
        client.clone().with_timeout(self.timeout.saturating_add(allowance(case)))
    }

    /// Returns the transfer of a case. A download stops at a halt.
    pub(crate) fn transfer(&self, case: &Case, halt: Option<Halt>) -> Result<Transfer, Fault> {
        transfer_of(case, self.announces_length, halt)
    }
}
