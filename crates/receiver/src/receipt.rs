//! The confirmation of a received body.

use serde::{Deserialize, Serialize};

/// The confirmation that a whole body arrived. A server sends the receipt as JSON in response to an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The number of body bytes that arrived.
    pub bytes: u64,
    /// The name of the digest's algorithm.
    pub algorithm: String,
    /// The digest in hexadecimal; null if the sink computes none.
    pub digest: Option<String>,
    /// The name under which the body was saved; null if the body was not saved.
    pub saved: Option<String>,
    /// Seconds from the receiver's first request for bytes until the last byte had reached the sink.
    pub elapsed_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_keeps_its_json() {
        let json = r#"{"bytes":3,"algorithm":"xxh3-128","digest":"06b0","saved":null,"elapsed_s":0.5}"#;
        let receipt: Receipt = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&receipt).unwrap(), json);
    }
}
