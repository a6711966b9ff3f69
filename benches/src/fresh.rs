//! Two ends in new processes, each of which reports its peak RSS. The workers run the program of the bench.

use std::{convert::Infallible, time::Duration};

use record::{Build, Case, End};
use run::{ProcessExecutor, Session, Settings, Unobserved};
use tokio::runtime::{Builder, Runtime};

/// The time without progress after which a transfer is aborted: the default of `longhaul bench`.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A maker of transfers, each between two new processes. The program's main function must call [`run::worker`].
pub struct FreshEnds {
    runtime: Runtime,
    executor: ProcessExecutor,
    session: Session,
}

impl FreshEnds {
    /// Prepares transfers whose workers are this program.
    pub fn of_this_program() -> Self {
        let executor = ProcessExecutor::of_this_program(Settings::new(TIMEOUT));
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            executor: executor.expect("the path of this program"),
            session: Session::new(run::this_host(), Build::default()),
        }
    }

    /// Runs a case `rounds` times. Returns the sum of the peak RSS of one end, in bytes.
    pub fn peak_rss(&self, case: &Case, end: End, rounds: u32) -> u64 {
        let mut sum = 0;
        let mut keep = |record: &record::Record| {
            assert!(record.is_ok(), "{}: {:?}", case.key(), record.error);
            sum += record.end(end).and_then(|end| end.memory.peak_rss_bytes).expect("a peak of RSS");
            Ok::<_, Infallible>(())
        };
        let (cases, mut observer) = (std::slice::from_ref(case), Unobserved);
        let session = self.session.run(cases, rounds, &self.executor, &mut observer, &mut keep);
        let stop = self.runtime.block_on(session).expect("a session");
        assert_eq!(stop, run::Stop::Done);
        sum
    }
}
