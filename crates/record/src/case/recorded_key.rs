//! The key of a case whose name does not follow from its fields alone. It holds until a field changes.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::Case;
use crate::CaseKey;

/// A key, and the fields of the case to which it belongs.
#[derive(Clone, Debug)]
pub(super) struct RecordedKey {
    key: CaseKey,
    /// The hash of the fields.
    fields: u64,
}

impl Case {
    /// Sets the key for the fields as they are now; `None` if the key follows from the fields.
    pub(super) fn set_key(&mut self, key: Option<CaseKey>) {
        let fields = self.hash_of_fields();
        self.recorded = key.map(|key| RecordedKey { key, fields });
    }

    /// Returns the key that was set. `None` without one, or if a field has changed since.
    pub(super) fn recorded_key(&self) -> Option<&CaseKey> {
        let recorded = self.recorded.as_ref()?;
        (recorded.fields == self.hash_of_fields()).then_some(&recorded.key)
    }

    /// Changes fields. A key that was set stays.
    pub(crate) fn keep_key(&mut self, change: impl FnOnce(&mut Self)) {
        let key = self.recorded_key().cloned();
        change(self);
        self.set_key(key);
    }

    fn hash_of_fields(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.fields().hash(&mut hasher);
        hasher.finish()
    }

    /// Returns all fields but the key.
    fn fields(&self) -> impl Hash + PartialEq + '_ {
        let Self {
            protocol,
            direction,
            chunk,
            body,
            payload,
            seed,
            sink,
            connections,
            streams,
            threads,
            reader_rate,
            reader_stall,
            limit_rate,
            network,
            spin,
            limits,
            recorded: _,
        } = self;
        let content = (protocol, direction, chunk, body, payload, seed, sink);
        let pace = (reader_rate, reader_stall, limit_rate, network, spin, limits);
        (content, connections, streams, threads, pace)
    }
}

/// Two cases are equal if their fields and their keys are.
impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields() && self.key() == other.key()
    }
}
