//! The memory and other resources of an end before its transfer.

use process::{Memory, MemoryReader};

use crate::holdings::HoldingsLog;

/// The memory and other resources of a process before payload and meters exist.
#[derive(Debug)]
pub struct Baseline {
    pub(crate) memory: Option<Memory>,
    pub(crate) reader: Option<MemoryReader>,
    pub(crate) holdings: Option<HoldingsLog>,
}

impl Baseline {
    /// Takes the baseline. Callers take it after the handshake, before payload and meters exist.
    pub fn take() -> Self {
        let reader = MemoryReader::new().ok();
        let memory = reader.as_ref().and_then(MemoryReader::read_exact);
        // The memory is read first, since listing descriptors allocates.
        let holdings = reader.as_ref().and_then(MemoryReader::holdings).map(HoldingsLog::of);
        Self { memory, reader, holdings }
    }
}
