//! The names of saved files: one visible path component, so that a stranger cannot leave the folder.

use std::fmt;

/// The longest name that Linux's file systems accept, in bytes (NAME_MAX in linux/limits.h).
const MAX: usize = 255;

/// Characters that look like a path separator, or that some program converts to one: FULLWIDTH SOLIDUS and FULLWIDTH
/// REVERSE SOLIDUS, FRACTION SLASH, DIVISION SLASH, SET MINUS, BIG SOLIDUS, BIG REVERSE SOLIDUS.
const LOOKALIKES: [char; 7] =
    ['\u{ff0f}', '\u{ff3c}', '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f8}', '\u{29f9}'];

/// A file name that stays in its folder: one path component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Accepts a stranger's name, percent-decoded once. The name must also be visible in its folder and free of
    /// anything that another program may take for a separator.
    ///
    /// # Errors
    /// The name is refused; the error states the reason.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match name {
            "" => Err(NameError::Empty),
            _ if name.len() > MAX => Err(NameError::TooLong(name.len())),
            _ if name.starts_with('.') => Err(NameError::LeadingDot),
            _ if name.chars().any(char::is_control) => Err(NameError::Control),
            _ if name.contains(is_separator) || has_encoded_separator(name) => Err(NameError::Separator),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_separator(c: char) -> bool {
    c == '/' || c == '\\' || LOOKALIKES.contains(&c)
}

/// Whether decoding the name once more would yield a separator, a NUL, a dot or a percent sign.
fn has_encoded_separator(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["%2f", "%5c", "%00", "%2e", "%25"].iter().any(|encoded| name.contains(encoded))
}

/// The reason to refuse a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("the name is empty")]
    Empty,
    /// The name is longer than file systems accept.
    #[error("the name has {0} bytes, more than the {MAX} that file systems accept")]
    TooLong(usize),
    /// The name is hidden, the folder itself, or its parent.
    #[error("the name starts with a dot")]
    LeadingDot,
    /// The name contains NUL or another control character.
    #[error("the name contains a control character")]
    Control,
    /// The name contains a path separator, a look-alike, or an encoded one.
    #[error("the name contains a path separator, a character that looks like one, or an encoded one")]
    Separator,
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    NotText,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in ["a", "disk image.iso", "übergröße.tar.gz", "100%", "a..b", "x.", "-rf", "日本"] {
            assert_eq!(SafeName::parse(name).unwrap().as_str(), name);
        }
        assert!(SafeName::parse(&"n".repeat(255)).is_ok());
    }

    #[test]
    fn names_that_leave_or_hide_are_refused() {
        use NameError::*;
        let long = "n".repeat(256);
        for (name, reason) in [
            ("", Empty),
            (&long, TooLong(256)),
            (".", LeadingDot),
            ("..", LeadingDot),
            (".bashrc", LeadingDot),
            ("../x", LeadingDot),
            ("a/b", Separator),
            ("/etc/passwd", Separator),
            ("a\\b", Separator),
            ("a%2fb", Separator),
            ("a%2Fb", Separator),
            ("%2e%2e%5c", Separator),
            ("a%252fb", Separator),
            ("a\u{ff0f}b", Separator),
            ("a\u{2215}b", Separator),
            ("a\0b", Control),
            ("a\nb", Control),
            ("a\u{7f}b", Control),
            ("a\u{85}b", Control),
        ] {
            assert_eq!(SafeName::parse(name), Err(reason), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_is_one_visible_component(name in any::<String>()) {
            if let Ok(safe) = SafeName::parse(&name) {
                let joined = std::path::Path::new("/folder").join(safe.as_str());
                prop_assert_eq!(joined.parent(), Some(std::path::Path::new("/folder")));
                prop_assert_eq!(joined.file_name().and_then(|n| n.to_str()), Some(name.as_str()));
            }
        }
    }
}
