//! The confirmation of a received body.

use serde::{Deserialize, Serialize};

/// The confirmation that a body arrived whole. It is the response of a server to an upload, in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Body bytes that arrived.
    pub bytes: u64,
    /// The name of the checksum.
    pub algorithm: String,
    /// The checksum in hexadecimal; null if the sink computes none.
    pub digest: Option<String>,
    /// The name under which the body was saved; null if it was not.
    pub saved: Option<String>,
    /// Seconds from the request for the first byte until the last one had reached its sink.
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
