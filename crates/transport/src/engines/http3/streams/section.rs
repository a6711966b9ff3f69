//! The pseudo-header fields of an encoded field section (RFC 9114 section 4.3, RFC 9204 section 4.5).
//!
//! h3 0.0.8 keeps the last of several equal pseudo-header fields, takes them in any order, and drops those of trailers.
//! A proxy in front of the server may use another one of several equal fields, so such a message must not be accepted.
//! This module distinguishes names without decoding values. Bytes that are not valid QPACK are left to h3, which ends
//! the connection.

/// The message part that a field section belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The head of a request.
    Request,
    /// The head of a response.
    Response,
    /// The trailers of a request or a response.
    Trailers,
}

/// Checks that each pseudo-header field belongs to the section, comes once, and comes before all other fields.
///
/// # Errors
/// Fails with the reason why the message is malformed.
pub(super) fn check(section: Section, encoded: &[u8]) -> Result<(), &'static str> {
    let (mut seen, mut in_front) = (0_u8, true);
    for name in Names::of(encoded) {
        let Some(pseudo) = name.pseudo() else {
            in_front = false;
            continue;
        };
        let belongs = match section {
            Section::Request => !matches!(pseudo, Pseudo::Status | Pseudo::Unknown),
            Section::Response => pseudo == Pseudo::Status,
            Section::Trailers => false,
        };
        if !belongs {
            return Err("a pseudo-header field that does not belong here");
        }
        if !in_front {
            return Err("a pseudo-header field after other fields");
        }
        let bit = 1 << pseudo as u8;
        if seen & bit != 0 {
            return Err("a pseudo-header field comes twice");
        }
        seen |= bit;
    }
    Ok(())
}

/// Returns the number of fields in a section besides its pseudo-header fields.
pub(super) fn fields(encoded: &[u8]) -> usize {
    Names::of(encoded).filter(|name| name.pseudo().is_none()).count()
}

/// Returns whether a section refers to entries of a dynamic table by its Required Insert Count (RFC 9204 section
/// 4.5.1.1). h3 0.0.8 ignores the count, and this end has no such table.
pub(super) fn needs_table(mut encoded: &[u8]) -> bool {
    prefixed(&mut encoded, 8).is_some_and(|count| count > 0)
}

/// The pseudo-header fields that RFC 9114 section 4.3 defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    /// Any other name that begins with a colon.
    Unknown,
}

/// The names of literal field lines, first in plain text, then in the Huffman code of RFC 7541 appendix B.
const LITERALS: [(&[u8], &[u8], Pseudo); 5] = [
    (b":method", &[0xb9, 0x49, 0x53, 0x39, 0xe4], Pseudo::Method),
    (b":scheme", &[0xb8, 0x82, 0x4e, 0x5a, 0x4b], Pseudo::Scheme),
    (b":authority", &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f], Pseudo::Authority),
    (b":path", &[0xb9, 0x58, 0xd3, 0x3f], Pseudo::Path),
    (b":status", &[0xb8, 0x84, 0x8d, 0x36, 0xa3], Pseudo::Status),
];

/// The code of a colon: seven bits.
const COLON: u8 = 0b101_1100;

/// The name of a field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name<'a> {
    /// An entry of the static table.
    Static(u64),
    /// A literal name.
    Literal(&'a [u8]),
    /// A literal name in Huffman's code.
    Coded(&'a [u8]),
}

impl Name<'_> {
    /// Returns the pseudo-header field of this name, or `None` for any other name.
    fn pseudo(self) -> Option<Pseudo> {
        let literal = |found: Option<&(_, _, Pseudo)>| found.map_or(Pseudo::Unknown, |(.., pseudo)| *pseudo);
        match self {
            // RFC 9204 appendix A.
            Name::Static(0) => Some(Pseudo::Authority),
            Name::Static(1) => Some(Pseudo::Path),
            Name::Static(15..=21) => Some(Pseudo::Method),
            Name::Static(22 | 23) => Some(Pseudo::Scheme),
            Name::Static(24..=28 | 63..=71) => Some(Pseudo::Status),
            Name::Static(_) => None,
            Name::Literal(name) => {
                name.starts_with(b":").then(|| literal(LITERALS.iter().find(|(plain, ..)| *plain == name)))
            }
            Name::Coded(name) => (name.first()? >> 1 == COLON)
                .then(|| literal(LITERALS.iter().find(|(_, coded, _)| *coded == name))),
        }
    }
}

