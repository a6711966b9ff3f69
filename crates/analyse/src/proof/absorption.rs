//! The bytes that a proxy under proof takes in while its reader stands still.

use record::{Record, Subject, mib};
use serde::Serialize;
use stats::{Slope, theil_sen};

use super::{Constancy, Judgement, standstill};
use crate::{SeriesKey, Verdict};

/// The slope above which absorbed bytes count as growing, in MiB per GiB of body. The kernel tunes socket buffers
/// itself, so they differ by some MiB from run to run. A proxy that takes in whole bodies has a slope of 1,024.
pub(super) const LIMIT: f64 = 16.0;

/// The bytes that a proxy absorbs, over bodies of several sizes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Absorption {
    /// The identity of the series, without the size of the body.
    #[serde(serialize_with = "super::series::name")]
    pub key: SeriesKey,
    /// The body size and the absorbed bytes of each successful run.
    pub runs: Vec<(u64, u64)>,
    /// The slope of absorbed bytes against body size, with Sen's interval of 95 %, in MiB per GiB.
    #[serde(skip)]
    pub slope: Option<Slope>,
    /// The conclusion: constant if the proxy absorbs no more of a larger body.
    pub constancy: Constancy,
    /// True if the absorbed bytes grow, but the proxy's memory does not: the bytes are on disk.
    pub is_spooled: bool,
    /// The number of runs without absorbed bytes, such as failed runs.
    pub unknown: usize,
}

impl Absorption {
    /// Returns the series of the records of proxies. `judgements` state whether the memory of a proxy grows. Runs whose
    /// reader stands still for a fixed time do not measure absorbed bytes, and are left out.
    pub(super) fn all(records: &[&Record], judgements: &[Judgement]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let is_measured =
            |record: &Record| record.subject == Some(Subject::Proxy) && record.case.reader_stall.is_none();
        for record in records.iter().filter(|record| is_measured(record)) {
            let key = SeriesKey::of(record).without_body();
            let index = all.iter().position(|series| series.key == key).unwrap_or_else(|| {
                all.push(Self::new(key));
                all.len() - 1
            });
            let Some(series) = all.get_mut(index) else { continue };
            match record.absorbed_bytes.filter(|_| record.is_ok()) {
                Some(bytes) => series.runs.push((record.case.total_bytes(), bytes)),
                None => series.unknown += 1,
            }
        }
        all.into_iter().map(|series| series.judged(judgements)).collect()
    }

    fn new(key: SeriesKey) -> Self {
        let constancy = Constancy::Inconclusive;
        Self { key, runs: Vec::new(), slope: None, constancy, is_spooled: false, unknown: 0 }
    }

    fn judged(self, judgements: &[Judgement]) -> Self {
        let points: Vec<_> = self.runs.iter().map(|(x, y)| (mib(*x) / 1024.0, mib(*y))).collect();
        let slope = theil_sen(&points);
        let constancy = match slope {
            // Runs without absorbed bytes can hide growth, but not undo it.
            Some(slope) if slope.low > LIMIT => Constancy::Growing,
            _ if self.unknown > 0 => Constancy::Inconclusive,
            Some(slope) if slope.high <= LIMIT => Constancy::Constant,
            Some(_) if self.is_share_small() => Constancy::Constant,
            _ => Constancy::Inconclusive,
        };
        let memory = judgements.iter().find(|judgement| judgement.series.key == self.key);
        let is_level = memory.is_some_and(|judgement| judgement.constancy == Constancy::Constant);
        Self { slope, constancy, is_spooled: is_level && constancy == Constancy::Growing, ..self }
    }

    /// Returns whether no run of the largest body absorbs more than [`standstill::bound`]. Since an empty body has no
    /// bytes to absorb, absorbed bytes cannot grow by more than this bound over all sizes. Kernel buffers make the
    /// slope uncertain: with the limits of Linux (tcp(7), tcp_rmem and tcp_wmem), those around a proxy hold from 4 MiB
    /// to 72 MiB.
    fn is_share_small(&self) -> bool {
        let largest = self.largest();
        self.runs.iter().filter(|run| run.0 == largest).all(|run| run.1 <= standstill::bound(largest))
    }

    /// Returns the size of the largest body, in bytes; 0 without a successful run.
    pub fn largest(&self) -> u64 {
        self.runs.iter().map(|run| run.0).max().unwrap_or(0)
    }

    /// Returns the most absorbed bytes of any run; `None` without a successful run.
    pub fn most(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.1).max()
    }

    /// Returns the verdict that the series gives a command. Absorbed bytes on disk do not count as memory.
    pub fn verdict(&self) -> Verdict {
        match self.constancy {
            Constancy::Constant => Verdict::Good,
            Constancy::Inconclusive => Verdict::Inconclusive,
            Constancy::Growing | Constancy::GrowingSlowly if self.is_spooled => Verdict::Good,
            Constancy::Growing | Constancy::GrowingSlowly => Verdict::MemoryOver,
        }
    }
}

