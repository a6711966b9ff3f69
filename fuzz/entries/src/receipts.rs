//! The entry point for the receipt by which a server answers an upload.

use receiver::Receipt;

/// Parses a receipt. The written form of a receipt must be read as the same receipt.
pub fn receipts(data: &[u8]) {
    let Ok(receipt) = serde_json::from_slice::<Receipt>(data) else { return };
    let written = serde_json::to_vec(&receipt).unwrap_or_default();
    let again = serde_json::from_slice::<Receipt>(&written).ok();
    // Seconds may lose their last bit in decimal.
    let facts = |receipt: &Receipt| (receipt.bytes, receipt.digest.clone(), receipt.saved.clone());
    assert_eq!(again.as_ref().map(facts), Some(facts(&receipt)));
}