/// The names of an encoded field section, up to the first line that is malformed or refers to the dynamic table.
struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    fn of(encoded: &'a [u8]) -> Self {
        let mut rest = encoded;
        // The prefix of the section: Required Insert Count and Base (RFC 9204 section 4.5.1).
        let prefix = prefixed(&mut rest, 8).and_then(|_| prefixed(&mut rest, 7));
        Self(prefix.map_or(&[], |_| rest))
    }

    /// Reads the name of a line, and skips its value.
    fn line(&mut self) -> Option<Name<'a>> {
        let first = *self.0.first()?;
        match first {
            // An indexed field line of the static table.
            0b1100_0000.. => prefixed(&mut self.0, 6).map(Name::Static),
            // A field line whose name is in the static table, with a literal value.
            0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
                let index = prefixed(&mut self.0, 4)?;
                string(&mut self.0, 7)?;
                Some(Name::Static(index))
            }
            // A field line with a literal name.
            0b0010_0000..=0b0011_1111 => {
                let name = string(&mut self.0, 3)?;
                string(&mut self.0, 7)?;
                Some(if first & 0b1000 == 0 { Name::Literal(name) } else { Name::Coded(name) })
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = Name<'a>;

    fn next(&mut self) -> Option<Name<'a>> {
        let name = self.line();
        if name.is_none() {
            self.0 = &[];
        }
        name
    }
}

/// Takes a string, whose length is an integer with a prefix of `bits` bits.
fn string<'a>(bytes: &mut &'a [u8], bits: u32) -> Option<&'a [u8]> {
    let length = usize::try_from(prefixed(bytes, bits)?).ok()?;
    let (string, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

/// Takes an integer with a prefix of `bits` bits (RFC 7541 section 5.1).
fn prefixed(bytes: &mut &[u8], bits: u32) -> Option<u64> {
    let (first, mut rest) = bytes.split_first()?;
    let full = u64::from(u8::MAX >> (8 - bits));
    let mut value = u64::from(*first) & full;
    if value == full {
        // An integer of 62 bits takes nine bytes after the first.
        for shift in (0..63).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value = value.checked_add(u64::from(byte & 0x7f) << shift)?;
            if byte & 0x80 == 0 {
                *bytes = rest;
                return Some(value);
            }
        }
        return None;
    }
    *bytes = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a field section of lines that are given in hexadecimal.
    fn section(lines: &[&[u8]]) -> Vec<u8> {
        [&[0, 0][..], &lines.concat()].concat()
    }

    const METHOD: &[u8] = &[0xc0 | 17];
    const SCHEME: &[u8] = &[0xc0 | 23];
    const PATH: &[u8] = &[0xc0 | 1];
    const AUTHORITY: &[u8] = b"\x50\x01a";
    const AGE: &[u8] = &[0xc0 | 2];
    const STATUS: &[u8] = &[0xc0 | 25];

    #[test]
    fn a_request_has_each_of_its_pseudo_header_fields_once_and_in_front() {
        let check = |lines: &[&[u8]]| check(Section::Request, &section(lines));
        assert_eq!(check(&[METHOD, SCHEME, AUTHORITY, PATH, AGE, AGE]), Ok(()));
        assert!(check(&[METHOD, SCHEME, AUTHORITY, PATH, PATH]).unwrap_err().contains("twice"));
        assert!(check(&[METHOD, AGE, SCHEME, AUTHORITY, PATH]).unwrap_err().contains("after"));
        assert!(check(&[METHOD, SCHEME, AUTHORITY, PATH, STATUS]).unwrap_err().contains("belong"));
        assert_eq!(fields(&section(&[METHOD, SCHEME, AUTHORITY, PATH, AGE, AGE])), 2);
    }

    #[test]
    fn a_response_has_a_status_and_trailers_have_none() {
        assert_eq!(check(Section::Response, &section(&[STATUS, AGE])), Ok(()));
        for lines in [&[STATUS, STATUS][..], &[AGE, STATUS], &[STATUS, PATH]] {
            assert!(check(Section::Response, &section(lines)).is_err());
        }
        assert_eq!(check(Section::Trailers, &section(&[AGE])), Ok(()));
        assert!(check(Section::Trailers, &section(&[AGE, STATUS])).is_err());
        assert!(check(Section::Trailers, &section(&[PATH])).is_err());
    }

    #[test]
    fn literal_names_are_told_apart_in_both_codes() {
        for (plain, coded, pseudo) in LITERALS {
            for (flag, name) in [(0, plain), (0b1000, coded)] {
                let mut line = vec![0b0010_0000 | flag];
                match name.len() {
                    length @ 0..7 => line[0] |= length as u8,
                    length => line.extend([length as u8 - 7]),
                }
                line[0] |= if name.len() < 7 { 0 } else { 7 };
                line.extend([name, b"\x02ab"].concat());
                let encoded = section(&[&line, AGE]);
                let names: Vec<_> = Names::of(&encoded).map(Name::pseudo).collect();
                assert_eq!(names, [Some(pseudo), None]);
            }
        }
        let unknown = section(&[b"\x23:xy\x00"]);
        assert!(check(Section::Request, &unknown).is_err());
        // ":x" in Huffman's code.
        let unknown = section(&[&[0x2a, 0xb9, 0xe7, 0x00]]);
        assert!(check(Section::Request, &unknown).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_checked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for section in [Section::Request, Section::Response, Section::Trailers] {
                let _ = check(section, &bytes);
            }
        }
    }
}
