//! Markdown for the summary of a CI job or a pull request.

use record::{Host, Record, mib};

use super::{Format, FormatError, Report, distinct, markdown_text::plain, proof, table};

/// The format of `summary.md`.
pub(super) struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn describe(&self) -> &'static str {
        "summary.md"
    }

    fn file(&self) -> &'static str {
        "summary.md"
    }

    fn is_default(&self) -> bool {
        true
    }

    fn render(&self, report: &Report<'_>) -> Result<String, FormatError> {
        let body = match &report.analysis.proof {
            Some(proof) => proof::markdown(proof, &report.analysis.findings),
            None => table::markdown(report.analysis),
        };
        let commands = report.commands().into_iter().map(|command| format!("- command: {}\n", code(command)));
        let made = distinct(report.records.iter().map(provenance));
        let analysis = report.analysis;
        let warnings: String =
            analysis.warnings.iter().map(|warning| format!("**Warning:** {}\n\n", plain(warning))).collect();
        let answer: String =
            analysis.answer().lines().iter().map(|line| format!("- {}\n", plain(line))).collect();
        let answer = if answer.is_empty() { answer } else { format!("{answer}\n") };
        let notes: String = analysis.notes.iter().map(|note| format!("- note: {}\n", plain(note))).collect();
        Ok(format!(
            "# {}\n\n{}\n\n{warnings}{answer}{body}\n{notes}{}{}",
            plain(report.title),
            plain(&analysis.sentence()),
            commands.collect::<String>(),
            made.concat()
        ))
    }
}

/// Returns text as code in Markdown: between more backticks than it has in a row.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(1 + runs.max().unwrap_or(0));
    let space = if text.contains('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Returns the machines, the build and the library versions of a record as items of a Markdown list.
fn provenance(record: &Record) -> String {
    let build = &record.build;
    let unknown = || "unknown".to_owned();
    let versions: Vec<_> = build.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let machines = match &record.peer_host {
        None => format!("- machine: {}\n", machine(&record.host)),
        Some(peer) => {
            let name = |host: &Host| host.name.clone().unwrap_or_else(unknown);
            format!(
                "- machine of the client: {}, {}\n- machine of the server: {}, {}\n",
                plain(&name(&record.host)),
                machine(&record.host),
                plain(&name(peer)),
                machine(peer)
            )
        }
    };
    format!(
        "{machines}- build: longhaul {version} ({commit}, {profile}), {allocator}\n- versions: {versions}\n",
        version = build.version,
        commit = build.commit.clone().unwrap_or_else(unknown),
        profile = build.profile,
        allocator = build.allocator,
        versions = versions.join(", "),
    )
}

/// Returns a machine in words, without its name.
fn machine(host: &Host) -> String {
    let unknown = || "unknown".to_owned();
    format!(
        "{cpu}, {cores} cores, {memory}, {os} {kernel}",
        cpu = host.cpu.clone().unwrap_or_else(unknown),
        cores = host.cores.map_or_else(unknown, |cores| cores.to_string()),
        memory = host.memory_bytes.map_or_else(unknown, |bytes| format!("{:.0} GiB", mib(bytes) / 1024.0)),
        os = host.os,
        kernel = host.kernel.clone().unwrap_or_else(unknown),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Analysis,
        tests::{bad_day, with},
    };

    #[test]
    fn a_summary_has_verdict_table_and_provenance() {
        let mut records = bad_day();
        records[0] = with(records[0].clone(), |record| {
            record.build.versions.insert("hyper".into(), "1.12.0".into());
        });
        let analysis = Analysis::of(&records);
        let text = Markdown.render(&Report::new("A run", &records, &analysis)).unwrap();
        assert!(
            text.starts_with("# A run\n\n1 end took more memory than its budget, 1 run failed.\n"),
            "{text}"
        );
        assert!(
            text.contains("| h2/up/64KiB/2GiB") && text.contains("- command: `longhaul bench`"),
            "{text}"
        );
        assert!(text.contains("- versions: hyper 1.12.0"), "{text}");
    }

    #[test]
    fn text_of_others_stays_within_its_cell_and_line() {
        let markup = "a|b\n# <b>c</b> ![d](http://d/)";
        let records: Vec<_> = bad_day()
            .into_iter()
            .map(|record| {
                with(record, |record| {
                    record.label = Some(markup.into());
                    record.command = Some(format!("longhaul bench --label '{markup} `e`'"));
                    record.warnings = vec![record::Warning::new("load", markup, markup)];
                    if let Some(error) = &mut record.error {
                        error.message = markup.into();
                    }
                })
            })
            .collect();
        let text = Markdown.render(&Report::new(markup, &records, &Analysis::of(&records))).unwrap();
        let headings = text.lines().filter(|line| line.starts_with('#')).count();
        let rows: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.replace("\\|", "").matches('|').count())
            .collect();
        assert!(headings == 1 && rows.len() == 5 && rows.iter().all(|bars| *bars == 9), "{rows:?} {text}");
        let outside_code = text.lines().filter(|line| !line.starts_with("- command: ``"));
        let outside_code = outside_code.collect::<Vec<_>>().concat();
        assert!(!outside_code.contains("<b>") && !outside_code.contains("[d](http"), "{text}");
        assert_eq!(code("a `b` ``c"), "``` a `b` ``c ```");
    }
}
