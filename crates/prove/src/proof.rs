//! The plan of a proof, and its runs.

use std::{
    io,
    ops::Range,
    process::{Command, ExitStatus},
    time::Duration,
};

use record::{ByteSize, Case, DEFAULT_SEED, EndRecord, Record, Subject};

use crate::{Conclusion, watched};

/// The default sizes of the input, in bytes.
const SIZES: [u64; 3] = [64 << 20, 256 << 20, 1 << 30];

/// The default number of rounds: three rounds of three sizes suffice for a confidence interval.
const ROUNDS: u32 = 3;

/// The most rounds of an inconclusive proof, as a multiple of the planned rounds.
const MOST: u32 = 4;

/// The default slope of memory that counts as growth, in bytes per GiB of input. Resident memory scatters by pages.
const SLOPE_LIMIT: u64 = 1 << 20;

/// The default timeout: a program that uses no processor time for this long counts as hanging.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The reason why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// A program cannot be started, or its memory cannot be read.
    #[error("the run with an input of {size} cannot be watched: {source}")]
    Watch {
        /// The size of the input.
        size: ByteSize,
        /// The cause.
        source: io::Error,
    },
    /// A program has failed.
    #[error("the run with an input of {size} failed ({status})")]
    Failed {
        /// The size of the input.
        size: ByteSize,
        /// The end of the program.
        status: ExitStatus,
    },
    /// The process of a closure has ended, but the closure has not returned.
    #[error(
        "the run with an input of {size} ended without its closure: the test, started again by its name, must arrive at the same assertion"
    )]
    NotReturned {
        /// The size of the input.
        size: ByteSize,
    },
    /// A program has used no processor time for too long.
    #[error("the run with an input of {size} used no processor time for {} s", .limit.as_secs_f64())]
    Hangs {
        /// The size of the input.
        size: ByteSize,
        /// The timeout.
        limit: Duration,
    },
    /// The watched process has ended.
    #[error("process {pid} has ended")]
    Ended {
        /// The id of the process.
        pid: u32,
    },
}

/// A proof to be made: what runs, with which sizes of input, and how often.
#[must_use = "nothing is proven before `run`"]
pub struct Proof<'a> {
    work: Work<'a>,
    sizes: Vec<u64>,
    rounds: u32,
    slope_limit: u64,
    timeout: Duration,
    /// The exit code of a run that has succeeded.
    success: i32,
}

