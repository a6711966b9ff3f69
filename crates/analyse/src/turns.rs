//! The pairing of runs of two series that were made in turns: each pair of consecutive runs has one run of each series.

/// Returns the runs of two series in pairs, in order of time. `None` unless there are two pairs or more, and each pair
/// of consecutive runs has one run of each series, at two different times. One pair shows no turns: any two runs have
/// an order.
///
/// `start` returns the start of a run as a UTC time in the format of RFC 3339.
pub(crate) fn in_turns<'r, T>(
    base: &'r [T],
    other: &'r [T],
    start: impl Fn(&T) -> &str,
) -> Option<Vec<(&'r T, &'r T)>> {
    // Without the Z, a time without a fraction of a second sorts before a time with a fraction.
    let time = |run: &T| start(run).trim_end_matches('Z').to_owned();
    let mut runs: Vec<(String, bool, &'r T)> = base.iter().map(|run| (time(run), true, run)).collect();
    runs.extend(other.iter().map(|run| (time(run), false, run)));
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    let pair = |pair: &[(String, bool, &'r T)]| match pair {
        [(before, ..), (after, ..)] if before == after => None,
        [(_, true, base), (_, false, other)] | [(_, false, other), (_, true, base)] => Some((*base, *other)),
        _ => None,
    };
    let pairs: Option<Vec<_>> = runs.chunks(2).map(pair).collect();
    pairs.filter(|pairs| pairs.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(base: &[&str], other: &[&str]) -> Option<usize> {
        in_turns(base, other, |start| start).map(|pairs| pairs.len())
    }

    #[test]
    fn pairs_may_begin_with_either_series_but_none_may_run_twice_in_a_row() {
        assert_eq!(pairs(&["00:01Z", "00:04Z"], &["00:02Z", "00:03Z"]), Some(2));
        assert_eq!(pairs(&["00:01Z", "00:02Z"], &["00:03Z", "00:04Z"]), None);
        assert_eq!(pairs(&["00:01Z", "00:03Z"], &["00:02Z"]), None, "one was not run");
        assert_eq!(pairs(&["00:01Z"], &["00:02Z"]), None, "any two runs have an order");
        assert_eq!(pairs(&["00:01Z", "00:02Z"], &["00:01Z", "00:03Z"]), None, "at the same time");
        assert_eq!(pairs(&["00:01.5Z", "00:02.5Z"], &["00:01Z", "00:02.25Z"]), Some(2), "fractions");
    }
}
