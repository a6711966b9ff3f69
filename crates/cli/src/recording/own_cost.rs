//! The processor time that a session takes besides its two ends.

use metrics::Stamp;
use process::Resources;

use crate::output::stderr_line;

/// The shortest session whose processor time is stated, in seconds. A shorter session spends most of that time at its
/// start.
const WORTH_STATING_S: f64 = 10.0;

/// Prints the processor time of the live view and of the session. The figures of the two ends do not contain it.
pub(super) fn state_own_cost(began: Stamp, before: Option<Resources>) {
    let Some(used) = Resources::used().zip(before).map(|(now, before)| now.since(before)) else { return };
    let (busy, elapsed) = ((used.user + used.system).as_secs_f64(), began.elapsed().as_secs_f64());
    if elapsed < WORTH_STATING_S {
        return;
    }
    let share = 100.0 * busy / elapsed;
    stderr_line(format_args!(
        "besides both ends, longhaul took {busy:.2} s of processor time in {elapsed:.0} s ({share:.1} % of a core)"
    ));
}