/// The work of one run, by the size of its input.
enum Work<'a> {
    Command(Box<dyn Fn(u64) -> Command + 'a>),
    Watched(u32, Box<dyn FnMut(u64) + 'a>),
}

impl<'a> Proof<'a> {
    /// Plans a proof of a program. `command` prepares it for an input of the given number of bytes.
    pub fn of_command(command: impl Fn(u64) -> Command + 'a) -> Self {
        Self::of(Work::Command(Box::new(command)))
    }

    /// Plans a proof of the process `pid` and its descendants, for which `work` causes an input of some bytes, such as an
    /// upload to a server. The smallest input comes first, since a process may keep the memory of a large one.
    pub fn watching(pid: u32, work: impl FnMut(u64) + 'a) -> Self {
        Self::of(Work::Watched(pid, Box::new(work)))
    }

    fn of(work: Work<'a>) -> Self {
        let (sizes, rounds) = (SIZES.to_vec(), ROUNDS);
        Self { work, sizes, rounds, slope_limit: SLOPE_LIMIT, timeout: TIMEOUT, success: 0 }
    }

    /// Sets the sizes of the input in bytes. By default, these are 64 MiB, 256 MiB and 1 GiB. One size alone never
    /// proves that memory is constant, because its peaks have no other size to compare with. With fewer than three
    /// sizes, no further rounds follow.
    pub fn sizes(self, sizes: impl IntoIterator<Item = u64>) -> Self {
        Self { sizes: sizes.into_iter().collect(), ..self }
    }

    /// Sets the number of runs with each size; 3 by default. As long as the intervals are too wide to decide, a command
    /// gets further rounds, four times as many at most. A watched process gets none: it may keep the memory of its largest
    /// input, which would hide growth.
    pub fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// Sets the slope of memory that counts as growth, in bytes per GiB of input; 1 MiB by default.
    pub fn slope_limit(self, bytes_per_gib: u64) -> Self {
        Self { slope_limit: bytes_per_gib, ..self }
    }

    /// Sets the time after which a program without any processor time is killed; 30 s by default.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the exit code of a run that has succeeded; 0 by default.
    pub(crate) fn ending_with(self, success: i32) -> Self {
        Self { success, ..self }
    }

    /// Makes all runs, and judges their memory.
    ///
    /// # Errors
    /// Fails if a program cannot be watched, fails or hangs.
    pub fn run(mut self) -> Result<Conclusion, ProveError> {
        let mut records = Vec::new();
        for (size, round) in self.order(0..self.rounds) {
            records.push(self.measure(size, round)?);
        }
        let mut conclusion = Conclusion::of(records);
        let most = if self.lives_on() { self.rounds } else { self.rounds.saturating_mul(MOST) };
        for round in self.rounds..most {
            if !conclusion.needs_rounds() {
                break;
            }
            let mut records = conclusion.records;
            for (size, round) in self.order(round..round + 1) {
                records.push(self.measure(size, round)?);
            }
            conclusion = Conclusion::of(records);
        }
        Ok(conclusion)
    }

    fn lives_on(&self) -> bool {
        matches!(self.work, Work::Watched(..))
    }

    /// Makes one run, and returns its record.
    fn measure(&mut self, size: u64, round: u32) -> Result<Record, ProveError> {
        let end = match &mut self.work {
            Work::Command(command) => {
                let (end, status) = watched::command(command(size), size, self.timeout)?;
                self.check(size, status)?;
                end
            }
            Work::Watched(pid, work) => watched::process(*pid, size, || work(size))?,
        };
        Ok(self.record(size, round, end))
    }

    /// Checks the end of a program.
    fn check(&self, size: u64, status: ExitStatus) -> Result<(), ProveError> {
        let size = ByteSize(size);
        match status.code() {
            Some(code) if code == self.success => Ok(()),
            Some(0) => Err(ProveError::NotReturned { size }),
            _ => Err(ProveError::Failed { size, status }),
        }
    }

    /// Returns the sizes and rounds in the order of the runs.
    fn order(&self, rounds: Range<u32>) -> Vec<(u64, u32)> {
        let of_round = |round| self.sizes.iter().map(move |size| (*size, round));
        let mut runs: Vec<_> = rounds.flat_map(of_round).collect();
        if self.lives_on() {
            runs.sort_unstable();
        }
        runs
    }

    fn record(&self, size: u64, round: u32, end: EndRecord) -> Record {
        let mut case = Case::new(Subject::Program.to_string());
        (case.body, case.seed, case.spin) = (ByteSize(size), DEFAULT_SEED, None);
        let mut record = Record::new("longhaul-prove", case);
        record.subject = Some(Subject::Program);
        record.slope_limit_bytes = Some(self.slope_limit);
        (record.round, record.receiver) = (round, Some(end));
        record
    }
}

#[cfg(test)]
mod tests {
    use record::TimelinePoint;

    use super::*;
    use crate::Constancy;

    /// Returns the conclusion about three rounds of a program that reads its whole input first, and then sends it.
    fn conclusion(sizes: &[u64]) -> Conclusion {
        let proof = Proof::of_command(|_| Command::new("x")).sizes(sizes.iter().copied());
        let record = |(size, round): (u64, u32)| {
            let memory = size + (10 << 20);
            let point = |at: u64| TimelinePoint {
                seconds: at as f64,
                rss_bytes: memory,
                anon_bytes: memory,
                body_bytes: size / 64 * at,
            };
            let mut end = EndRecord::default();
            end.memory.timeline = (1..=64).map(point).collect();
            (end.memory.baseline_rss_bytes, end.memory.peak_rss_bytes) = (Some(memory), Some(memory));
            proof.record(size, round, end)
        };
        Conclusion::of(proof.order(0..3).into_iter().map(record).collect())
    }

    #[test]
    fn one_size_never_proves_that_memory_is_constant() {
        let of_one = conclusion(&[64 << 20]);
        assert_eq!((of_one.constancy, of_one.needs_rounds()), (Constancy::Inconclusive, false), "{of_one}");
        assert!(of_one.to_string().contains("one size only"), "{of_one}");
        assert_eq!(conclusion(&[64 << 20, 256 << 20, 1 << 30]).constancy, Constancy::Growing);
    }

    #[test]
    fn a_process_that_lives_on_gets_the_smallest_inputs_first() {
        let order = |proof: Proof<'_>| proof.sizes([2, 1]).rounds(2).order(0..2);
        assert_eq!(order(Proof::watching(1, |_| ())), [(1, 0), (1, 1), (2, 0), (2, 1)]);
        assert_eq!(order(Proof::of_command(|_| Command::new("x"))), [(2, 0), (1, 0), (2, 1), (1, 1)]);
    }
}
