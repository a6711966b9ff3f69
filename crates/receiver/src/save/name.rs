//! The names of saved files: one visible path component, so that a name from a client cannot leave the folder.

use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;

/// The longest name that Linux's file systems accept, in bytes (NAME_MAX in linux/limits.h).
const MAX: usize = 255;

/// The characters that look like a path separator, or that some programs convert to one: FULLWIDTH SOLIDUS and
/// FULLWIDTH REVERSE SOLIDUS, FRACTION SLASH, DIVISION SLASH, SET MINUS, BIG SOLIDUS, BIG REVERSE SOLIDUS.
const LOOKALIKES: [char; 7] =
    ['\u{ff0f}', '\u{ff3c}', '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f8}', '\u{29f9}'];

/// The letters and symbols that are displayed as nothing: COMBINING GRAPHEME JOINER, the fillers of Hangul, BRAILLE
/// PATTERN BLANK.
const FILLERS: [char; 6] = ['\u{34f}', '\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// The names of devices on Windows, whatever follows their first dot. Windows could not open such a file in a copied or
/// shared folder. The digits of `COM` and `LPT` may also be superscripts.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];

/// A file name that stays in its folder, and that people can read and type. The name is one path component in Unicode's
/// normalisation form NFC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Parses a name that a client states, percent-decoded once. The name is normalised to NFC, so that one visible
    /// name has one file. The name must be visible in its folder. No other program may take a part of it for a
    /// separator, or the name for an option.
    ///
    /// # Errors
    /// Fails if the name is not safe. The error states the reason.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let name: String = name.nfc().collect();
        // The name as seen by programs that treat compatible characters as equal (NFKC, and the best-fit conversion of
        // Windows).
        let compatible: String = name.nfkc().collect();
        match name.as_str() {
            "" => Err(NameError::Empty),
            _ if name.len() > MAX => Err(NameError::TooLong(name.len())),
            _ if begins_like(&name, '.') || is_only_dots(&compatible) => Err(NameError::LeadingDot),
            _ if begins_like(&name, '-') => Err(NameError::LeadingHyphen),
            _ if name.contains(char::is_control) => Err(NameError::Control),
            _ if name.contains(is_invisible) => Err(NameError::Invisible),
            _ if name.starts_with(' ') || name.ends_with([' ', '.']) => Err(NameError::Edge),
            _ if name.contains(is_separator) || compatible.contains(['/', '\\']) => Err(NameError::Separator),
            _ if has_encoded_separator(&compatible) => Err(NameError::Separator),
            _ if is_device(&name) => Err(NameError::Device),
            _ => Ok(Self(name)),
        }
    }

    /// Returns the file name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether the first character is `first`, or compatible with it, such as its full-width form.
fn begins_like(name: &str, first: char) -> bool {
    name.chars().take(1).nfkc().eq([first])
}

/// Returns whether a name consists of dots alone, like the folder itself or its parent. The character `‥` is two dots.
fn is_only_dots(name: &str) -> bool {
    name.chars().all(|c| c == '.')
}

fn is_separator(c: char) -> bool {
    c == '/' || c == '\\' || LOOKALIKES.contains(&c)
}

