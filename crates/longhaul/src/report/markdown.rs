//! Markdown, for a job's summary or a pull request.

use super::{Render, Set, conditions, table};
use crate::{distinct::distinct, record::Record, size::mib};

/// `summary.md`.
pub(super) struct Markdown;

impl Render for Markdown {
    fn file(&self) -> &'static str {
        "summary.md"
    }

    fn render(&self, set: &Set) -> anyhow::Result<String> {
        let body = match &set.conclusion {
            Some(conclusion) => conclusion.markdown.clone(),
            None => format!("{}\n\n{}", set.verdict(), table::markdown(set)),
        };
        let commands = set.commands().into_iter().map(|command| format!("- command: `{command}`\n"));
        let made = distinct(set.records.iter().map(provenance));
        let notes =
            conditions::distance(set.records).map_or(String::new(), |note| format!("- note: {note}\n"));
        Ok(format!("# {}\n\n{body}\n{notes}{}{}", set.title, commands.collect::<String>(), made.concat()))
    }
}

/// The machine and the build of a record.
fn provenance(Record { host, build, .. }: &Record) -> String {
    let unknown = || "unknown".to_owned();
    let memory = host.memory_bytes.map_or_else(unknown, |bytes| format!("{:.0} GiB", mib(bytes) / 1024.0));
    let versions: Vec<_> = build.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "- machine: {cpu}, {cores} cores, {memory}, {os} {kernel}\n\
         - build: longhaul {version} ({commit}, {profile}), {allocator}\n- versions: {versions}\n",
        cpu = host.cpu.clone().unwrap_or_else(unknown),
        cores = host.cores.map_or_else(unknown, |cores| cores.to_string()),
        os = host.os,
        kernel = host.kernel.clone().unwrap_or_else(unknown),
        version = build.version,
        commit = build.commit.clone().unwrap_or_else(unknown),
        profile = build.profile,
        allocator = build.allocator,
        versions = versions.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::bad_day;

    #[test]
    fn a_page_tells_table_verdict_and_provenance() {
        let records = bad_day();
        let text = Markdown.render(&Set::of("A run", &records, None)).unwrap();
        assert!(
            text.starts_with("# A run\n\n1 end took more memory than its budget, 1 run failed.\n"),
            "{text}"
        );
        assert!(
            text.contains("| h2/up/64KiB/2GiB") && text.contains("- command: `longhaul bench`"),
            "{text}"
        );
        assert!(text.contains("- versions: ") && text.contains("hyper "), "{text}");
    }
}
