//! Third-party servers, which receive bodies from longhaul's client or send bodies to it.

use std::time::Duration;

use async_trait::async_trait;
use record::{Case, Direction, Fault, Subject};
use run::{Executor, Observer, Outcome};

use crate::{
    Endpoints, Source,
    exchange::{Exchange, beside},
    listener::Listener,
    service::Service,
    standstill::{Standstill, is_ended_by_peer, stand_still},
};

/// The time for which a slow reader stands still.
const STALL: Duration = Duration::from_secs(2);

/// Makes a transfer with a server for each case. A reader with a rate first stands still for two seconds.
pub struct ServerProgram(Listener);

impl ServerProgram {
    /// Makes an executor for a server. A client with these options makes the transfers; its timeout is also the longest
    /// time until a server is ready.
    pub fn new(source: Source, endpoints: Endpoints, options: client::Options) -> Self {
        Self(Listener::new(source, endpoints, options))
    }

    /// Chooses the framing of uploads: Content-Length if `announces_length` is true, else the chunked coding.
    #[must_use]
    pub fn announcing_length(self, announces_length: bool) -> Self {
        Self(self.0.announcing_length(announces_length))
    }

    async fn measure(&self, case: &Case, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let (listening, target) = self.0.begin(case).await?;
        let (processes, name) = (listening.processes(), listening.name());
        let exchange = Exchange::new(case, processes.as_ref(), &name, Subject::Server.end(case.direction));
        let demanded = Standstill::of(case, Subject::Server);
        let is_slow = case.direction == Direction::Down && case.reader_rate.is_some();
        let of_slow = (is_slow && demanded.is_none()).then(|| Standstill::lasting(STALL));
        let standstill = demanded.as_ref().or(of_slow.as_ref());
        let transfer = self.0.transfer(case, standstill.map(Standstill::halt))?;
        let client = self.0.client(case);
        let service = Service::expected(processes.as_ref(), &name, &target);
        let mut outcome = tokio::select! {
            outcome = exchange.make(&client, &target, transfer, observer) => outcome,
            () = beside(stand_still(standstill)) => Outcome::default(),
        };
        exchange.confirm(&service, &mut outcome);
        let ended = listening.end(case, exchange.moved.get(), outcome.fault.is_some()).await?;
        outcome.fault = ended.or(outcome.fault);
        if let Some(standstill) = demanded {
            standstill.conclude(&mut outcome, exchange.sampled_since.get(), is_ended_by_peer);
        }
        Ok(outcome)
    }
}

#[async_trait(?Send)]
impl Executor for ServerProgram {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        self.measure(case, observer).await.unwrap_or_else(Outcome::failed)
    }
}
