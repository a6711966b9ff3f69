//! A form with the fields of curl's `-F`, as the body of an upload: multipart/form-data (RFC 7578).

use std::{
    ffi::OsStr,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::HeaderValue;
use payload::{PayloadError, Segment};
use record::PayloadKind;

/// The fields of a form, in their order.
#[derive(Clone)]
pub struct Form {
    segments: Vec<Segment>,
    content_type: HeaderValue,
}

impl Form {
    /// Creates a form of fields.
    ///
    /// # Errors
    /// Fails if a file cannot be opened, or if more than one field reads standard input.
    pub fn new(fields: impl IntoIterator<Item = FormField>) -> Result<Self, FormError> {
        let boundary = boundary();
        let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        // The value is always valid, because a boundary has only hyphens and hexadecimal digits.
        let content_type = content_type.unwrap_or(HeaderValue::from_static("multipart/form-data"));
        let (mut segments, mut separator) = (Vec::new(), format!("--{boundary}"));
        for field in fields {
            let head = [separator.as_bytes(), b"\r\n", &field.head()].concat();
            segments.extend([Segment::Bytes(head.into()), field.content.segment()?]);
            separator = format!("\r\n--{boundary}");
        }
        segments.push(Segment::Bytes(format!("{separator}--\r\n").into()));
        if segments.iter().filter(|segment| matches!(segment, Segment::Stdin)).count() > 1 {
            return Err(FormError::StdinTwice);
        }
        Ok(Self { segments, content_type })
    }

    /// Returns the value of Content-Type.
    pub(crate) fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// Returns the content of the body.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the size of the body in bytes; `None` if that of a field is unknown until its end.
    pub(crate) fn size(&self) -> Option<u64> {
        self.segments.iter().map(Segment::size).sum()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form")
    }
}

/// Returns a boundary that no content has by chance: curl's hyphens, and 64 random bits.
fn boundary() -> String {
    format!("------------------------{:016x}", RandomState::new().build_hasher().finish())
}

/// A field of a form.
///
/// ```
/// use longhaul_client::FormField;
///
/// for text in ["name=value", "name=@file.iso;type=a/b;filename=other", "name=<text.txt", "name=\"a;b\""] {
///     FormField::parse(text.as_ref())?;
/// }
/// assert!(FormField::parse("name".as_ref()).is_err());
/// # Ok::<(), longhaul_client::FormError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct FormField {
    name: Vec<u8>,
    content: Content,
    file_name: Option<Vec<u8>>,
    media_type: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    Text(Vec<u8>),
    File(PathBuf),
    Stdin,
}

