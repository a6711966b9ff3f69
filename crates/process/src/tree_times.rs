//! The processor times of the members of a process tree.

use std::{collections::BTreeMap, time::Duration};

/// The processor time of each member of a process tree at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeTimes(BTreeMap<i32, Duration>);

impl TreeTimes {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux states them"))]
    pub(crate) fn new(times: impl IntoIterator<Item = (i32, Duration)>) -> Self {
        Self(times.into_iter().collect())
    }

    /// Returns the processor time that the present members have used since `earlier`. The whole time of a member
    /// counts if it was none before.
    pub fn since(&self, earlier: &Self) -> Duration {
        let before = |id| earlier.0.get(id).copied().unwrap_or_default();
        let used = self.0.iter().map(|(id, time)| time.saturating_sub(before(id)));
        used.fold(Duration::ZERO, Duration::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_new_member_counts_in_whole_and_that_of_a_former_one_not_at_all() {
        let times = |times: &[(i32, u64)]| {
            TreeTimes::new(times.iter().map(|(id, millis)| (*id, Duration::from_millis(*millis))))
        };
        let used = times(&[(1, 30), (3, 5)]).since(&times(&[(1, 10), (2, 400)]));
        assert_eq!(used, Duration::from_millis(25));
    }
}