#[cfg(test)]
mod tests {
    use record::{ByteSize, End, FaultKind};

    use super::*;
    use crate::{
        MemorySeries,
        tests::{failed, run},
    };

    /// Returns the series of three rounds over three sizes. `of` takes size and round, and returns the absorbed bytes.
    fn absorbed(of: impl Fn(u64, u64) -> u64, memory: Option<Constancy>) -> Absorption {
        judged(&runs(of), memory)
    }

    fn runs(of: impl Fn(u64, u64) -> u64) -> Vec<Record> {
        let sizes = [64 << 20, 256 << 20, 1 << 30].into_iter().flat_map(|size| [0, 1, 2].map(|i| (size, i)));
        let absorbing = |(size, round)| {
            let mut record = run("h1c");
            record.subject = Some(Subject::Proxy);
            (record.case.body, record.absorbed_bytes) = (ByteSize(size), Some(of(size, round)));
            record
        };
        sizes.map(absorbing).collect()
    }

    fn judged(records: &[Record], memory: Option<Constancy>) -> Absorption {
        let judgements = memory.map(|constancy| {
            let mut judgement = Judgement::of(MemorySeries::synthetic(End::Receiver, Vec::new(), 0));
            judgement.series.key = SeriesKey::of(&records[0]).without_body();
            judgement.constancy = constancy;
            judgement
        });
        let judgements: Vec<_> = judgements.into_iter().collect();
        Absorption::all(&records.iter().collect::<Vec<_>>(), &judgements).remove(0)
    }

    #[test]
    fn a_proxy_that_absorbs_buffers_is_constant_and_one_that_absorbs_bodies_grows() {
        let bounded = absorbed(|_, round| (5 + round) << 20, None);
        assert_eq!((bounded.constancy, bounded.verdict()), (Constancy::Constant, Verdict::Good));
        assert_eq!(bounded.most(), Some(7 << 20));
        let unbounded = absorbed(|size, _| size - (1 << 20), None);
        assert_eq!((unbounded.constancy, unbounded.verdict()), (Constancy::Growing, Verdict::MemoryOver));
    }

    #[test]
    fn a_failed_run_makes_constancy_unclear_but_does_not_hide_growth() {
        let with_failure = |mut records: Vec<Record>| {
            let mut failure = failed("h1c", FaultKind::Program);
            failure.subject = Some(Subject::Proxy);
            records.push(failure);
            judged(&records, None)
        };
        let bounded = with_failure(runs(|_, round| (5 + round) << 20));
        assert_eq!((bounded.constancy, bounded.unknown), (Constancy::Inconclusive, 1));
        let unbounded = with_failure(runs(|size, _| size - (1 << 20)));
        assert_eq!((unbounded.constancy, unbounded.unknown), (Constancy::Growing, 1));
    }

    #[test]
    fn buffers_of_different_sizes_are_constant_if_those_of_the_largest_body_are_a_small_share() {
        let mib = |bytes: [[u64; 3]; 3]| {
            absorbed(
                |size, round| match size >> 26 {
                    1 => bytes[0][usize::try_from(round).unwrap_or(0)] << 20,
                    4 => bytes[1][usize::try_from(round).unwrap_or(0)] << 20,
                    _ => bytes[2][usize::try_from(round).unwrap_or(0)] << 20,
                },
                None,
            )
        };
        for scattered in [mib([[4, 5, 5], [9, 9, 8], [4, 5, 5]]), mib([[4, 18, 6], [5, 7, 6], [9, 6, 36]])] {
            assert!(scattered.slope.is_some_and(|slope| slope.high > LIMIT));
            assert_eq!(scattered.constancy, Constancy::Constant);
        }
        assert_eq!(mib([[4, 18, 6], [5, 7, 6], [9, 6, 129]]).constancy, Constancy::Inconclusive);
        assert_eq!(mib([[6, 6, 6], [25, 25, 25], [100, 100, 100]]).constancy, Constancy::Growing);
    }

    #[test]
    fn bodies_that_are_absorbed_but_not_in_memory_are_on_disk() {
        let of = |memory| absorbed(|size, _| size, Some(memory));
        assert!(of(Constancy::Constant).is_spooled && of(Constancy::Constant).verdict() == Verdict::Good);
        assert!(!of(Constancy::Growing).is_spooled);
        assert_eq!(of(Constancy::Inconclusive).verdict(), Verdict::MemoryOver);
    }
}
