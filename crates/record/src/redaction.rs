//! The redaction of secrets in URLs, header lines and command lines, for records and messages.

/// The text that stands for a secret in records and messages.
pub const REDACTED: &str = "***";

/// The query parameters of a longhaul server's URL whose values are numbers or sizes. Such values are not redacted.
const OWN_PARAMETERS: [&str; 3] = ["size", "chunk", "seed"];

/// The longest value of a query parameter that is not redacted, in bytes: a number of 64 bits with a unit.
const OWN_VALUE: usize = 24;

/// The header fields whose values are not secret. Any other field, such as X-Api-Key, may hold a secret.
const PUBLIC_FIELDS: [&str; 22] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "expect",
    "host",
    "if-match",
    "if-none-match",
    "if-range",
    "origin",
    "range",
    "repr-digest",
    "user-agent",
];

/// Returns a URL without its secrets.
///
/// User information and fragment are left out, and the values of query parameters are replaced. The names of the
/// parameters stay, and so do numbers in the parameters of a longhaul server. A text that is not a URL is returned
/// unchanged.
///
/// ```
/// let url = "https://me:pw@host/a?X-Signature=abc&size=1GiB#key";
/// assert_eq!(longhaul_record::redacted_url(url), "https://host/a?X-Signature=***&size=1GiB");
/// ```
pub fn redacted_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    match path.split_once('?') {
        None => format!("{scheme}://{host}{path}"),
        Some((path, query)) => {
            let parts: Vec<_> = query.split('&').map(redacted_parameter).collect();
            format!("{scheme}://{host}{path}?{}", parts.join("&"))
        }
    }
}

fn redacted_parameter(part: &str) -> String {
    let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
    match part.split_once('=') {
        Some((_, "")) => part.to_owned(),
        Some((_, value)) if is_placeholder(value) => part.to_owned(),
        Some((name, value)) if OWN_PARAMETERS.contains(&name) && is_amount(value) => part.to_owned(),
        Some((name, _)) => format!("{name}={REDACTED}"),
        // A parameter without a value is either a keyword, such as `uploads`, or a token.
        None if is_word(part) && part.len() <= OWN_VALUE => part.to_owned(),
        None => REDACTED.to_owned(),
    }
}

/// Returns whether a value is a placeholder: a word in braces, which stands for another value.
fn is_placeholder(value: &str) -> bool {
    let word = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    word.is_some_and(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
}

/// Returns whether a query parameter's value is a number, with or without a unit.
fn is_amount(value: &str) -> bool {
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    value.len() <= OWN_VALUE
        && unit.len() < value.len()
        && matches!(unit, "" | "B" | "K" | "M" | "G" | "KB" | "MB" | "GB" | "KiB" | "MiB" | "GiB")
}

/// Returns a header line in the form of the `-H` flag. Its value is redacted unless the field is public.
pub fn redacted_header(line: &str) -> String {
    let Some((name, value)) = line.split_once(':') else {
        // `Name;` is an empty field, and `@FILE` names a file of header lines.
        return if line.ends_with(';') || line.starts_with('@') {
            line.to_owned()
        } else {
            REDACTED.to_owned()
        };
    };
    let is_public = PUBLIC_FIELDS.contains(&name.trim().to_ascii_lowercase().as_str());
    if is_public || value.trim().is_empty() { line.to_owned() } else { format!("{name}: {REDACTED}") }
}

/// Returns a field of a form in the form of the `-F` flag. Its value is redacted unless it names a file.
fn redacted_field(field: &str) -> String {
    match field.split_once('=') {
        Some((_, value)) if value.starts_with(['@', '<']) => field.to_owned(),
        Some((name, _)) => format!("{name}={REDACTED}"),
        None => REDACTED.to_owned(),
    }
}

/// Returns a command line without its secrets: those in URLs, header lines and fields of forms, and the values of `-u`,
/// `--user`, `-U`, `--proxy-user` and `--oauth2-bearer`.
pub fn redacted_command(arguments: impl IntoIterator<Item = String>) -> String {
    redacted_words(arguments).join(" ")
}

/// Returns the words of a command line without their secrets, as [`redacted_command`] does for the whole line.
pub fn redacted_words(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut next = Value::Public;
    arguments
        .into_iter()
        .map(|argument| {
            let (shown, following) = match std::mem::replace(&mut next, Value::Public) {
                Value::Public => redacted_argument(&argument),
                kind => (kind.redact(&argument), Value::Public),
            };
            next = following;
            shown
        })
        .collect()
}

/// The kind of the value that a flag takes, which decides its redaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Public,
    Header,
    Secret,
    /// The URL of a proxy, which may lack a scheme.
    Proxy,
    /// A field of a form. Its value is secret unless it names a file.
    Form,
}

