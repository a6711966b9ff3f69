//! The records of TLS in a stream of ciphertext.

use super::FrameParser;

/// The octets of a record's header: its type, its version and its length (RFC 8446 section 5.1).
const HEADER: usize = 5;

/// The outer type of encrypted records (RFC 8446 section 5.2).
const APPLICATION_DATA: u8 = 23;

/// A parser that finds the records of type application data, by the length of their encrypted content.
#[derive(Debug, Default)]
pub(crate) struct TlsRecords {
    header: [u8; HEADER],
    /// The octets of the header that were read.
    read: usize,
    /// The octets of the current record's content that are still to come.
    left: usize,
}

impl FrameParser for TlsRecords {
    fn parse(&mut self, mut bytes: &[u8], mut found: impl FnMut(u64)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left = self.left.saturating_sub(skipped);
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.read) {
                *place = first;
            }
            (self.read, bytes) = (self.read.saturating_add(1), rest);
            if self.read == HEADER {
                let [kind, _, _, high, low] = self.header;
                let length = u16::from_be_bytes([high, low]);
                (self.read, self.left) = (0, length.into());
                if kind == APPLICATION_DATA {
                    found(length.into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::assert_found, *};

    #[test]
    fn records_of_application_data_are_found_however_they_are_cut() {
        let record = |kind: u8, length: u16| {
            let [high, low] = length.to_be_bytes();
            [vec![kind, 3, 3, high, low], vec![23; length.into()]].concat()
        };
        let bytes = [
            record(22, 300),
            record(20, 1),
            record(23, 53),
            record(23, 0),
            record(23, 700),
            record(21, 2),
            record(23, 17),
        ]
        .concat();
        assert_found(TlsRecords::default, &bytes, &[53, 0, 700, 17]);
    }
}