impl FormField {
    /// Parses a field in the syntax of curl's `-F`. A value, a path or a file name in quotes may have semicolons; `\"` and
    /// `\\` stand for the characters themselves. Blanks around a value without quotes, and around a type, do not count.
    ///
    /// # Errors
    /// Fails if the text does not have this syntax. The message does not show the value, which may be a secret.
    pub fn parse(text: &OsStr) -> Result<Self, FormError> {
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let (name, rest) =
            at.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?))).ok_or(FormError::Syntax)?;
        let wrong = |reason| FormError::Field { name: String::from_utf8_lossy(name).into_owned(), reason };
        let (kind, rest) = match rest.split_first() {
            Some((kind @ (b'@' | b'<'), rest)) => (*kind, rest),
            _ => (b'=', rest),
        };
        let (word, attributes) = word(rest).map_err(wrong)?;
        let content = match (kind, &*word.text) {
            (b'=', _) => Content::Text(word.text.clone()),
            (_, b"") => return Err(wrong("a file has a name")),
            (_, b"-") => Content::Stdin,
            (_, path) if !word.is_quoted && path.contains(&b',') => {
                return Err(wrong(
                    "a file whose name has a comma needs quotes, and each file a field of its own",
                ));
            }
            (_, path) => Content::File(OsStr::from_bytes(path).into()),
        };
        let mut field = Self { name: name.into(), content, file_name: None, media_type: None };
        field.take(attributes).map_err(wrong)?;
        if kind == b'@' {
            field.file_name.get_or_insert_with(|| field.content.name().into());
        }
        field.complete();
        Ok(field)
    }

    /// Takes the attributes after the content: `;type=` and `;filename=`. Further attributes become parameters of the
    /// type.
    fn take(&mut self, mut attributes: &[u8]) -> Result<(), &'static str> {
        while let Some(rest) = attributes.strip_prefix(b";") {
            let rest = rest.trim_ascii_start();
            if let Some(rest) = rest.strip_prefix(b"filename=") {
                let (word, rest) = word(rest)?;
                (self.file_name, attributes) = (Some(word.text), rest);
                continue;
            }
            let length = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
            let (attribute, rest) = rest.split_at_checked(length).unwrap_or_default();
            let attribute = attribute.trim_ascii_end();
            let known = attribute.strip_prefix(b"type=").map(<[u8]>::trim_ascii_start);
            self.media_type = match (known, self.media_type.take()) {
                (Some(media_type), _) if media_type.contains(&b'/') => Some(media_type.into()),
                (None, Some(media_type)) => Some([&media_type, &b"; "[..], attribute].concat()),
                _ => {
                    return Err(
                        "after a value come ;type=MEDIA/TYPE and ;filename=NAME; a value with semicolons needs quotes",
                    );
                }
            };
            attributes = rest;
        }
        match self.media_type.iter().flatten().all(|byte| (b' '..0x7f).contains(byte)) {
            true => Ok(()),
            false => Err("a type is printable ASCII"),
        }
    }

    /// Sets the media type if the user states none. As in curl, it follows from the file name, or else from the path.
    /// If both say nothing, a part with a file name gets application/octet-stream, unless its content is text.
    fn complete(&mut self) {
        let guess = |path: &Path| mime_guess::from_path(path).first();
        let named = self.file_name.as_deref().map(|name| Path::new(OsStr::from_bytes(name)));
        let path = if let Content::File(path) = &self.content { Some(&**path) } else { None };
        let is_text = matches!(self.content, Content::Text(_));
        let default = named.filter(|_| !is_text).map(|_| mime_guess::mime::APPLICATION_OCTET_STREAM);
        let guessed = named.and_then(guess).or_else(|| path.and_then(guess)).or(default);
        // The type of a field without a file name is text/plain by default (RFC 7578 section 4.4).
        let is_default = |found: &mime_guess::Mime| named.is_none() && *found == mime_guess::mime::TEXT_PLAIN;
        let guessed = guessed.filter(|found| !is_default(found)).map(|found| found.as_ref().into());
        self.media_type = self.media_type.take().or(guessed);
    }

    /// Returns the fields of the part's head, with the empty line at its end.
    fn head(&self) -> Vec<u8> {
        let mut head = b"Content-Disposition: form-data; name=\"".to_vec();
        head.extend(escaped(&self.name));
        head.extend(b"\"");
        if let Some(name) = &self.file_name {
            head.extend(b"; filename=\"");
            head.extend(escaped(name));
            head.extend(b"\"");
        }
        if let Some(media_type) = &self.media_type {
            head.extend(b"\r\nContent-Type: ");
            head.extend(media_type);
        }
        head.extend(b"\r\n\r\n");
        head
    }
}

impl Content {
    /// Returns the file name that the content has by default.
    fn name(&self) -> &[u8] {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().as_bytes(),
            Self::Stdin | Self::Text(_) => b"-",
        }
    }

    fn segment(self) -> Result<Segment, PayloadError> {
        Ok(match self {
            Self::Text(text) => Segment::Bytes(Bytes::from(text)),
            Self::Stdin => Segment::Stdin,
            Self::File(path) => {
                let size = payload::size(&PayloadKind::File(path.clone()))?;
                Segment::file(path, size)
            }
        })
    }
}

impl fmt::Debug for FormField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FormField").field(&String::from_utf8_lossy(&self.name)).finish_non_exhaustive()
    }
}

/// A value, a path or a file name.
struct Word {
    text: Vec<u8>,
    is_quoted: bool,
}

/// Splits a text into the word at its start, and the rest from the next semicolon on. As in curl, only quotes keep blanks
/// around a word.
fn word(text: &[u8]) -> Result<(Word, &[u8]), &'static str> {
    let text = text.trim_ascii_start();
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let length = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(length).unwrap_or_default();
        return Ok((Word { text: word.trim_ascii_end().into(), is_quoted: false }, rest));
    };
    let mut word = Vec::new();
    loop {
        rest = match rest {
            [b'"', rest @ ..] => {
                let rest = rest.trim_ascii_start();
                let is_over = rest.is_empty() || rest.starts_with(b";");
                let word = Word { text: word, is_quoted: true };
                return if is_over { Ok((word, rest)) } else { Err("there is text after the closing quote") };
            }
            [b'\\', byte @ (b'"' | b'\\'), rest @ ..] | [byte, rest @ ..] => {
                word.push(*byte);
                rest
            }
            [] => return Err("the closing quote is missing"),
        };
    }
}