impl Value {
    fn of_long(flag: &str) -> Self {
        match flag {
            "user" | "proxy-user" | "oauth2-bearer" => Self::Secret,
            "proxy" => Self::Proxy,
            "header" => Self::Header,
            "form" => Self::Form,
            _ => Self::Public,
        }
    }

    fn redact(self, value: &str) -> String {
        match self {
            Self::Public => redacted_url(value),
            Self::Header => redacted_header(value),
            Self::Secret => REDACTED.to_owned(),
            Self::Form => redacted_field(value),
            Self::Proxy if value.contains("://") => redacted_url(value),
            Self::Proxy => value.rsplit_once('@').map_or(value, |(_, place)| place).to_owned(),
        }
    }
}

/// Returns one argument without its secrets. If its value is the next argument, also returns the kind of that value.
fn redacted_argument(argument: &str) -> (String, Value) {
    if let Some(long) = argument.strip_prefix("--") {
        let kind = |flag| Value::of_long(flag);
        return match long.split_once('=') {
            Some((flag, value)) => (format!("--{flag}={}", kind(flag).redact(value)), Value::Public),
            None => (redacted_url(argument), kind(long)),
        };
    }
    let Some(flags) = argument.strip_prefix('-') else { return (redacted_url(argument), Value::Public) };
    // Short flags may be joined, as in `-kuUSER:PASSWORD`.
    let Some(at) = flags.find(|c| !is_switch(c)) else { return (argument.to_owned(), Value::Public) };
    let kind = match flags.get(at..=at) {
        Some("u" | "U") => Value::Secret,
        Some("x") => Value::Proxy,
        Some("F") => Value::Form,
        Some("H") => Value::Header,
        _ => return (redacted_url(argument), Value::Public),
    };
    match flags.split_at(at + 1) {
        (_, "") => (argument.to_owned(), kind),
        (flags, value) => (format!("-{flags}{}", kind.redact(value.trim_start_matches('='))), Value::Public),
    }
}

