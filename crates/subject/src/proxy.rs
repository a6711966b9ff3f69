//! Third-party proxies, between longhaul's client and its server.
//!
//! The reader of each body, which is the server of an upload and the client of a download, stands still after its first
//! bytes. Once the sender can send no more, the bytes that were sent but not delivered are those that the proxy has
//! absorbed, together with the buffers of the sockets around it. Then the reader goes on.

use std::time::Duration;

use async_trait::async_trait;
use metrics::Stamp;
use payload::Payload;
use receiver::Halt;
use record::{Case, Direction, Fault, FaultKind, Subject};
use run::{Executor, Observer, Outcome};
use tokio::time::sleep;

use crate::{
    Endpoints, Source,
    exchange::{Exchange, TAKEN, beside},
    listener::Listener,
    origin::{Observed, Origin},
    service::Service,
    standstill::{Standstill, is_ended_by_peer},
};

/// The time without another byte from the sender after which no more are expected: four heartbeats of the client.
const STILL: Duration = Duration::from_secs(1);

/// The time between two looks at the sender.
const LOOK: Duration = Duration::from_millis(50);

/// Makes a transfer through a proxy for each case, and measures the bytes that the proxy absorbs.
pub struct ProxyProgram {
    listener: Listener,
    upstream: u16,
}

impl ProxyProgram {
    /// Makes an executor for a proxy that passes requests on to `upstream`, a port of loopback in cleartext.
    pub fn new(source: Source, endpoints: Endpoints, upstream: u16, options: client::Options) -> Self {
        Self { listener: Listener::new(source, endpoints, options), upstream }
    }

    /// Announces the length of uploads by Content-Length, in place of the chunked coding.
    #[must_use]
    pub fn announcing_length(self, announces_length: bool) -> Self {
        Self { listener: self.listener.announcing_length(announces_length), ..self }
    }

    async fn measure(&self, case: &Case, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let standstill = Standstill::of(case, Subject::Proxy);
        let halt = standstill.as_ref().map_or_else(|| Halt::after(TAKEN.min(case.body.0)), Standstill::halt);
        let reader = Reader { halt: &halt, standstill: standstill.as_ref() };
        let origin = Origin::behind_proxy(self.upstream, case, self.listener.timeout, &halt)?;
        let observed = origin.observed();
        tokio::select! {
            outcome = self.pass(case, &observed, reader, observer) => outcome,
            () = beside(origin.serve()) => Err(Fault::new(FaultKind::Listen, "the server has stopped")),
        }
    }

    /// Makes the transfer while the server runs.
    async fn pass(
        &self,
        case: &Case,
        observed: &Observed,
        reader: Reader<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Fault> {
        let halt = reader.halt;
        let (listening, target) = self.listener.begin(case).await?;
        let (processes, name) = (listening.processes(), listening.name());
        let exchange = Exchange::new(case, processes.as_ref(), &name, Subject::Proxy.end(case.direction));
        let own = (case.direction == Direction::Down).then(|| halt.clone());
        let transfer = self.listener.transfer(case, own)?;
        let mut absorbed = None;
        let measuring = async {
            match reader.standstill {
                Some(standstill) => standstill.run().await,
                None => {
                    absorbed = Some(absorbed_bytes(case, halt, || self.sent(&exchange, observed)).await);
                    halt.release();
                }
            }
        };
        let client = self.listener.client(case);
        let service = Service::expected(processes.as_ref(), &name, &target);
        let mut outcome = tokio::select! {
            outcome = exchange.make(&client, &target, transfer, observer) => outcome,
            () = beside(measuring) => Outcome::default(),
        };
        // The time of a transfer whose reader stood still says nothing.
        (outcome.absorbed_bytes, outcome.elapsed_s) = (absorbed, None);
        exchange.confirm(&service, &mut outcome);
        let ended = listening.end(case, exchange.moved.get(), outcome.fault.is_some()).await?;
        outcome.fault = ended.or(outcome.fault);
        prove(&mut outcome, case, observed);
        if let Some(standstill) = reader.standstill {
            standstill.conclude(&mut outcome, exchange.sampled_since.get(), is_ended_by_peer);
        }
        Ok(outcome)
    }

    /// Returns the bytes that the sender has sent, and those that the reader has received.
    fn sent(&self, exchange: &Exchange<'_>, observed: &Observed) -> (u64, u64) {
        match exchange.case.direction {
            Direction::Up => (exchange.moved.get(), observed.bytes()),
            Direction::Down => (observed.bytes(), exchange.moved.get()),
        }
    }
}

/// The reader behind a proxy. It stands still until the sender can send no more bytes, or for the time that the case
/// demands.
#[derive(Clone, Copy)]
struct Reader<'a> {
    halt: &'a Halt,
    standstill: Option<&'a Standstill>,
}

#[async_trait(?Send)]
impl Executor for ProxyProgram {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        self.measure(case, observer).await.unwrap_or_else(Outcome::failed)
    }
}

/// Waits until the reader stands still, and the sender has sent the whole body, or no byte for [`STILL`]. Returns the
/// number of bytes between them.
async fn absorbed_bytes(case: &Case, halt: &Halt, moved: impl Fn() -> (u64, u64)) -> u64 {
    let (mut last, mut seen) = (Stamp::now(), 0);
    loop {
        let (sent, delivered) = moved();
        if sent != seen || !halt.is_reached() {
            (last, seen) = (Stamp::now(), sent);
        }
        if halt.is_reached() && (last.elapsed() >= STILL || sent >= case.body.0) {
            return sent.saturating_sub(delivered);
        }
        sleep(LOOK).await;
    }
}

/// Compares the digests of an upload if the response did not carry the server's receipt, because a proxy may change the
/// response.
fn prove(outcome: &mut Outcome, case: &Case, observed: &Observed) {
    if case.direction == Direction::Down || outcome.integrity.is_some() || outcome.fault.is_some() {
        return;
    }
    let sent = Payload::prepare(&case.payload, case.seed, case.chunk).digest(case.body.0);
    let received = observed.receipt().and_then(|receipt| receipt.digest);
    outcome.prove(sent.map(|digest| digest.to_string()), received);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http_body_util::Full;
    use metrics::Meter;
    use receiver::Reception;
    use record::ByteSize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn absorbed_bytes_are_counted_when_the_sender_has_come_to_rest() {
        let mut case = Case::new("h1c");
        case.body = ByteSize(1000);
        let of = async |sizes: &[u64]| {
            let (halt, index, meter) = (Halt::after(0), Cell::new(0), Meter::counting());
            let moved = || {
                index.set(index.get() + 1);
                (sizes[index.get().min(sizes.len()) - 1], 10)
            };
            let reader = Reception::of(Full::from("x"), &meter).halting(halt.clone()).run();
            tokio::select! {
                bytes = absorbed_bytes(&case, &halt, moved) => bytes,
                _ = reader => panic!("the reader is never released"),
            }
        };
        assert_eq!(of(&[0, 100, 200, 300]).await, 290);
        assert_eq!(of(&[0, 1000]).await, 990, "all of the body");
    }
}
