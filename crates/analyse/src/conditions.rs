//! Conditions of runs that their figures do not show.

use record::{CoreRoundTrip, Record};

use crate::machines;

/// A sentence if the cores of the two ends were far apart in some or all of the runs.
pub(crate) fn core_distance(records: &[Record]) -> Option<String> {
    let trips = || records.iter().filter_map(|record| record.core_round_trip);
    let far = trips().filter(|trip| trip.is_far()).count();
    let most = trips().filter(|trip| trip.is_far()).map(CoreRoundTrip::longest).max()?.as_nanos();
    let near = trips().filter(|trip| !trip.is_far()).map(CoreRoundTrip::longest).max();
    Some(match near {
        None => format!(
            "the cores of the two ends were far apart (a cache line took up to {most} ns there and back); see longhaul doctor"
        ),
        Some(near) => format!(
            "in {far} of {} runs the cores of the two ends were far apart (a cache line took up to {most} ns there and back \
             instead of {}): these runs are slower",
            trips().count(),
            near.as_nanos(),
        ),
    })
}

/// A sentence if the records are of several machines.
pub(crate) fn other_machines(records: &[Record]) -> Option<String> {
    (!machines::is_one(records)).then(|| {
        format!(
            "the records are of different machines ({}): their speeds are not comparable",
            machines::names(records)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with};

    fn at(before_ns: u64, after_ns: u64) -> Record {
        with(run("tcp"), |record| record.core_round_trip = Some(CoreRoundTrip { before_ns, after_ns }))
    }

    #[test]
    fn several_machines_are_named() {
        let on = |name: &str| with(run("h2"), |record| record.host.name = Some(name.into()));
        assert_eq!(other_machines(&[on("a"), on("a")]), None);
        let note = other_machines(&[on("a"), on("b")]).unwrap();
        assert!(note.contains("(a and b): their speeds are not comparable"), "{note}");
    }

    #[test]
    fn runs_with_distant_cores_are_counted() {
        assert_eq!(core_distance(&[run("tcp"), at(50, 60)]), None, "unknown, and near");
        let some = core_distance(&[at(50, 60), at(50, 340), at(320, 330), run("tcp")]).unwrap();
        assert!(some.starts_with("in 2 of 3 runs ") && some.contains("up to 340 ns"), "{some}");
        assert!(some.contains("instead of 60"), "{some}");
        assert!(core_distance(&[at(320, 330)]).unwrap().contains("up to 330 ns"));
    }
}
