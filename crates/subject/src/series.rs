//! Programs of any kind whose input has a size.

use std::{ffi::OsString, time::Duration};

use async_trait::async_trait;
use metrics::Stamp;
use record::{Case, End, Fault, FaultKind};
use run::{Executor, Observer, Outcome};

use crate::{
    CommandLine,
    program::Program,
    sampling::{Heartbeats, Sampling},
    watch::HEARTBEAT,
};

/// Runs a program once for each case, with the size of the body as the size of its input.
pub struct SeriesProgram {
    command: CommandLine,
    timeout: Duration,
}

impl SeriesProgram {
    /// Makes an executor for a program. A program is killed when it has used no processor time for `timeout`.
    pub fn new(command: CommandLine, timeout: Duration) -> Self {
        Self { command, timeout }
    }

    async fn measure(&self, case: &Case, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let began = Stamp::now();
        let words = self.command.filled(|_| OsString::from(case.body.0.to_string()));
        let (mut program, mut outcome) = (Program::start(&words, None)?, Outcome::default());
        // The progress of the program is unknown. With a progress above zero, every sample counts, and none is a
        // baseline.
        let sampling = Sampling::following(program.processes().clone(), || 1);
        let mut heartbeats = Heartbeats::new(case, End::Receiver, &sampling);
        let (mut worked, mut ticks) = (Stamp::now(), 0);
        let status = loop {
            heartbeats.report(0, observer);
            if let Some(status) = program.ended_within(HEARTBEAT).await? {
                break status;
            }
            let now = program.processes().tree().processor_ticks();
            if now != ticks {
                (ticks, worked) = (now, Stamp::now());
            }
            if worked.elapsed() >= self.timeout {
                let seconds = self.timeout.as_secs_f64();
                program.end();
                return Err(program
                    .fault(FaultKind::Timeout, format!("used no processor time for {seconds} s"))
                    .await);
            }
        };
        outcome.elapsed_s = Some(began.elapsed().as_secs_f64());
        if !status.success() {
            let ended = program.describe(status);
            outcome.fault = Some(program.fault(FaultKind::Program, format!("failed ({ended})")).await);
        }
        let watch = sampling.finish();
        let mut end = watch.record(program.processes(), case.body.0);
        end.memory.timeline = watch.points_by_time(case.body.0);
        outcome.ends.receiver = Some(end);
        Ok(outcome)
    }
}

#[async_trait(?Send)]
impl Executor for SeriesProgram {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        self.measure(case, observer).await.unwrap_or_else(Outcome::failed)
    }
}
