//! What runs met that their figures do not show.

use crate::{
    machine::FAR,
    record::{CoreRoundTrip, Record},
};

/// A sentence where the cores of the two ends were far apart, in all of the runs or in some.
pub(super) fn distance(records: &[Record]) -> Option<String> {
    let trips = || records.iter().filter_map(|record| record.core_round_trip).map(CoreRoundTrip::most);
    let far = trips().filter(|trip| *trip >= FAR).count();
    let most = trips().max().filter(|most| *most >= FAR)?.as_nanos();
    Some(match trips().filter(|trip| *trip < FAR).max() {
        None => format!(
            "the cores of the two ends were far apart (up to {most} ns there and back): longhaul doctor tells more"
        ),
        Some(near) => format!(
            "in {far} of {} runs the cores of the two ends were far apart, up to {most} ns there and back instead of {}: \
             these runs are slower",
            trips().count(),
            near.as_nanos(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    fn run(before_ns: u64, after_ns: u64) -> Record {
        Record { core_round_trip: Some(CoreRoundTrip { before_ns, after_ns }), ..record("tcp") }
    }

    #[test]
    fn runs_whose_cores_were_far_apart_are_counted() {
        assert_eq!(distance(&[record("tcp"), run(50, 60)]), None, "not known, and near");
        let some = distance(&[run(50, 60), run(50, 340), run(320, 330), record("tcp")]).unwrap();
        assert!(
            some.starts_with("in 2 of 3 runs ") && some.contains("up to 340 ns there and back instead of 60"),
            "{some}"
        );
        assert!(distance(&[run(320, 330)]).unwrap().contains("up to 330 ns"));
    }
}
