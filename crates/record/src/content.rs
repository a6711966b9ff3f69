//! The content of a body: the source of its bytes, and their use by the receiver.

#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
use std::{ffi::OsStr, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// The default seed of generated bodies.
pub const DEFAULT_SEED: u64 = 1;

/// The content of a body. Its text form is the `--payload` flag's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(into = "String", try_from = "String")]
pub enum PayloadKind {
    /// Bytes generated from a seed (`random`).
    Random,
    /// Zero bytes (`zero`). Their digest reveals a wrong length only.
    Zero,
    /// Bytes generated from a seed, in a block of about the stated size that fits no cache (`cold:SIZE`). The sender
    /// therefore reads the bytes from memory. Transparent huge pages are disabled for its process.
    Cold(ByteSize),
    /// The bytes of a file (`file:PATH`).
    File(PathBuf),
    /// Standard input up to its end (`-`).
    Stdin,
    /// A form (`form`). This value does not state the fields of the form.
    Form,
}

impl PayloadKind {
    /// The largest block of `cold`, in bytes: four times the largest last-level cache of present processors, rounded
    /// up.
    pub const LARGEST_COLD: u64 = 4 << 30;

    /// Returns whether seed and size alone determine the bytes, so that all bodies are slices of one block.
    pub fn is_generated(&self) -> bool {
        matches!(self, Self::Random | Self::Zero | Self::Cold(_))
    }
}

/// An error for a text that does not name a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a payload; use random, zero, cold or file:PATH, or - for standard input")]
pub struct PayloadKindError(String);

impl fmt::Display for PayloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Zero => f.write_str("zero"),
            Self::Cold(block) => write!(f, "cold:{block}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdin => f.write_str("-"),
            Self::Form => f.write_str("form"),
        }
    }
}

impl PayloadKind {
    /// Parses a flag's value. A path in the value need not be UTF-8.
    ///
    /// # Errors
    /// Fails if the text names no payload.
    pub fn parse(text: &OsStr) -> Result<Self, PayloadKindError> {
        if let Some(block) = text.to_str().and_then(cold_block) {
            return Ok(Self::Cold(block));
        }
        match path_after("file:", text) {
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            None if text == "random" => Ok(Self::Random),
            None if text == "zero" => Ok(Self::Zero),
            None if text == "-" => Ok(Self::Stdin),
            None if text == "form" => Ok(Self::Form),
            _ => Err(PayloadKindError(text.to_string_lossy().into_owned())),
        }
    }
}

/// Returns the size of the block in `cold:SIZE`; `None` for any other text, or if the size is out of bounds.
fn cold_block(text: &str) -> Option<ByteSize> {
    let size: ByteSize = text.strip_prefix("cold:")?.parse().ok()?;
    (1..=PayloadKind::LARGEST_COLD).contains(&size.0).then_some(size)
}

/// Returns the control that `keep:N` or `burn:N` names; `None` for any other text.
fn control(text: &OsStr) -> Option<SinkKind> {
    match text.to_str()?.split_once(':')? {
        ("keep", bytes) => bytes.parse().ok().map(SinkKind::Keep),
        ("burn", nanoseconds) => nanoseconds.parse().ok().map(SinkKind::Burn),
        _ => None,
    }
}

/// Returns the path after `prefix`, which may be empty; `None` if the text does not start with the prefix.
#[cfg(unix)]
fn path_after<'a>(prefix: &str, text: &'a OsStr) -> Option<&'a OsStr> {
    text.as_bytes().strip_prefix(prefix.as_bytes()).map(OsStr::from_bytes)
}

/// Returns the path after `prefix`, which may be empty; `None` if the text is not Unicode or does not start with the
/// prefix.
#[cfg(not(unix))]
fn path_after<'a>(prefix: &str, text: &'a OsStr) -> Option<&'a OsStr> {
    text.to_str()?.strip_prefix(prefix).map(OsStr::new)
}

impl FromStr for PayloadKind {
    type Err = PayloadKindError;

    fn from_str(text: &str) -> Result<Self, PayloadKindError> {
        Self::parse(OsStr::new(text))
    }
}

impl From<PayloadKind> for String {
    fn from(kind: PayloadKind) -> String {
        kind.to_string()
    }
}

