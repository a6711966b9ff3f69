//! The cause that limited the goodput of a series, over its runs.

use std::collections::BTreeMap;

use record::{Cause, LimitedBy, Record};

/// The most frequent cause over the successful runs of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limitation<'a> {
    /// The cause with its evidence. Of the runs that the cause limited, the evidence is from the one with the median
    /// goodput.
    pub typical: &'a LimitedBy,
    /// The number of runs that the cause limited.
    pub runs: usize,
    /// The number of runs with a known cause.
    pub of: usize,
}

impl<'a> Limitation<'a> {
    /// Returns the most frequent cause; `None` if no record states a cause.
    pub(crate) fn of(records: &[&'a Record]) -> Option<Self> {
        let mut causes: BTreeMap<Cause, Vec<(f64, &'a LimitedBy)>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.is_ok()) {
            if let Some(limit) = &record.limited_by {
                let goodput = record.goodput_bytes_per_s.unwrap_or(0.0);
                causes.entry(limit.cause).or_default().push((goodput, limit));
            }
        }
        let of = causes.values().map(Vec::len).sum();
        let mut most = causes.into_values().max_by_key(Vec::len)?;
        most.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (_, typical) = most.get(most.len() / 2)?;
        Some(Self { typical, runs: most.len(), of })
    }

    /// Returns the number of runs that the cause limited, in words; `None` if the cause limited all runs with a known
    /// cause.
    pub fn remark(&self) -> Option<String> {
        (self.runs < self.of).then(|| format!("in {} of {} runs", self.runs, self.of))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::{runs, with};

    /// Sets the cause of a run.
    pub(crate) fn limited(record: Record, cause: &str, evidence: &str) -> Record {
        let limit = serde_json::json!({ "cause": cause, "share": 0.9, "evidence": evidence });
        with(record, |record| record.limited_by = serde_json::from_value(limit).ok())
    }

    #[test]
    fn the_most_frequent_cause_speaks_by_its_median_run() {
        let causes = ["path-rate", "stream-window", "stream-window", "stream-window"];
        let records = runs("h2", &[9.0, 3.0, 1.0, 2.0]).into_iter().zip(causes);
        let records: Vec<Record> = records
            .map(|(record, cause)| {
                let evidence = format!("{} MiB/s", record.goodput_bytes_per_s.unwrap() / f64::from(1 << 20));
                limited(record, cause, &evidence)
            })
            .collect();
        let limit = Limitation::of(&records.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(limit.typical.to_string(), "stream window (2 MiB/s)");
        assert_eq!(limit.remark().as_deref(), Some("in 3 of 4 runs"));
        let unknown = runs("h2", &[1.0]);
        assert_eq!(Limitation::of(&unknown.iter().collect::<Vec<_>>()), None);
    }
}
