//! Synthetic records for the tests of this crate.

use record::{Case, End, EndRecord, Fault, FaultKind, Outcome, Record};

/// Goodputs of seven rounds that scatter by 1 %, in MiB/s.
pub(crate) const STEADY: [f64; 7] = [3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0];

/// Edits a record and returns it.
pub(crate) fn with(mut record: Record, edit: impl FnOnce(&mut Record)) -> Record {
    edit(&mut record);
    record
}

/// Returns a successful run of one second. Its only measurements are the goodput, and the memory of both ends: a
/// baseline of 7 MiB, a peak of 8 MiB and a budget of 4 MiB.
pub(crate) fn run(protocol: &str) -> Record {
    let case = Case::new(protocol);
    let body = case.body.0;
    let mut end = EndRecord::default();
    end.bytes = body;
    end.memory.baseline_rss_bytes = Some(7 << 20);
    end.memory.peak_rss_bytes = Some(8 << 20);
    end.memory.hold_against(4 << 20);
    with(Record::new("some", case), |record| {
        record.started_at = "2026-11-23T00:00:00Z".into();
        record.elapsed_s = Some(1.0);
        record.goodput_bytes_per_s = Some(body as f64);
        record.sender = Some(end.clone());
        record.receiver = Some(end);
        record.command = Some("longhaul bench".into());
    })
}

/// Returns runs of a case, one per round, with goodputs in MiB/s.
pub(crate) fn runs(protocol: &str, goodputs: &[f64]) -> Vec<Record> {
    let rounds = goodputs.iter().zip(0..);
    rounds
        .map(|(goodput, round)| {
            with(run(protocol), |record| {
                record.round = round;
                record.goodput_bytes_per_s = Some(goodput * f64::from(1 << 20));
            })
        })
        .collect()
}

/// Sets the peak RSS of an end.
pub(crate) fn with_peak(mut record: Record, end: End, peak: u64) -> Record {
    let measured = match end {
        End::Sender => record.sender.as_mut(),
        End::Receiver => record.receiver.as_mut(),
    };
    if let Some(measured) = measured {
        measured.memory.peak_rss_bytes = Some(peak);
        measured.memory.hold_against(4 << 20);
    }
    record
}

/// Returns a run that failed.
pub(crate) fn failed(protocol: &str, kind: FaultKind) -> Record {
    with(run(protocol), |record| {
        record.outcome = Outcome::Error;
        record.error = Some(Fault::new(kind, "it said \"no\", twice").at(End::Sender));
        record.goodput_bytes_per_s = None;
        record.receiver = None;
    })
}

/// Returns three runs: a successful run, a run over its budget, and a failed run.
pub(crate) fn bad_day() -> Vec<Record> {
    vec![run("tcp"), with_peak(run("h2"), End::Receiver, 30 << 20), failed("h3", FaultKind::Protocol)]
}
