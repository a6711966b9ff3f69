//! The reader of a body that stands still for a time after its first bytes, and then goes on.

use std::{cell::Cell, time::Duration};

use metrics::Stamp;
use receiver::Halt;
use record::{Case, Direction, Fault, FaultKind, Stall, Subject};
use run::Outcome;
use tokio::time::sleep;

use crate::exchange::TAKEN;

/// The time between two looks at a reader.
const LOOK: Duration = Duration::from_millis(20);

/// The standstill of one reader.
pub(crate) struct Standstill {
    halt: Halt,
    time: Duration,
    began: Cell<Option<Stamp>>,
    seconds: Cell<Option<f64>>,
}

impl Standstill {
    /// Makes the standstill of a reader for `time`.
    pub(crate) fn lasting(time: Duration) -> Self {
        Self { halt: Halt::after(TAKEN), time, began: Cell::default(), seconds: Cell::default() }
    }

    /// Returns the standstill that a case demands. `None` if it demands none, or if the reader is the program itself.
    pub(crate) fn of(case: &Case, subject: Subject) -> Option<Self> {
        let is_own = match subject {
            Subject::Client => case.direction == Direction::Up,
            Subject::Server => case.direction == Direction::Down,
            Subject::Proxy => true,
            _ => false,
        };
        case.reader_stall.filter(|_| is_own).map(Self::lasting)
    }

    /// Returns the halt of the reader.
    pub(crate) fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Waits until the reader stands still, and lets it go on after the time of the standstill.
    pub(crate) async fn run(&self) {
        while !self.halt.is_reached() {
            sleep(LOOK).await;
        }
        let began = Stamp::now();
        self.began.set(Some(began));
        sleep(self.time).await;
        self.seconds.set(Some(began.elapsed().as_secs_f64()));
        self.halt.release();
    }

    /// Adds the standstill to the outcome of a run whose timeline began at `zero`. A program may end the transfer of a reader
    /// that stands still, so a fault for which `is_by_program` is true is no failure, and becomes a part of the standstill.
    pub(crate) fn conclude(
        &self,
        outcome: &mut Outcome,
        zero: Option<Stamp>,
        is_by_program: impl Fn(&Fault) -> bool,
    ) {
        // The time of a transfer whose reader stood still says nothing.
        outcome.elapsed_s = None;
        let Some(began) = self.began.get() else { return };
        let ended = outcome.fault.take_if(|fault| is_by_program(fault));
        outcome.stall = Some(Stall {
            began_s: zero.map_or(0.0, |zero| began.since(zero).as_secs_f64()),
            seconds: self.seconds.get().unwrap_or_else(|| began.elapsed().as_secs_f64()),
            ended: ended.map(|fault| fault.message),
        });
    }
}

/// Returns whether a fault of longhaul's client means that its peer has ended the transfer.
pub(crate) fn is_ended_by_peer(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Protocol | FaultKind::Truncated | FaultKind::Http)
}

/// Runs the standstill of a reader, if there is one.
pub(crate) async fn stand_still(standstill: Option<&Standstill>) {
    if let Some(standstill) = standstill {
        standstill.run().await;
    }
}

/// Returns the time by which the standstill of a case extends the timeout.
pub(crate) fn allowance(case: &Case) -> Duration {
    case.reader_stall.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_stands_still_only_if_it_is_longhauls() {
        let mut case = Case::new("h1c");
        assert!(Standstill::of(&case, Subject::Client).is_none(), "no case demands it");
        case.reader_stall = Some(Duration::from_secs(5));
        let mut of = |direction, subject| {
            case.direction = direction;
            Standstill::of(&case, subject).is_some()
        };
        use Direction::{Down, Up};
        assert!(of(Up, Subject::Client) && of(Down, Subject::Server) && of(Up, Subject::Proxy));
        assert!(!of(Down, Subject::Client) && !of(Up, Subject::Server) && !of(Up, Subject::Program));
    }

    #[test]
    fn a_program_that_ends_the_stalled_transfer_has_not_failed_but_one_that_dies_has() {
        let concluded = |kind, has_stood_still: bool| {
            let standstill = Standstill::lasting(Duration::ZERO);
            standstill.began.set(has_stood_still.then(Stamp::now));
            let mut outcome = Outcome::failed(Fault::new(kind, "reset"));
            standstill.conclude(&mut outcome, None, is_ended_by_peer);
            (outcome.fault.is_some(), outcome.stall.and_then(|stall| stall.ended))
        };
        assert_eq!(concluded(FaultKind::Protocol, true), (false, Some("reset".into())));
        assert_eq!(concluded(FaultKind::Protocol, false), (true, None), "before the reader stood still");
        assert_eq!(concluded(FaultKind::Program, true), (true, None));
        assert_eq!(concluded(FaultKind::Timeout, true), (true, None));
    }
}
