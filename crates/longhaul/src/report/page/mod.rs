//! The page: one file with everything in it, for a browser.

mod data;

use super::{Render, Set};
use data::Data;

/// `report.html`.
pub(super) struct Html;

/// The scripts, in the order in which they build on each other.
const SCRIPTS: [&str; 9] = [
    include_str!("theme.js"),
    include_str!("dom.js"),
    include_str!("data.js"),
    include_str!("terms.js"),
    include_str!("figure.js"),
    include_str!("charts-speed.js"),
    include_str!("charts-memory.js"),
    include_str!("table.js"),
    include_str!("page.js"),
];

impl Render for Html {
    fn file(&self) -> &'static str {
        "report.html"
    }

    fn render(&self, set: &Set) -> anyhow::Result<String> {
        let data = serde_json::to_string(&Data::of(set))?;
        let parts = [
            ("{{title}}", escaped(set.title)),
            ("{{style}}", include_str!("style.css").into()),
            ("{{charts}}", include_str!("echarts.min.js").into()),
            ("{{script}}", SCRIPTS.concat()),
            // Nothing in it may end the element that it stands in.
            ("{{data}}", data.replace('<', "\\u003c")),
        ];
        Ok(filled(include_str!("template.html"), &parts))
    }
}

/// The template with each placeholder replaced; what is put in is not looked at again.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let first = parts.iter().filter_map(|(name, text)| Some((template.find(name)?, name, text))).min();
    match first {
        None => template.to_owned(),
        Some((at, name, text)) => {
            template[..at].to_owned() + text + &filled(&template[at + name.len()..], parts)
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::Record, report::tests::bad_day};

    #[test]
    fn a_page_is_one_file_whatever_the_records_say() {
        let nasty = "</script><script>alert(1)</script>{{style}}";
        let records: Vec<Record> =
            bad_day().into_iter().map(|record| Record { command: Some(nasty.into()), ..record }).collect();
        let page = Html.render(&Set::of("<b>&", &records, None)).unwrap();
        assert!(page.contains("<title>&lt;b>&amp;"), "{}", &page[..300]);
        assert!(!page.contains("<script>alert"));
        assert!(page.contains(r"\u003c/script>\u003cscript>alert(1)\u003c/script>{{style}}"));
        assert!(!page.contains("{{data}}") && !page.contains("{{charts}}"));
    }

    #[test]
    fn the_library_brings_its_licence() {
        assert!(include_str!("echarts.min.js").contains("Apache"));
        assert!(include_str!("echarts.LICENSE").contains("Apache License"));
    }
}