/// Returns whether a character is invisible, or has no meaning on which all programs agree. These are format characters
/// (which reverse or join text), separators other than the blank, and private and unassigned characters.
fn is_invisible(c: char) -> bool {
    use GeneralCategory::{
        Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Unassigned,
    };
    match get_general_category(c) {
        SpaceSeparator => c != ' ',
        Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned => true,
        _ => FILLERS.contains(&c),
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = NUMBERED_DEVICES.iter().filter_map(|device| stem.strip_prefix(device));
    DEVICES.contains(&stem.as_str())
        || numbered.flat_map(|number| number.parse::<char>()).any(|c| c.is_ascii_digit() || "¹²³".contains(c))
}

/// Returns whether another percent-decoding of the name would yield a separator, a NUL, a dot or a percent sign.
fn has_encoded_separator(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["%2f", "%5c", "%00", "%2e", "%25"].iter().any(|encoded| name.contains(encoded))
}

/// The reason why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("the name is empty; end the path with a name, or add ?file=NAME")]
    Empty,
    /// The name is longer than file systems accept.
    #[error("the name has {0} bytes, more than the {MAX} that file systems accept")]
    TooLong(usize),
    /// The name begins with a dot: it is hidden, the folder itself, or its parent.
    #[error("the name starts with a dot")]
    LeadingDot,
    /// The name begins with a hyphen, so that programs would take it for an option.
    #[error("the name starts with a hyphen")]
    LeadingHyphen,
    /// The name begins with a blank, or ends with a blank or a dot.
    #[error("the name begins with a blank, or ends with a blank or a dot")]
    Edge,
    /// The name contains an invisible character.
    #[error("the name contains an invisible, private or unassigned character")]
    Invisible,
    /// The name denotes a device on Windows.
    #[error("the name is that of a device on Windows")]
    Device,
    /// The name contains NUL or another control character.
    #[error("the name contains a control character")]
    Control,
    /// The name contains a path separator, a look-alike of one, or an encoded one.
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
        let names =
            ["a", "disk image.iso", "übergröße.tar.gz", "100%", "a..b", "a-rf", "日本", "🦀", "12:00"];
        let compatible = ["½ cup", "…and more", "wait…", "ﬁle", "Ｆｕｌｌ"];
        for name in
            names.into_iter().chain(compatible).chain(["console.txt", "com", "COM10", "comma.txt", "null"])
        {
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
            // These are two dots, one dot, a full-width dot, and small and full-width hyphens.
            ("\u{2025}", LeadingDot),
            ("\u{2024}\u{2024}", LeadingDot),
            ("\u{ff0e}bashrc", LeadingDot),
            ("\u{ff0d}rf", LeadingHyphen),
            ("\u{fe63}rf", LeadingHyphen),
            // These contain SMALL REVERSE SOLIDUS, CARE OF, and a full-width percent sign.
            ("a\u{fe68}b", Separator),
            ("a\u{2105}b", Separator),
            ("a\u{ff05}2fb", Separator),
            ("a\0b", Control),
            ("a\nb", Control),
            ("a\u{7f}b", Control),
            ("a\u{85}b", Control),
        ] {
            assert_eq!(SafeName::parse(name), Err(reason), "{name:?}");
        }
    }

    #[test]
    fn names_that_deceive_are_refused() {
        use NameError::*;
        for (name, reason) in [
            ("-rf", LeadingHyphen),
            ("x.", Edge),
            ("x ", Edge),
            (" x", Edge),
            (" ", Edge),
            ("\u{200e}", Invisible),
            ("a\u{202e}gpj.exe", Invisible),
            ("a\u{200b}b", Invisible),
            ("\u{feff}a", Invisible),
            ("a\u{a0}b", Invisible),
            ("a\u{2028}b", Invisible),
            ("\u{e0041}", Invisible),
            ("\u{fffe}", Invisible),
            ("\u{e000}", Invisible),
            ("a\u{3164}b", Invisible),
            ("CON", Device),
            ("nul.tar.gz", Device),
            ("Com1", Device),
            ("lpt².x", Device),
            ("aux .x", Device),
        ] {
            assert_eq!(SafeName::parse(name), Err(reason), "{name:?}");
        }
    }

    #[test]
    fn the_two_spellings_of_a_letter_are_one_name() {
        let composed = SafeName::parse("caf\u{e9}").unwrap();
        assert_eq!(SafeName::parse("cafe\u{301}").unwrap(), composed);
        assert_eq!(composed.as_str(), "caf\u{e9}");
    }

    proptest! {
        #[test]
        fn every_accepted_name_is_one_visible_component(name in any::<String>()) {
            if let Ok(safe) = SafeName::parse(&name) {
                let joined = std::path::Path::new("/folder").join(safe.as_str());
                prop_assert_eq!(joined.parent(), Some(std::path::Path::new("/folder")));
                prop_assert_eq!(joined.file_name().and_then(|n| n.to_str()), Some(safe.as_str()));
                prop_assert_eq!(SafeName::parse(safe.as_str()), Ok(safe));
            }
        }
    }
}
