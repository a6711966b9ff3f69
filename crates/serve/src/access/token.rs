//! The token of a server.

use std::{fmt, io, path::Path};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode, header};

use crate::refusal::Refusal;

/// A secret that requests must carry, as `Authorization: Bearer TOKEN` (RFC 6750) or as the password of `Authorization:
/// Basic` (RFC 7617) under any user name.
///
/// Only the SHA-256 of the token is kept. Tokens are compared in constant time.
#[derive(Clone)]
pub struct Token(Digest);

/// The error for a token that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// The file cannot be read.
    #[error("cannot read the token from {path}: {source}")]
    File {
        /// The path of the file, as it was given.
        path: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The text is empty, or has characters that a header cannot carry.
    #[error("a token is one line of printable ASCII characters without spaces")]
    Text,
}

impl Token {
    /// Makes a token from a text, without the white space around it.
    ///
    /// # Errors
    /// Fails if the token is empty, or contains anything but printable ASCII characters.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken::Text);
        }
        Ok(Self(digest(&SHA256, text.as_bytes())))
    }

    /// Reads a token from a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or contains no token.
    pub fn read(path: &Path) -> Result<Self, InvalidToken> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| InvalidToken::File { path: path.display().to_string(), source })?;
        Self::new(&text)
    }

    /// Checks the Authorization field of a request.
    ///
    /// # Errors
    /// Fails if the field is missing, has another scheme, or has another token (401).
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(unauthorized("this server needs a token"));
        };
        match given(field.as_bytes()) {
            Some(token) if self.is(&token) => Ok(()),
            Some(_) => Err(unauthorized("the token is wrong")),
            None => Err(unauthorized("the token must be given as Bearer, or as the password of Basic")),
        }
    }

    /// Compares digests of equal length, so that the time does not reveal the token's length either.
    fn is(&self, other: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_ref(), digest(&SHA256, other).as_ref()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Returns the token in the value of an Authorization field. Names of schemes are case-insensitive (RFC 9110 section
/// 11.1).
fn given(field: &[u8]) -> Option<Vec<u8>> {
    let space = field.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = field.split_at_checked(space)?;
    let credentials = credentials.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"Bearer") {
        return Some(credentials.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon.checked_add(1)?..).map(<[u8]>::to_vec)
}

fn unauthorized(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, reason)
        .with(header::WWW_AUTHENTICATE, "Bearer realm=\"longhaul\"")
        .with(header::WWW_AUTHENTICATE, "Basic realm=\"longhaul\", charset=\"UTF-8\"")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(values: &[&'static str]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        Token::new("s3cret\n").unwrap().check(&headers).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn the_token_is_taken_as_bearer_or_as_any_users_password() {
        // `printf user:s3cret | base64`
        for value in ["Bearer s3cret", "bearer  s3cret", "Basic dXNlcjpzM2NyZXQ=", "BASIC OnMzY3JldA=="] {
            assert_eq!(checked(&[value]), None, "{value}");
        }
    }

    #[test]
    fn anything_else_is_unauthorized() {
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer s3cre"],
            &["Bearer s3crets"],
            &["Bearer S3CRET"],
            &["s3cret"],
            &["Digest s3cret"],
            &["Basic s3cret"],
            // `s3cret:` and `s3cret`
            &["Basic czNjcmV0Og=="],
            &["Basic czNjcmV0"],
            &["Bearer s3cret", "Bearer s3cret"],
        ] {
            assert_eq!(checked(values), Some(401), "{values:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_schemes() {
        let response = Token::new("x").unwrap().check(&HeaderMap::new()).unwrap_err().response();
        let schemes: Vec<_> = response.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(schemes.len(), 2, "{schemes:?}");
    }

    #[test]
    fn a_token_is_one_printable_line_and_is_never_printed() {
        for text in ["", " \n", "two words", "two\nlines", "ümlaut"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
        assert_eq!(format!("{:?}", Token::new("s3cret").unwrap()), "Token");
        let missing = Token::read(Path::new("/no/such/file")).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read the token from /no/such/file"), "{missing}");
    }
}
