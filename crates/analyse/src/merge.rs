//! Records of several senders, added up to one summary.
//!
//! The summary is a function of the records alone, whatever folders they come from. A folder that was merged before
//! therefore counts like the folders it was made of.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use record::{Record, Weight};
use serde::Serialize;

/// The sum of the records of several senders.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Merged {
    /// The number of records.
    pub records: u64,
    /// The number of records whose run failed.
    pub failed: u64,
    /// The names of the machines that made the records.
    pub hosts: BTreeSet<String>,
    /// The senders: one for each session, in the order of their names.
    pub senders: Vec<Sender>,
    /// The interval during which every sender ran; null if there is none.
    pub common: Option<Span>,
    /// The body bytes of all successful runs.
    pub bytes: u64,
    /// The throughput of the senders' ends: an HdrHistogram in the V2 format, deflated and in base64.
    pub throughput_hdr: Option<String>,
    /// The waits of the senders' ends between chunks, in the format of `throughput_hdr`.
    pub pull_wait_hdr: Option<String>,
    /// The number of distributions that could not be added up: unreadable ones, and rates that are not weighted by time.
    pub distributions_left_out: u64,
}

/// One session of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sender {
    /// The name of the machine; empty if the records do not state it.
    pub host: String,
    /// The identifier of the session.
    pub run_id: String,
    /// The number of records.
    pub records: u64,
    /// The body bytes of the successful runs.
    pub bytes: u64,
    /// The time from the start of the first run to the end of the last one.
    pub span: Span,
}

/// An interval by the clock of a sender, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The beginning of the interval.
    pub start_us: i64,
    /// The end of the interval.
    pub end_us: i64,
}

/// A sum that grows record by record. It keeps two histograms and one entry for each sender, but no record.
#[derive(Debug, Default)]
pub struct Merge {
    merged: Merged,
    senders: BTreeMap<(String, String), Sender>,
    throughput: Sum,
    pull_wait: Sum,
}

impl Merge {
    /// Adds a record whose run started at `start_us`, in microseconds since 1970.
    pub fn add(&mut self, record: &Record, start_us: i64) {
        let merged = &mut self.merged;
        merged.records += 1;
        merged.failed += u64::from(!record.is_ok());
        let host = record.host.name.clone().unwrap_or_default();
        merged.hosts.insert(host.clone());
        let bytes = if record.is_ok() { record.case.total_bytes() } else { 0 };
        merged.bytes = merged.bytes.saturating_add(bytes);
        let elapsed_us = (record.elapsed_s.unwrap_or(0.0) * 1e6) as i64;
        let span = Span { start_us, end_us: start_us.saturating_add(elapsed_us.max(0)) };
        let sender = self.senders.entry((host.clone(), record.run_id.clone())).or_insert_with(|| Sender {
            host,
            run_id: record.run_id.clone(),
            records: 0,
            bytes: 0,
            span,
        });
        sender.records += 1;
        sender.bytes = sender.bytes.saturating_add(bytes);
        sender.span.start_us = sender.span.start_us.min(span.start_us);
        sender.span.end_us = sender.span.end_us.max(span.end_us);
        let Some(end) = record.sender.as_ref().filter(|_| record.is_ok()) else { return };
        if let Some(rates) = &end.throughput {
            let is_added = rates.weight == Some(Weight::Time) && self.throughput.add(rates.hdr.as_deref());
            merged.distributions_left_out += u64::from(!is_added);
        }
        if let Some(waits) = end.pull_wait() {
            merged.distributions_left_out += u64::from(!self.pull_wait.add(waits.hdr.as_deref()));
        }
    }

    /// Returns the sum of the records added so far.
    pub fn finish(self) -> Merged {
        let senders: Vec<_> = self.senders.into_values().collect();
        Merged {
            common: common(&senders),
            senders,
            throughput_hdr: self.throughput.encoded(),
            pull_wait_hdr: self.pull_wait.encoded(),
            ..self.merged
        }
    }
}

/// Returns the interval during which every sender ran.
fn common(senders: &[Sender]) -> Option<Span> {
    let start_us = senders.iter().map(|sender| sender.span.start_us).max()?;
    let end_us = senders.iter().map(|sender| sender.span.end_us).min()?;
    (start_us < end_us).then_some(Span { start_us, end_us })
}

