//! What a summary needs of a record, without its timelines and histograms.

use crate::record::{CaseRecord, EndRecord, Fault, Record};

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(super) case: CaseRecord,
    pub(super) round: u32,
    pub(super) fault: Option<Fault>,
    pub(super) goodput: Option<f64>,
    pub(super) sender: EndSample,
    pub(super) receiver: EndSample,
}

/// One end of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EndSample {
    pub(super) peak_rss: Option<u64>,
    pub(super) cpu_s_per_gib: Option<f64>,
    /// Growth and budget, if the one exceeds the other.
    pub(super) over: Option<(u64, u64)>,
}

impl From<&Record> for Sample {
    fn from(record: &Record) -> Self {
        let end = |end: &Option<EndRecord>| end.as_ref().map(EndSample::from).unwrap_or_default();
        Self {
            case: record.case.clone(),
            round: record.round,
            fault: record.error.clone(),
            goodput: record.goodput_bytes_per_s.filter(|_| record.error.is_none()),
            sender: end(&record.sender),
            receiver: end(&record.receiver),
        }
    }
}

impl From<&EndRecord> for EndSample {
    fn from(end: &EndRecord) -> Self {
        let memory = &end.memory;
        let over = memory.growth().zip(memory.budget_bytes).filter(|_| memory.within_budget == Some(false));
        Self { peak_rss: memory.peak_rss_bytes, cpu_s_per_gib: end.cpu.s_per_gib, over }
    }
}
