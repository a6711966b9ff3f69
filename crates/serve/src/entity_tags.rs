//! The ETags in the conditions of a request (RFC 9110 section 13.1).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::validators::Validators;

/// The comparison of two ETags (RFC 9110 section 8.8.3.2). The ETags of this server are strong.
#[derive(Clone, Copy)]
pub(crate) enum Comparison {
    Strong,
    Weak,
}

/// The ETags in one condition of a request.
pub(crate) struct Tags {
    /// True if the condition is `*`, which any version meets.
    pub(crate) any: bool,
    tags: Vec<String>,
    /// True if a part of the condition is not an ETag.
    pub(crate) malformed: bool,
}

impl Tags {
    /// Parses the ETags in all fields of the name.
    pub(crate) fn of(headers: &HeaderMap, name: HeaderName) -> Self {
        let mut tags = Self { any: false, tags: Vec::new(), malformed: false };
        headers.get_all(name).iter().for_each(|value| tags.add(value));
        tags
    }

    fn add(&mut self, value: &HeaderValue) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let mut rest = text.trim();
        if rest == "*" {
            self.any = true;
            return;
        }
        while !rest.is_empty() {
            let (weak, quoted) = rest.strip_prefix("W/").map_or(("", rest), |quoted| ("W/", quoted));
            let Some((tag, after)) = quoted.strip_prefix('"').and_then(|tag| tag.split_once('"')) else {
                self.malformed = true;
                return;
            };
            self.tags.push(format!("{weak}\"{tag}\""));
            let after = after.trim_start();
            // An ETag is followed by a comma or by the end of the field.
            self.malformed |= !after.is_empty() && !after.starts_with(',');
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
    }

    /// Returns whether one of the tags matches the file.
    pub(crate) fn any_is(&self, file: &Validators, comparison: Comparison) -> bool {
        let is = |tag: &String| match comparison {
            Comparison::Strong => *tag == file.etag,
            Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag) == file.etag,
        };
        self.any || self.tags.iter().any(is)
    }
}
