//! Servers of other people, which take bodies from longhaul's client or give them to it.

use std::time::Duration;

use async_trait::async_trait;
use receiver::Halt;
use record::{Case, Direction, Fault, Subject};
use run::{Executor, Observer, Outcome};
use tokio::time::sleep;

use crate::{
    Endpoints, Source,
    exchange::{Exchange, TAKEN, beside},
    listener::Listener,
};

/// The time for which a slow reader stands still.
const STALL: Duration = Duration::from_secs(2);

/// The time between two looks at a reader.
const LOOK: Duration = Duration::from_millis(20);

/// Makes a transfer with a server for each case. A reader with a rate first stands still for two seconds.
pub struct ServerProgram(Listener);

impl ServerProgram {
    /// Makes an executor for a server. A client with these options makes the transfers; its timeout is also the longest
    /// time until a server is ready.
    pub fn new(source: Source, endpoints: Endpoints, options: client::Options) -> Self {
        Self(Listener::new(source, endpoints, options))
    }

    /// Announces the length of uploads by Content-Length, in place of the chunked coding.
    #[must_use]
    pub fn announcing_length(self, announces_length: bool) -> Self {
        Self(self.0.announcing_length(announces_length))
    }

    async fn measure(&self, case: &Case, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let (listening, target) = self.0.begin(case).await?;
        let (processes, name) = (listening.processes(), listening.name());
        let exchange = Exchange::new(case, processes.as_ref(), &name, Subject::Server.end(case.direction));
        let is_slow = case.direction == Direction::Down && case.reader_rate.is_some();
        let halt = is_slow.then(|| Halt::after(TAKEN));
        let transfer = self.0.transfer(case, halt.clone())?;
        let mut outcome = tokio::select! {
            outcome = exchange.make(self.0.client(case), &target, transfer, observer) => outcome,
            () = beside(stall(halt)) => Outcome::default(),
        };
        let ended = listening.end(case, exchange.moved.get(), outcome.fault.is_some()).await?;
        outcome.fault = ended.or(outcome.fault);
        Ok(outcome)
    }
}

/// Lets a reader go on when it has stood still for a while.
async fn stall(halt: Option<Halt>) {
    let Some(halt) = halt else { return };
    while !halt.is_reached() {
        sleep(LOOK).await;
    }
    sleep(STALL).await;
    halt.release();
}

#[async_trait(?Send)]
impl Executor for ServerProgram {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        self.measure(case, observer).await.unwrap_or_else(Outcome::failed)
    }
}
