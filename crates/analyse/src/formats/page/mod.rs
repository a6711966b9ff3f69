//! The page: one self-contained file for a browser.

mod data;

use std::borrow::Cow;

use super::{Format, FormatError, Report};
use data::Data;

/// The format of `report.html`.
pub(super) struct Html;

/// The scripts of the page, in the order in which they use each other.
const SCRIPTS: [&str; 10] = [
    include_str!("theme.js"),
    include_str!("dom.js"),
    include_str!("data.js"),
    include_str!("terms.js"),
    include_str!("figure.js"),
    include_str!("charts-speed.js"),
    include_str!("charts-memory.js"),
    include_str!("table.js"),
    include_str!("framing.js"),
    include_str!("page.js"),
];

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn describe(&self) -> &'static str {
        "report.html, a page for a browser"
    }

    fn file(&self) -> &'static str {
        "report.html"
    }

    fn is_default(&self) -> bool {
        true
    }

    fn render(&self, report: &Report<'_>) -> Result<String, FormatError> {
        let data = serde_json::to_string(&Data::of(report))
            .map_err(|error| FormatError::render(self.file(), error))?;
        let parts = [
            ("{{title}}", escaped(report.title).into()),
            ("{{style}}", include_str!("style.css").into()),
            ("{{charts}}", include_str!("echarts.min.js").into()),
            ("{{script}}", SCRIPTS.concat().into()),
            ("{{licences}}", include_str!("echarts.LICENSE").into()),
            // The data must not contain `<`, which could end the enclosing element.
            ("{{data}}", if data.contains('<') { data.replace('<', "\\u003c").into() } else { data.into() }),
        ];
        Ok(filled(include_str!("template.html"), &parts))
    }
}

/// Returns the template with each placeholder replaced once. Placeholders inside a replacement are not replaced.
fn filled(mut template: &str, parts: &[(&str, Cow<'_, str>)]) -> String {
    // The data of many cases is large, so the capacity is reserved in advance to copy the data only once.
    let mut page =
        String::with_capacity(template.len() + parts.iter().map(|part| part.1.len()).sum::<usize>());
    let first =
        |rest: &str| parts.iter().filter_map(|(name, text)| Some((rest.find(name)?, *name, text))).min();
    while let Some((at, name, text)) = first(template) {
        page += &template[..at];
        page += text;
        template = &template[at + name.len()..];
    }
    page + template
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Analysis,
        tests::{bad_day, with},
    };

    #[test]
    fn the_licences_of_the_chart_library_travel_with_the_page() {
        let page = Html.render(&Report::new("", &[], &Analysis::of(&[]))).unwrap();
        for sentence in ["Apache License", "Redistribution and use in source and binary forms"] {
            assert!(page.contains(sentence), "{sentence}");
        }
        assert!(
            !include_str!("echarts.LICENSE").contains("--"),
            "it would end the comment that it stands in"
        );
    }

    #[test]
    fn a_page_is_one_file_whatever_the_records_say() {
        let nasty = "</script><script>alert(1)</script>{{style}}";
        let edit = |record| with(record, |record: &mut Record| record.command = Some(nasty.into()));
        let records: Vec<Record> = bad_day().into_iter().map(edit).collect();
        let analysis = Analysis::of(&records);
        let page = Html.render(&Report::new("<b>&", &records, &analysis)).unwrap();
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