impl TryFrom<String> for PayloadKind {
    type Error = PayloadKindError;

    fn try_from(text: String) -> Result<Self, PayloadKindError> {
        text.parse()
    }
}

/// The receiver's use of the bytes. Its text form is the `--sink` flag's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(into = "String", try_from = "String")]
pub enum SinkKind {
    /// Drops the bytes (`discard`).
    Discard,
    /// Digests and drops the bytes (`verify`).
    Verify,
    /// Digests the bytes and saves them in a folder (`save:DIR`).
    Save(PathBuf),
    /// Keeps the whole body in memory and then digests it (`collect`): the control whose growth a memory proof must
    /// find.
    Collect,
    /// Digests and drops the bytes, and leaks the stated number of bytes per chunk of body (`keep:N`): the control
    /// whose slope is known.
    Keep(u64),
    /// Digests and drops the bytes, and burns the stated processor time in nanoseconds per chunk (`burn:NANOSECONDS`):
    /// the control whose cost must appear in the measured processor time.
    Burn(u32),
}

impl SinkKind {
    /// Returns whether the receiver computes a digest.
    pub fn digests(&self) -> bool {
        *self != Self::Discard
    }
}

/// An error for a text that does not name a sink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a sink; use discard, verify or save:DIR")]
pub struct SinkKindError(String);

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discard => f.write_str("discard"),
            Self::Verify => f.write_str("verify"),
            Self::Save(folder) => write!(f, "save:{}", folder.display()),
            Self::Collect => f.write_str("collect"),
            Self::Keep(bytes) => write!(f, "keep:{bytes}"),
            Self::Burn(nanoseconds) => write!(f, "burn:{nanoseconds}"),
        }
    }
}

impl SinkKind {
    /// Parses a flag's value. A path in the value need not be UTF-8.
    ///
    /// # Errors
    /// Fails if the text names no sink.
    pub fn parse(text: &OsStr) -> Result<Self, SinkKindError> {
        match path_after("save:", text) {
            Some(folder) if !folder.is_empty() => Ok(Self::Save(folder.into())),
            None if text == "discard" => Ok(Self::Discard),
            None if text == "verify" => Ok(Self::Verify),
            None if text == "collect" => Ok(Self::Collect),
            given => {
                let control = given.is_none().then(|| control(text)).flatten();
                control.ok_or_else(|| SinkKindError(text.to_string_lossy().into_owned()))
            }
        }
    }
}

impl FromStr for SinkKind {
    type Err = SinkKindError;

    fn from_str(text: &str) -> Result<Self, SinkKindError> {
        Self::parse(OsStr::new(text))
    }
}

impl From<SinkKind> for String {
    fn from(sink: SinkKind) -> String {
        sink.to_string()
    }
}

impl TryFrom<String> for SinkKind {
    type Error = SinkKindError;

    fn try_from(text: String) -> Result<Self, SinkKindError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_parse_back_as_they_print() {
        for text in ["random", "zero", "cold:128MiB", "file:/tmp/a:b", "-"] {
            assert_eq!(text.parse::<PayloadKind>().unwrap().to_string(), text);
        }
        for text in ["discard", "verify", "save:/tmp/x", "collect", "keep:12", "burn:20000"] {
            assert_eq!(text.parse::<SinkKind>().unwrap().to_string(), text);
        }
        for text in ["", "file:", "rnd", "file", "cold", "cold:", "cold:0", "cold:5GiB"] {
            assert!(text.parse::<PayloadKind>().is_err(), "{text}");
        }
        for text in ["save:", "keep:", "keep:-1", "keep:1KiB", "burn:", "burn:-1", "burn"] {
            assert!(text.parse::<SinkKind>().is_err(), "{text}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn paths_need_not_be_utf_8() {
        let text = OsStr::from_bytes(b"file:\xff");
        assert_eq!(PayloadKind::parse(text), Ok(PayloadKind::File(OsStr::from_bytes(b"\xff").into())));
        let text = OsStr::from_bytes(b"save:a\xff");
        assert_eq!(SinkKind::parse(text), Ok(SinkKind::Save(OsStr::from_bytes(b"a\xff").into())));
        assert!(SinkKind::parse(OsStr::from_bytes(b"\xff")).is_err());
    }
}