/// Returns whether a short flag takes no value.
fn is_switch(flag: char) -> bool {
    matches!(flag, '4' | '6' | 'L' | 'h' | 'k' | 'p' | 'q' | 'v' | 'V')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(line: &[&str]) -> String {
        redacted_command(line.iter().map(ToString::to_string))
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        assert_eq!(
            redacted_url("http://x/?size={size}&n={n}&token={a b}"),
            "http://x/?size={size}&n={n}&token=***"
        );
    }

    #[test]
    fn a_url_keeps_host_path_and_the_names_of_its_query() {
        for (url, shown) in [
            ("https://me:secret@host:1/a@b?c=d", "https://host:1/a@b?c=***"),
            ("https://host/?x=http://a@b&y=", "https://host/?x=***&y="),
            ("http://me:pa@ss@host", "http://host"),
            ("http://host?token=a#b", "http://host?token=***"),
            ("http://host/#access_token=a", "http://host/"),
            ("http://x/?size=2GiB&chunk=64KiB&seed=7", "http://x/?size=2GiB&chunk=64KiB&seed=7"),
            ("http://x/?size=hunter2&seed=1e5x&chunk=", "http://x/?size=***&seed=***&chunk="),
            ("http://x/?uploads", "http://x/?uploads"),
            ("http://x/?eyJhbGciOiJIUzI1NiJ9", "http://x/?***"),
            ("file:a@b?c=d", "file:a@b?c=d"),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }

    #[test]
    fn the_values_of_credential_flags_are_replaced_in_every_spelling() {
        for (line, shown) in [
            (vec!["send", "-u", "a:pw", "-k"], "send -u *** -k"),
            (vec!["send", "-ua:pw"], "send -u***"),
            (vec!["send", "-u=a:pw"], "send -u***"),
            (vec!["send", "-kua:pw"], "send -ku***"),
            (vec!["send", "-ku", "a:pw"], "send -ku ***"),
            (vec!["send", "-Lu", "a:pw"], "send -Lu ***"),
            (vec!["send", "-4pUa:pw"], "send -4pU***"),
            (vec!["send", "--proxy-user", "a:pw"], "send --proxy-user ***"),
            (vec!["send", "-x", "a:p@w@host:1"], "send -x host:1"),
            (vec!["send", "-xhttp://a:pw@host:1"], "send -xhttp://host:1"),
            (vec!["send", "--proxy=a:pw@host"], "send --proxy=host"),
            (vec!["prove", "--proxy", "http://host/?size={size}"], "prove --proxy http://host/?size={size}"),
            (vec!["send", "-F", "a=pw;type=b/c"], "send -F a=***"),
            (vec!["send", "-LFa=pw"], "send -LFa=***"),
            (vec!["send", "--form=a=@b", "-F", "c=<d"], "send --form=a=@b -F c=<d"),
            (vec!["send", "-F", "pw"], "send -F ***"),
            (vec!["send", "--user", "a:pw"], "send --user ***"),
            (vec!["send", "--user=a:pw"], "send --user=***"),
            (vec!["send", "--oauth2-bearer", "pw"], "send --oauth2-bearer ***"),
            (vec!["send", "--oauth2-bearer=pw"], "send --oauth2-bearer=***"),
            (vec!["send", "--token-file", "/a/b"], "send --token-file /a/b"),
            (vec!["send", "-H", "Cookie: pw"], "send -H Cookie: ***"),
            (vec!["send", "-HX-Api-Key:pw"], "send -HX-Api-Key: ***"),
            (vec!["send", "--header=Authorization: pw"], "send --header=Authorization: ***"),
            (vec!["send", "-H", "Content-Type: text/plain"], "send -H Content-Type: text/plain"),
            (vec!["send", "-H", "pw"], "send -H ***"),
            (vec!["send", "-H", "Accept:", "-H", "X-A;"], "send -H Accept: -H X-A;"),
            (vec!["send", "-X", "POST", "--label=http://a:b@c"], "send -X POST --label=http://c"),
        ] {
            assert_eq!(command(&line), shown);
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives_anywhere(
            secret in "SeCrEt[a-zA-Z0-9%:@!$'()*+,._~-]{0,20}",
            user in "[a-z%.]{0,5}",
            name in "[a-zA-Z0-9_-]{1,12}",
            path in "[a-z/]{0,10}",
        ) {
            let marker = "SeCrEt";
            let lines = [
                vec![format!("https://{user}:{secret}@host/{path}")],
                vec![format!("https://host/{path}?{name}={secret}&a=b")],
                vec![format!("https://host/{path}?a=b#{secret}")],
                vec!["-u".into(), format!("{user}:{secret}")],
                vec![format!("-ku{user}:{secret}")],
                vec![format!("-LpU{user}:{secret}")],
                vec!["-x".into(), format!("{user}:{secret}@host:1")],
                vec![format!("--proxy={user}:{secret}@host:1")],
                vec![format!("--user={user}:{secret}")],
                vec!["--oauth2-bearer".into(), secret.clone()],
                vec!["-F".into(), format!("{name}={secret}")],
                vec!["-H".into(), format!("Authorization: Bearer {secret}")],
                vec![format!("--header=X-{name}-Token: {secret}")],
                vec![format!("-HCookie: {name}={secret}")],
            ];
            for line in lines {
                let shown = redacted_command(line.clone());
                prop_assert!(!shown.contains(marker), "{line:?}: {shown}");
            }
        }
    }
}
