//! One transfer between longhaul's client and a program under proof.

use std::{cell::Cell, fmt, future::pending};

use client::{Client, Download, Heartbeat, Output, Target, Transfer, Upload};
use metrics::Stamp;
use receiver::Halt;
use record::{Case, Direction, End, Fault, FaultKind, TimelinePoint};
use run::{Observer, Outcome};
use tokio::time::sleep;

use crate::{
    processes::Processes,
    sampling::Sampling,
    service::Service,
    watch::{HEARTBEAT, Watch, report},
};

/// The bytes of a body that a reader takes before it stands still.
pub(crate) const TAKEN: u64 = 1 << 20;

/// Returns the transfer of a case. A download stops at a halt.
pub(crate) fn transfer_of(
    case: &Case,
    announces_length: bool,
    halt: Option<Halt>,
) -> Result<Transfer, Fault> {
    if case.direction == Direction::Down {
        let download = Download::new(Output::verify()).with_reader_rate(case.reader_rate);
        return Ok(download.with_halt(halt).into());
    }
    let upload = Upload::new(case.payload.clone()).and_then(|upload| upload.with_size(case.body));
    let upload = upload.map_err(unusable)?;
    let upload = upload.with_chunk(case.chunk).with_seed(case.seed).with_limit_rate(case.limit_rate);
    match announces_length {
        true => Ok(upload.announcing_length().map_err(unusable)?.into()),
        false => Ok(upload.into()),
    }
}

pub(crate) fn unusable(error: impl fmt::Display) -> Fault {
    Fault::new(FaultKind::Connect, error)
}

/// A transfer with a program, whose processes are watched if they are known.
pub(crate) struct Exchange<'a> {
    pub(crate) case: &'a Case,
    pub(crate) processes: Option<&'a Processes>,
    /// The name of the program in messages.
    pub(crate) name: &'a str,
    /// The end of the record that states the memory of the program.
    pub(crate) end: End,
    /// The body bytes that have passed the client.
    pub(crate) moved: Cell<u64>,
    /// The time of the first sample after the first byte, from which the timeline of the program counts.
    pub(crate) sampled_since: Cell<Option<Stamp>>,
    began: Cell<Option<Stamp>>,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(case: &'a Case, processes: Option<&'a Processes>, name: &'a str, end: End) -> Self {
        let (moved, sampled_since, began) = (Cell::new(0), Cell::new(None), Cell::new(None));
        Self { case, processes, name, end, moved, sampled_since, began }
    }

    /// Makes the transfer while the memory of the program is sampled.
    pub(crate) async fn make(
        &self,
        client: &Client,
        target: &Target,
        transfer: Transfer,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let sampling = self.processes.cloned().map(Sampling::start);
        // The first heartbeat of an attempt comes when it begins.
        let progress = |heartbeat: Heartbeat| {
            if self.began.get().is_none() || heartbeat.bytes < self.moved.get() {
                self.began.set(Some(Stamp::now()));
                sampling.iter().for_each(Sampling::begin);
            }
            self.moved.set(heartbeat.bytes);
        };
        let mut outcome = tokio::select! {
            outcome = client.transfer(target, transfer, progress) => outcome,
            () = self.report(sampling.as_ref(), observer) => Outcome::default(),
        };
        self.conclude(&mut outcome, &sampling.map(Sampling::finish).unwrap_or_default());
        outcome
    }

    /// Reports the progress until this future is dropped.
    async fn report(&self, sampling: Option<&Sampling>, observer: &mut dyn Observer) {
        loop {
            let rss = sampling.and_then(Sampling::rss_bytes);
            report(self.case, self.end, self.moved.get(), rss, observer);
            sleep(HEARTBEAT).await;
        }
    }

    /// Makes a transfer that has succeeded a failed one, without a figure of memory, if the program cannot have served it.
    pub(crate) fn confirm(&self, service: &Service<'_>, outcome: &mut Outcome) {
        if outcome.fault.is_none()
            && let Err(fault) = service.check(self.case.body.0)
        {
            outcome.ends[self.end] = None;
            outcome.fault = Some(fault);
        }
    }

    /// Replaces the measurements of the client by those of the program. The timeline of the client gives the body bytes
    /// at the time of each sample.
    fn conclude(&self, outcome: &mut Outcome, watch: &Watch) {
        self.sampled_since.set(watch.began());
        let client = self.case.direction.client();
        let own = outcome.ends[client].take().unwrap_or_default();
        // The last heartbeat may have come long before the end.
        self.moved.set(self.moved.get().max(own.bytes));
        if let Some(processes) = self.processes {
            processes.sample();
            let earlier = self.began.get().zip(watch.began());
            let earlier = earlier.map_or(0.0, |(began, sampled)| sampled.since(began).as_secs_f64());
            let mut end = watch.record(processes, own.bytes);
            end.memory.timeline =
                watch.points_at(|seconds| bytes_at(&own.memory.timeline, seconds + earlier));
            outcome.ends[self.end] = Some(end);
        }
        if outcome.fault.is_none() && own.bytes != self.case.body.0 {
            let (moved, total) = (own.bytes, self.case.body.0);
            let what = format!("{} gave {moved} bytes in place of {total}", self.name);
            outcome.fault = Some(Fault::new(FaultKind::Truncated, what));
        }
    }
}

/// Does `work`, and then waits for ever. In a `select!`, only the other branches can then end it.
pub(crate) async fn beside(work: impl Future<Output = ()>) {
    work.await;
    pending().await
}

/// Returns the body bytes that had moved after `seconds`, by the points of a timeline.
pub(crate) fn bytes_at(timeline: &[TimelinePoint], seconds: f64) -> u64 {
    let next = timeline.partition_point(|point| point.seconds < seconds);
    let after = timeline.get(next);
    let before = next.checked_sub(1).and_then(|last| timeline.get(last));
    match (before, after) {
        (None, after) => after.filter(|after| after.seconds <= seconds).map_or(0, |after| after.body_bytes),
        (Some(before), None) => before.body_bytes,
        (Some(before), Some(after)) => {
            let share = (seconds - before.seconds) / (after.seconds - before.seconds);
            let moved = after.body_bytes.saturating_sub(before.body_bytes) as f64;
            before.body_bytes.saturating_add((share * moved) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use record::EndRecord;

    use super::*;

    #[test]
    fn the_bytes_of_a_transfer_that_fails_between_two_heartbeats_count() {
        let case = Case::new("h1c");
        let exchange = Exchange::new(&case, None, "it", End::Receiver);
        let mut outcome = Outcome::failed(unusable("it has gone"));
        let mut own = EndRecord::default();
        own.bytes = 8 << 20;
        outcome.ends[case.direction.client()] = Some(own);
        exchange.conclude(&mut outcome, &Watch::default());
        assert_eq!(exchange.moved.get(), 8 << 20);
        exchange.conclude(&mut outcome, &Watch::default());
        assert_eq!(exchange.moved.get(), 8 << 20, "the bytes of an end that states none");
    }

    #[test]
    fn bytes_between_two_points_are_in_proportion_to_time() {
        let point = |seconds, body_bytes| TimelinePoint { seconds, rss_bytes: 0, anon_bytes: 0, body_bytes };
        let timeline = [point(1.0, 100), point(2.0, 300), point(2.0, 400)];
        let at = |seconds| bytes_at(&timeline, seconds);
        assert_eq!([at(-1.0), at(0.5), at(1.0), at(1.5), at(9.0)], [0, 0, 100, 200, 400]);
        assert_eq!(bytes_at(&[], 1.0), 0);
    }
}
