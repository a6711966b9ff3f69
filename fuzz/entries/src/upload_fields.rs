//! The entry point for the fields of resumable uploads.

use receiver::resumable::{boolean, integer, max_size};

/// The largest Integer (RFC 9651 section 3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// Parses the values of a field, one in each line. No value has two types, and integers have at most 15 digits.
pub fn upload_fields(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let values = || text.lines();
    let (truth, number) = (boolean(values()), integer(values()));
    assert!(truth.is_none() || number.is_none(), "{text:?}");
    assert!(number.is_none_or(|number| number <= LARGEST), "{text:?}");
    assert!(max_size(values()).is_none_or(|size| size <= LARGEST), "{text:?}");
}
