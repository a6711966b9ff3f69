//! Credentials of a request: the value of the Authorization field.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;

/// The shortest secret that is removed from quotations of a server, in bytes. A shorter text may be part of many words.
const SHORTEST: usize = 4;

/// The credentials of a request: a user with a password, or a token. The text form does not show them.
#[derive(Clone)]
pub struct Credentials {
    value: HeaderValue,
    secrets: Vec<String>,
}

impl Credentials {
    /// Creates the credentials of a user with a password (RFC 7617).
    ///
    /// # Errors
    /// Fails if the user's name contains a colon.
    pub fn basic(user: &str, password: &str) -> Result<Self, CredentialsError> {
        if user.contains(':') {
            return Err(CredentialsError::Colon);
        }
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self::new(format!("Basic {encoded}"), vec![encoded, password.to_owned()])
    }

    /// Creates the credentials of a bearer token (RFC 6750).
    ///
    /// # Errors
    /// Fails if the token is empty, or contains a blank or a control character.
    pub fn bearer(token: &str) -> Result<Self, CredentialsError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::Token);
        }
        Self::new(format!("Bearer {token}"), vec![token.to_owned()])
    }

    fn new(value: String, secrets: Vec<String>) -> Result<Self, CredentialsError> {
        let mut value = HeaderValue::try_from(value).map_err(|_| CredentialsError::Token)?;
        // HPACK and QPACK never index a sensitive value, and its `Debug` does not show it.
        value.set_sensitive(true);
        Ok(Self { value, secrets })
    }

    /// Returns the value of the Authorization field.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Returns the secret texts, which no message may contain.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Returns a text without the given secrets, which a server may quote in its responses.
pub(crate) fn without_secrets<'a>(text: &str, secrets: impl IntoIterator<Item = &'a String>) -> String {
    let long = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST);
    long.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

/// The reason why a text cannot be a credential. The message does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A user's name contains a colon, which separates it from the password.
    #[error("a user's name cannot contain a colon")]
    Colon,
    /// A token is empty, or is not a valid field value.
    #[error("a token is one word of printable ASCII characters")]
    Token,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_the_value_of_the_field_and_never_shown() {
        let basic = Credentials::basic("Aladdin", "open sesame").unwrap();
        // The example of RFC 7617 section 2.
        assert_eq!(basic.value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let bearer = Credentials::bearer("mF_9.B5f-4.1JqM").unwrap();
        assert_eq!(bearer.value(), "Bearer mF_9.B5f-4.1JqM");
        for shown in [format!("{basic:?}{:?}", basic.value()), format!("{bearer:?}{:?}", bearer.value())] {
            assert!(!shown.contains("QWxh") && !shown.contains("mF_9"), "{shown}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_a_credential_is_refused_without_being_shown() {
        assert_eq!(Credentials::basic("a:b", "").unwrap_err(), CredentialsError::Colon);
        for token in ["", "a b", "a\r\nb: c", "ä"] {
            assert_eq!(Credentials::bearer(token).unwrap_err(), CredentialsError::Token);
        }
    }

    #[test]
    fn a_server_that_quotes_a_secret_does_not_bring_it_into_a_message() {
        let credentials = Credentials::basic("me", "hunter2").unwrap();
        let text = "no access for hunter2 (Basic bWU6aHVudGVyMg==)";
        assert_eq!(without_secrets(text, credentials.secrets()), "no access for *** (Basic ***)");
        assert_eq!(without_secrets("a word", &["a".to_owned()]), "a word");
    }
}
