//! Limits as values for libraries. An invalid value is an error, and is never replaced by another.

use record::{Limit, Limits};

use crate::Error;

/// A part of a transport whose settings are parsed from limits, once per connection or listener.
pub(crate) trait FromLimits: Sized {
    /// Parses the limits that concern this type.
    ///
    /// # Errors
    /// Fails if a limit has a value that cannot be used.
    fn from_limits(limits: &Limits) -> Result<Self, Error>;
}

/// Returns the value of a limit that is a number of bytes.
///
/// # Errors
/// Fails if the value is out of the limit's range, or does not fit a `T`.
pub(crate) fn bytes<T: TryFrom<u64>>(limits: &Limits, limit: &Limit) -> Result<T, Error> {
    limit.check(&limits.get(limit)).map_err(Error::limit)?;
    fit(limit, limits.bytes(limit))
}

/// Returns the value of a limit that is a number of bytes or `auto`, which is `None`.
///
/// # Errors
/// Fails if the value is out of the limit's range, or does not fit a `T`.
pub(crate) fn bytes_unless_auto<T: TryFrom<u64>>(limits: &Limits, limit: &Limit) -> Result<Option<T>, Error> {
    limit.check(&limits.get(limit)).map_err(Error::limit)?;
    limits.bytes_unless_auto(limit).map(|bytes| fit(limit, bytes)).transpose()
}

/// Returns the value of a limit that is a word, translated by the table `known`.
///
/// # Errors
/// Fails if the word is not one of the limit's choices, or not in the table.
pub(crate) fn choice<T: Copy>(limits: &Limits, limit: &Limit, known: &[(&str, T)]) -> Result<T, Error> {
    let unusable = || Error::limit(format!("--{}: 'auto' is not possible", limit.flag));
    choice_unless_auto(limits, limit, known)?.ok_or_else(unusable)
}

/// Returns the value of a limit that is a word, translated by the table `known`, or `None` for `auto`.
///
/// # Errors
/// Fails if the word is not one of the limit's choices, or not in the table.
pub(crate) fn choice_unless_auto<T: Copy>(
    limits: &Limits,
    limit: &Limit,
    known: &[(&str, T)],
) -> Result<Option<T>, Error> {
    limit.check(&limits.get(limit)).map_err(Error::limit)?;
    let find = |word: &str| {
        let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        found.ok_or_else(|| Error::limit(format!("--{}: '{word}' is not implemented", limit.flag)))
    };
    limits.choice(limit).map(find).transpose()
}

fn fit<T: TryFrom<u64>>(limit: &Limit, bytes: u64) -> Result<T, Error> {
    let unfit = |_| Error::limit(format!("--{}: {bytes} bytes are too many for this machine", limit.flag));
    T::try_from(bytes).map_err(unfit)
}

#[cfg(test)]
mod tests {
    use record::{CIPHER, CONGESTION, H2_FRAME, H3_RECV, QUIC_MTU, SOCKET_BUFFER};

    use super::*;

    /// Returns unchecked limits with one value, as JSON yields them.
    fn read(flag: &str, value: &str) -> Limits {
        serde_json::from_str(&format!("{{\"{flag}\": {value}}}")).unwrap()
    }

    #[test]
    fn a_value_that_cannot_be_used_is_an_error_that_names_it_and_the_right_ones() {
        let error = bytes::<u32>(&read("h2-frame", "1"), &H2_FRAME).unwrap_err().to_string();
        assert!(error.starts_with("--h2-frame: '1B' is not possible; use a size from 16KiB"), "{error}");
        let known = [("aes128", 1), ("aes256", 2), ("chacha20", 3)];
        let error = choice(&read("cipher", "\"rot13\""), &CIPHER, &known).unwrap_err().to_string();
        assert!(error.contains("'rot13'") && error.contains("aes128"), "{error}");
        assert!(choice(&read("h3-recv", "null"), &H3_RECV, &[("bounded", 1)]).is_err());
        assert!(choice(&read("cipher", "7"), &CIPHER, &known).is_err());
        assert!(bytes_unless_auto::<u16>(&read("quic-mtu", "\"large\""), &QUIC_MTU).is_err());
    }

    #[test]
    fn auto_is_no_value_where_the_limit_has_it() {
        assert_eq!(bytes_unless_auto::<usize>(&read("socket-buffer", "null"), &SOCKET_BUFFER).unwrap(), None);
        assert_eq!(
            choice_unless_auto(&read("congestion", "null"), &CONGESTION, &[("bbr", 1)]).unwrap(),
            None
        );
    }

    #[test]
    fn a_word_of_the_table_that_nothing_implements_is_an_error() {
        let error = choice(&Limits::default(), &CIPHER, &[("aes256", 2)]).unwrap_err().to_string();
        assert_eq!(error, "--cipher: 'aes128' is not implemented");
    }
}
