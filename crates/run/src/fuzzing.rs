//! The entry point of the fuzz target `messages`. Only cargo-fuzz and tests compile it.

use crate::messages::{Event, Job, Order};

/// Parses a line of the dialogue between a session and its workers.
///
/// # Panics
/// Panics if a parsed message cannot be written and parsed again.
pub fn messages(data: &[u8]) {
    if let Ok(job) = serde_json::from_slice::<Job>(data) {
        let _ = (job.end(), job.settings(), job.case.key().to_string());
        assert!(serde_json::from_slice::<Job>(&serde_json::to_vec(&job).unwrap_or_default()).is_ok());
    }
    if let Ok(order) = serde_json::from_slice::<Order>(data) {
        let written = serde_json::to_vec(&order).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Order>(&written).ok(), Some(order));
    }
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        assert!(serde_json::from_slice::<Event>(&serde_json::to_vec(&event).unwrap_or_default()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn no_file_of_the_corpus_is_a_finding() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/messages");
        let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
        files.iter().for_each(|file| super::messages(&fs::read(file).unwrap()));
        assert!(files.len() > 5);
    }
}
