//! Placeholders in command lines and configuration files of peers.

/// The value of a placeholder `{name}`.
pub(super) type Value = (&'static str, String);

/// Returns a text with a value in place of each known placeholder. Braces around any other text stay as they are.
pub(super) fn fill(text: &str, values: &[Value]) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = values
            .iter()
            .find_map(|(name, value)| Some((value, after.strip_prefix(name)?.strip_prefix('}')?)));
        match known {
            Some((value, left)) => {
                filled.push_str(value);
                rest = left;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

/// Leaves a value as it is.
pub(super) fn unescaped(value: &str) -> String {
    value.to_owned()
}

/// Escapes a value for a string of nginx between double quotation marks.
pub(super) fn escaped_for_nginx(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Escapes a value for a string of a Caddyfile between double quotation marks, in which a backslash before any other
/// character stands for itself.
pub(super) fn escaped_for_caddy(value: &str) -> String {
    value.replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_placeholders_are_filled_once_and_other_braces_stay() {
        let values = [("port", "80".to_owned()), ("url", "{port}".to_owned())];
        assert_eq!(fill("{{port} {url}{x} {port", &values), "{80 {port}{x} {port");
        assert_eq!(fill("", &values), "");
    }

    #[test]
    fn quotation_marks_and_backslashes_are_escaped_as_each_server_reads_them() {
        let path = r#"/a b/"c"/\d"#;
        assert_eq!(unescaped(path), path);
        assert_eq!(escaped_for_nginx(path), r#"/a b/\"c\"/\\d"#);
        assert_eq!(escaped_for_caddy(path), r#"/a b/\"c\"/\d"#);
    }
}
