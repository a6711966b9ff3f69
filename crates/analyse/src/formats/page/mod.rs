//! The page: one self-contained file for a browser.

mod case_data;
mod data;
mod proof_data;
mod static_page;
mod tiles;
mod timeline;

use std::borrow::Cow;

use super::{Format, FormatError, Report};
use data::Data;

/// The format of `report.html`.
pub(super) struct Html;

/// The style sheet of the pages of reports and of comparisons.
pub(super) const STYLE: &str = include_str!("style.css");

/// The scripts of the page, in the order of their dependencies.
const SCRIPTS: [&str; 17] = [
    include_str!("data.js"),
    include_str!("state.js"),
    include_str!("dom.js"),
    include_str!("theme.js"),
    include_str!("labels.js"),
    include_str!("terms.js"),
    include_str!("save.js"),
    include_str!("figure.js"),
    include_str!("charts-speed.js"),
    include_str!("charts-rows.js"),
    include_str!("charts-memory.js"),
    include_str!("charts-proof.js"),
    include_str!("matrix.js"),
    include_str!("table.js"),
    include_str!("filter.js"),
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
            ("{{content}}", static_page::content(report).into()),
            ("{{style}}", STYLE.into()),
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

/// Escapes a text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Analysis, Verdict,
        tests::{bad_day, run, runs, with},
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

    /// Returns records of `cases` cases in `rounds` rounds, with as many samples as a long run has.
    fn long_runs(cases: u64, rounds: u32) -> Vec<Record> {
        let sample = |at: u32| {
            let bytes = u64::from(at);
            (
                f64::from(at) * 0.012_345_678,
                9_633_792 + 4096 * bytes,
                1_318_912 + 4096 * bytes,
                8_388_608 * bytes,
            )
                .into()
        };
        let timeline: Vec<_> = (0..256).map(sample).collect();
        let record = |case: u64, round: u32| {
            let protocol = record::PROTOCOLS[(case % 8) as usize].name;
            with(run(protocol), |record: &mut Record| {
                record.case.chunk = (4096 * (1 + case / 8)).try_into().unwrap();
                record.round = round;
                record.goodput_bytes_per_s = Some(1.234_567_891e9 + f64::from(round) * 1.2345e7);
                for end in [&mut record.sender, &mut record.receiver].into_iter().flatten() {
                    end.memory.timeline = timeline.clone();
                    end.cpu.s_per_gib = Some(0.123_456_789);
                }
            })
        };
        (0..cases).flat_map(|case| (0..rounds).map(move |round| record(case, round))).collect()
    }

    #[test]
    fn pages_are_small_enough_to_send() {
        let size = |records: &[Record]| {
            Html.render(&Report::new("longhaul bench", records, &Analysis::of(records))).unwrap().len()
        };
        let (default, sweep) = (size(&long_runs(24, 6)), size(&long_runs(240, 3)));
        assert!(default < 900_000, "a default run: {default} bytes");
        assert!(sweep < 3_000_000, "a sweep of 720 runs: {sweep} bytes");
    }

    #[test]
    fn without_scripts_the_page_has_the_verdict_the_answers_and_the_cases() {
        let mut records = bad_day();
        records[0].warnings =
            vec![record::Warning::new("busy", "Others used 55 % of the CPU", "noisier figures")];
        let page = Html.render(&Report::new("longhaul bench", &records, &Analysis::of(&records))).unwrap();
        let main = page.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).unwrap();
        let parts = [
            "1 end took more memory",
            "<dt>Memory</dt>",
            "longhaul prove",
            "h2/up/64KiB/2GiB",
            "over budget",
        ];
        assert!(parts.iter().all(|part| main.contains(part)), "{main}");
        assert!(main.contains("Expect noisier figures."), "{main}");
        assert!(main.contains("it said &quot;no&quot;, twice"), "{main}");
    }

    #[test]
    fn a_finding_is_no_plain_success() {
        let kind = |records: &[Record]| {
            let analysis = Analysis::of(records);
            let data = serde_json::to_value(Data::of(&Report::new("", records, &analysis))).unwrap();
            (analysis.verdict(), data["verdict"]["kind"].as_str().unwrap().to_owned())
        };
        let fast = |protocol: &str, goodput: f64| {
            let goodputs = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map(|off| goodput + off);
            runs(protocol, &goodputs)
        };
        let good = [fast("tcp", 100.0), fast("tcp-ceiling", 200.0)].concat();
        assert_eq!(kind(&good), (Verdict::Good, "good".to_owned()));
        let early: Vec<Record> = good
            .iter()
            .cloned()
            .map(|record| with(record, |record| record.planned_runs = Some(99)))
            .collect();
        assert_eq!(kind(&early), (Verdict::Good, "early".to_owned()));
        let over = [fast("tcp", 200.0), fast("tcp-ceiling", 100.0)].concat();
        assert_eq!(kind(&over), (Verdict::Good, "remark".to_owned()));
    }
}