/// The precision of histograms in records, in significant digits.
const DIGITS: u8 = 3;

/// The largest value of a sum: HdrHistogram's own limit, so that the sum does not depend on which histogram is first.
const HIGHEST: u64 = i64::MAX as u64;

/// A sum of histograms, which is empty at first.
#[derive(Debug, Default)]
struct Sum(Option<Histogram<u64>>);

impl Sum {
    /// Adds an encoded histogram, and returns whether it could be added without loss.
    fn add(&mut self, encoded: Option<&str>) -> bool {
        let decoded = encoded.and_then(|encoded| {
            let bytes = STANDARD.decode(encoded).ok()?;
            Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
        });
        let Some(other): Option<Histogram<u64>> = decoded else { return false };
        if other.sigfig() != DIGITS || other.low() != 1 {
            return false;
        }
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, HIGHEST, DIGITS).ok();
        }
        self.0.as_mut().is_some_and(|sum| sum.add(&other).is_ok())
    }

    fn encoded(&self) -> Option<String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(self.0.as_ref()?, &mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use record::{Case, EndRecord, Latency};

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        histogram
    }

    /// Returns the count of each bucket that has one. The exact extremes are not part of the encoded form.
    fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
        histogram
            .iter_recorded()
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
            .collect()
    }

    fn sent(run_id: &str, elapsed_s: f64, values: &[u64]) -> Record {
        let mut record = Record::new(run_id, Case::new("h2"));
        record.elapsed_s = Some(elapsed_s);
        let hdr = Sum(Some(histogram(values))).encoded();
        let mut end = EndRecord::default();
        end.pull_wait = Some(Latency { unit: "ns".into(), p50: 0, p99: 0, p999: 0, max: 0, hdr });
        record.sender = Some(end);
        record
    }

    fn merged(records: &[(Record, i64)]) -> Merged {
        let mut merge = Merge::default();
        records.iter().for_each(|(record, start_us)| merge.add(record, *start_us));
        merge.finish()
    }

    #[test]
    fn the_order_of_records_does_not_matter_and_no_value_is_lost() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for _ in 0..50 {
            let mut all = Vec::new();
            let mut records = Vec::new();
            for number in 0..random.next_u64() % 8 + 1 {
                let values: Vec<u64> = (0..9).map(|_| random.next_u64() % 1_000_000 + 1).collect();
                all.extend(&values);
                records.push((
                    sent(&format!("run {}", number % 3), 2.0, &values),
                    (random.next_u64() % 5_000_000) as i64,
                ));
            }
            let forward = merged(&records);
            records.reverse();
            assert_eq!(forward, merged(&records));
            let middle = records.len() / 2;
            records.rotate_left(middle);
            assert_eq!(forward, merged(&records));
            let bytes = STANDARD.decode(forward.pull_wait_hdr.unwrap()).unwrap();
            let sum: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            assert_eq!(counts(&sum), counts(&histogram(&all)));
        }
    }

    #[test]
    fn the_common_interval_is_that_of_all_senders() {
        let at = |seconds: i64| seconds * 1_000_000;
        let together = merged(&[(sent("a", 10.0, &[1]), at(100)), (sent("b", 10.0, &[1]), at(104))]);
        assert_eq!(together.common, Some(Span { start_us: at(104), end_us: at(110) }));
        let apart = merged(&[(sent("a", 10.0, &[1]), at(100)), (sent("b", 10.0, &[1]), at(3700))]);
        assert_eq!((apart.common, apart.senders.len()), (None, 2));
        // A session of two runs is one sender.
        let session = merged(&[(sent("a", 1.0, &[1]), at(100)), (sent("a", 1.0, &[1]), at(105))]);
        assert_eq!(session.common, Some(Span { start_us: at(100), end_us: at(106) }));
    }

    #[test]
    fn a_distribution_that_cannot_be_read_is_counted() {
        let mut record = sent("a", 1.0, &[1]);
        record.sender.as_mut().unwrap().pull_wait.as_mut().unwrap().hdr = Some("no base64!".into());
        assert_eq!(merged(&[(record, 0)]).distributions_left_out, 1);
    }
}