/// Returns a name as browsers and curl write it: with `"`, CR and LF percent-encoded (WHATWG HTML, "multipart/form-data
/// encoding algorithm").
fn escaped(name: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b'"' => b"%22".to_vec(),
        b'\r' => b"%0D".to_vec(),
        b'\n' => b"%0A".to_vec(),
        byte => vec![*byte],
    };
    name.iter().flat_map(escaped).collect()
}

/// The reason why fields make no form. No message shows a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The text names no field.
    #[error(
        "a field is NAME=VALUE, NAME=@FILE or NAME=<FILE, with ;type=MEDIA/TYPE and ;filename=NAME after it"
    )]
    Syntax,
    /// The name of a field is valid, but not the rest.
    #[error("field '{name}': {reason}")]
    Field {
        /// The name of the field.
        name: String,
        /// The reason.
        reason: &'static str,
    },
    /// More than one field reads standard input.
    #[error("standard input can be read once; only one field can be NAME=@- or NAME=<-")]
    StdinTwice,
    /// A file cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> FormField {
        FormField::parse(OsStr::new(text)).unwrap()
    }

    fn head(text: &str) -> String {
        String::from_utf8(field(text).head()).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn a_field_is_text_or_a_file_with_a_type_and_a_name() {
        let disposition = "Content-Disposition: form-data; name=";
        for (text, expected) in [
            ("a=b", "\"a\"||"),
            ("a=", "\"a\"||"),
            ("a= b;type=text/x; charset=utf-8", "\"a\"|Content-Type: text/x; charset=utf-8||"),
            ("a=b;filename=c", "\"a\"; filename=\"c\"||"),
            ("a=@/x/y.html", "\"a\"; filename=\"y.html\"|Content-Type: text/html||"),
            ("a=@/x/y;filename=z.png", "\"a\"; filename=\"z.png\"|Content-Type: image/png||"),
            ("a=@\"/x/y;,\\\"z\";type=a/b", "\"a\"; filename=\"y;,%22z\"|Content-Type: a/b||"),
            ("a=@-", "\"a\"; filename=\"-\"|Content-Type: application/octet-stream||"),
            ("a=b;filename=c.html", "\"a\"; filename=\"c.html\"|Content-Type: text/html||"),
            ("a=</x/y.html", "\"a\"|Content-Type: text/html||"),
            ("a=</x/y.txt", "\"a\"||"),
            ("a=</x/y", "\"a\"||"),
            ("a=@/x/y.html ; type= text/x ; filename= z \t", "\"a\"; filename=\"z\"|Content-Type: text/x||"),
            ("a=b;type=text/x; charset=utf-8 ", "\"a\"|Content-Type: text/x; charset=utf-8||"),
            ("a=b;filename=\" z \" ", "\"a\"; filename=\" z \"||"),
            ("a=<-", "\"a\"||"),
            ("a\"\r\nb%=c", "\"a%22%0D%0Ab%\"||"),
        ] {
            assert_eq!(head(text), format!("{disposition}{expected}"), "{text}");
        }
        for (text, value) in [
            ("a=b=c", "b=c"),
            ("a=\"@b; \\\\\\\"\" ", "@b; \\\""),
            ("a= b", "b"),
            ("a=x y  ", "x y"),
            ("a= \" x \" ", " x "),
            ("a=  ", ""),
        ] {
            assert!(field(text).content == Content::Text(value.into()), "{text}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused_without_its_value() {
        for (text, part) in [
            ("hunter2", "NAME=VALUE"),
            ("=hunter2", "NAME=VALUE"),
            ("a=hunter2;b", "needs quotes"),
            ("a=hunter2;type=x", "MEDIA/TYPE"),
            ("a=b;type=a/b\r\nx: y", "printable"),
            ("a=\"hunter2", "closing quote is missing"),
            ("a=\"hunter2\"3", "after the closing quote"),
            ("a=@b,c", "comma"),
            ("a=@", "a file has a name"),
        ] {
            let error = FormField::parse(OsStr::new(text)).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert!(matches!(Form::new([field("a=@-"), field("b=<-")]), Err(FormError::StdinTwice)));
        assert!(matches!(Form::new([field("a=@/no/such")]), Err(FormError::Payload(_))));
    }

    #[test]
    fn the_size_of_a_form_is_known_if_that_of_each_field_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1000).unwrap();
        let named = format!("f=@{}", file.path().display());
        let form = Form::new([field("a=b"), field(&named)]).unwrap();
        let bytes = form.segments().iter().map(|segment| match segment {
            Segment::Bytes(bytes) => bytes.len(),
            _ => 1000,
        });
        assert_eq!(form.size(), Some(bytes.sum::<usize>() as u64));
        assert_eq!(Form::new([field("a=b"), field("c=@-")]).unwrap().size(), None);
    }
}
