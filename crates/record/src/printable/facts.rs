//! The printable form of records, and of the facts about machines and programs in them.

use std::collections::BTreeMap;

use super::{is_printable, printable};
use crate::{Build, Fault, Host, Record, Shared, Warning};

impl Record {
    /// Returns the record with the texts about machines, programs, limits and failures in [`printable`] form. A file of
    /// records may come from anybody.
    #[must_use]
    pub fn printable(mut self) -> Self {
        self.run_id = shown(self.run_id);
        self.started_at = shown(self.started_at);
        self.case = self.case.printable();
        self.label = self.label.map(shown);
        self.peer = self.peer.map(shown);
        self.warnings = self.warnings.into_iter().map(Warning::printable).collect();
        self.error = self.error.map(Fault::printable);
        for host in [&mut self.host].into_iter().chain(&mut self.peer_host) {
            share(host, Host::is_printable, Host::printable);
        }
        for build in [&mut self.build].into_iter().chain(&mut self.peer_build) {
            share(build, Build::is_printable, Build::printable);
        }
        if !self.limits.is_printable() {
            self.limits = self.limits.printable();
            self.case.keep_key(|case| case.limits = self.limits.clone());
        }
        self
    }
}

impl Host {
    /// Returns the machine with all its texts in [`printable`] form.
    #[must_use]
    pub fn printable(self) -> Self {
        Self {
            name: self.name.map(shown),
            os: shown(self.os),
            kernel: self.kernel.map(shown),
            cpu: self.cpu.map(shown),
            huge_pages: self.huge_pages.map(shown),
            governor: self.governor.map(shown),
            clock_source: self.clock_source.map(shown),
            sysctls: shown_table(self.sysctls),
            ..self
        }
    }

    fn is_printable(&self) -> bool {
        let known =
            [&self.name, &self.kernel, &self.cpu, &self.huge_pages, &self.governor, &self.clock_source];
        let mut texts = known.into_iter().flatten().chain([&self.os]).chain(entries(&self.sysctls));
        texts.all(|text| is_printable(text))
    }
}

impl Build {
    /// Returns the build with all its texts in [`printable`] form.
    #[must_use]
    pub fn printable(self) -> Self {
        Self {
            version: shown(self.version),
            commit: self.commit.map(shown),
            profile: shown(self.profile),
            allocator: shown(self.allocator),
            versions: shown_table(self.versions),
        }
    }

    fn is_printable(&self) -> bool {
        let own = [&self.version, &self.profile, &self.allocator].into_iter().chain(&self.commit);
        own.chain(entries(&self.versions)).all(|text| is_printable(text))
    }
}

impl Warning {
    /// Returns the warning with all its texts in [`printable`] form.
    #[must_use]
    pub fn printable(self) -> Self {
        Self { name: shown(self.name), observed: shown(self.observed), expect: shown(self.expect) }
    }
}

impl Fault {
    /// Returns the failure with its message in [`printable`] form.
    #[must_use]
    pub fn printable(self) -> Self {
        Self { message: shown(self.message), ..self }
    }
}

fn shown(text: String) -> String {
    if is_printable(&text) { text } else { printable(&text) }
}

fn shown_table(table: BTreeMap<String, String>) -> BTreeMap<String, String> {
    table.into_iter().map(|(name, value)| (shown(name), shown(value))).collect()
}

fn entries(table: &BTreeMap<String, String>) -> impl Iterator<Item = &String> {
    table.iter().flat_map(|(name, value)| [name, value])
}

/// Replaces a value by its printable form, unless it has that form: records then go on sharing its memory.
fn share<T: Clone>(value: &mut Shared<T>, is_printable: fn(&T) -> bool, printable: fn(T) -> T) {
    if !is_printable(value) {
        *value = Shared::new(printable(T::clone(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Case, FaultKind, H3_RECV};

    const HOSTILE: &str = "a\u{1b}]0;b\u{7}\nc\u{202e}";

    fn host() -> Host {
        let text = || Some(HOSTILE.to_owned());
        Host {
            name: text(),
            os: HOSTILE.into(),
            kernel: text(),
            cpu: text(),
            huge_pages: text(),
            governor: text(),
            clock_source: text(),
            sysctls: BTreeMap::from([(HOSTILE.into(), HOSTILE.into())]),
            ..Host::default()
        }
    }

    fn build() -> Build {
        let text = || HOSTILE.to_owned();
        Build {
            version: text(),
            commit: Some(text()),
            profile: text(),
            allocator: text(),
            versions: BTreeMap::from([(text(), text())]),
        }
    }

    #[test]
    fn no_text_about_a_machine_or_program_controls_a_terminal() {
        let mut record = Record::new(HOSTILE, Case::new("h3"));
        record.warnings = vec![Warning::new(HOSTILE, HOSTILE, HOSTILE)];
        record.error = Some(Fault { message: HOSTILE.into(), ..Fault::new(FaultKind::Http, "") });
        (record.host, record.build) = (host().into(), build().into());
        (record.peer_host, record.peer_build) = (Some(host().into()), Some(build().into()));
        let limits = record.to_line().unwrap().replacen("\"bounded\"", "\"bou\\u001bnded\"", 2);
        let mut record = Record::from_json(limits.as_bytes()).unwrap();
        (record.case.protocol, record.started_at) = (HOSTILE.into(), HOSTILE.into());
        (record.label, record.peer) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
        assert_eq!(record.limits.choice(&H3_RECV), Some("bou\u{1b}nded"));
        let record = record.printable();
        assert_eq!(record.limits.choice(&H3_RECV), Some("bou\\u{1b}nded"));
        let shown = record.to_line().unwrap();
        assert!(!shown.contains("\\u001b") && !shown.contains('\u{202e}'), "{shown}");
        assert_eq!(shown.matches("a\\\\u{1b}]0;b\\\\u{7}\\\\nc\\\\u{202e}").count(), 40);
    }

    #[test]
    fn no_name_of_a_case_controls_a_terminal() {
        let line = Record::new("run", Case::new("h3")).to_line().unwrap();
        let hostile = line.replace("\"h3/", "\"h\\u001b[32m/").replace("\"h3\"", "\"h\\u001b[32m\"");
        let record = Record::from_json(hostile.as_bytes()).unwrap();
        assert!(record.case.key().to_string().contains('\u{1b}'), "{}", record.case.key());
        let shown = record.printable().case.key().to_string();
        assert!(!shown.contains('\u{1b}') && shown.starts_with("h\\u{1b}[32m/"), "{shown}");
    }

    #[test]
    fn usual_texts_stay_and_share_their_memory() {
        let mut record = Record::new("run", Case::new("h2"));
        record.host.name = Some("größer".into());
        let shown = record.clone().printable();
        assert_eq!(shown, record);
        assert!(std::ptr::eq(&*shown.host, &*record.host) && std::ptr::eq(&*shown.build, &*record.build));
    }
}
