//! Reports: one file per format, and text for a terminal.

mod cases;
mod cells;
mod change_picture;
mod comparison;
mod comparison_groups;
mod comparison_junit;
mod comparison_markdown;
mod comparison_page;
mod conformance;
mod csv;
mod findings;
mod framing;
mod gate;
mod grouped;
mod junit;
mod limits;
mod markdown;
mod markdown_text;
mod merged;
mod page;
mod palette;
mod pictures;
mod programs;
mod proof;
mod proof_lines;
mod reproduction;
mod screen;
mod setups;
mod table;
mod tuning;

use std::{
    collections::HashSet,
    fs,
    hash::Hash,
    io,
    path::{Path, PathBuf},
};

use record::Record;

use crate::{Analysis, Ceilings};

pub use comparison::comparison_text;
pub use comparison_junit::comparison_junit;
pub use comparison_markdown::comparison_markdown;
pub use comparison_page::{COMPARISON_PAGE, comparison_page};
pub use conformance::{conformance_junit, conformance_text, trial_text};
pub use gate::{gate_junit, gate_text};
pub use pictures::write_pictures;
pub use proof::proof_text;
pub use reproduction::reproduction_text;
pub use screen::{Screen, Tone};
pub use table::{answer, table};
pub use tuning::untuned_markdown;

/// The input of every format.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// The headline of the report.
    pub title: &'a str,
    /// The records of the report.
    pub records: &'a [Record],
    /// The conclusions from the records.
    pub analysis: &'a Analysis<'a>,
    /// The ceilings to draw into the charts; `None` for none.
    pub ceilings: Option<&'a Ceilings>,
    /// The files of these records; empty for one beside the report, or none.
    sources: &'a [PathBuf],
    /// The paths of the files of these records, as seen from the folder of the report.
    links: &'a [String],
}

impl<'a> Report<'a> {
    /// Creates a report of records under the headline `title`.
    pub fn new(title: &'a str, records: &'a [Record], analysis: &'a Analysis<'a>) -> Self {
        Self { title, records, analysis, ceilings: None, sources: &[], links: &[] }
    }

    /// Adds ceilings, which charts then show.
    #[must_use]
    pub fn with_ceilings(self, ceilings: Option<&'a Ceilings>) -> Self {
        Self { ceilings, ..self }
    }

    /// Adds the files of the records, to which the page links.
    #[must_use]
    pub fn with_sources(self, sources: &'a [PathBuf]) -> Self {
        Self { sources, ..self }
    }

    /// Returns the command lines that made the records, without repetitions.
    fn commands(&self) -> Vec<&'a str> {
        distinct(self.records.iter().filter_map(|record| record.command.as_deref()))
    }
}

/// A format that renders a report as one file: an entry of [`FORMATS`].
pub trait Format: Sync {
    /// Returns the name of the format, as the flags of commands take it.
    fn name(&self) -> &'static str;

    /// Returns a description of the format's file in one line.
    fn describe(&self) -> &'static str;

    /// Returns the name of the format's file.
    fn file(&self) -> &'static str;

    /// Returns whether `bench` and `prove` write the file beside their records.
    fn is_default(&self) -> bool {
        false
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    /// Fails if the data cannot be written in the format.
    fn render(&self, report: &Report<'_>) -> Result<String, FormatError>;
}

/// All formats.
pub static FORMATS: &[&dyn Format] =
    &[&page::Html, &markdown::Markdown, &csv::Csv, &junit::Junit, &cases::Cases];

/// A failure to write a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The folder cannot be created.
    #[error("cannot write the report into {}: {source}", path.display())]
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// The data cannot be written in the format.
    #[error("cannot make {file}: {source}")]
    Render {
        /// The name of the file.
        file: String,
        /// The reason of the library that writes the format.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FormatError {
    fn render(file: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Render { file: file.into(), source: source.into() }
    }
}

/// Writes a report into a folder, in each of `formats`. Each file is replaced as a whole or left as it was. If a file
/// cannot be written, the others still are, because a full disk may have room for smaller files.
///
/// # Errors
/// Fails if the folder or a file cannot be written, or the data cannot be written in a format.
pub fn write(report: &Report<'_>, formats: &[&dyn Format], folder: &Path) -> Result<(), FormatError> {
    fs::create_dir_all(folder).map_err(|source| FormatError::Folder { path: folder.to_owned(), source })?;
    let links: Vec<String> = match report.sources {
        [] => records_in(folder, report.records).map(str::to_owned).into_iter().collect(),
        sources => sources.iter().filter_map(|file| link(folder, file)).collect(),
    };
    let report = Report { links: &links, ..*report };
    let written = formats.iter().map(|format| write_one(&report, *format, folder));
    written.fold(Ok(()), Result::and)
}

/// The name of a file of records in a folder of results.
const RECORDS: &str = "records.jsonl";

/// Returns the name of the file of records in a folder; `None` unless the file begins with the first of `records`.
fn records_in(folder: &Path, records: &[Record]) -> Option<&'static str> {
    let first = records.first()?;
    let mut line = Vec::new();
    let mut file = io::BufReader::new(fs::File::open(folder.join(RECORDS)).ok()?);
    io::BufRead::read_until(&mut file, b'\n', &mut line).ok()?;
    let read = Record::from_json(&line).ok()?;
    ((&read.run_id, &read.started_at) == (&first.run_id, &first.started_at)).then_some(RECORDS)
}

/// Returns the path of a file as seen from a folder, with `/` between its parts; `None` if either does not exist.
fn link(folder: &Path, file: &Path) -> Option<String> {
    let (folder, file) = (folder.canonicalize().ok()?, file.canonicalize().ok()?);
    let common = folder.components().zip(file.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = file.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

fn write_one(report: &Report<'_>, format: &dyn Format, folder: &Path) -> Result<(), FormatError> {
    let (path, part) = (folder.join(format.file()), folder.join(format!(".{}.part", format.file())));
    let text = format.render(report)?;
    fs::write(&part, text).and_then(|()| fs::rename(&part, &path)).map_err(|source| {
        // The incomplete file would take up room that the other files need.
        let _ = fs::remove_file(&part);
        FormatError::File { path, source }
    })
}

/// Returns the warnings of the machine as remarks that begin with "Warning: ".
fn warned<'a>(analysis: &'a Analysis<'_>) -> impl Iterator<Item = String> + use<'a> {
    analysis.warnings.iter().map(|warning| format!("Warning: {warning}"))
}

/// Returns each item once, in the order of its first appearance.
fn distinct<T: Eq + Hash + Clone>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = HashSet::new();
    items.filter(|item| known.insert(item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with};

    #[test]
    fn a_page_beside_its_records_links_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = ([run("h2")], [with(run("h2"), |record| record.run_id = "other".into())]);
        fs::write(folder.path().join(RECORDS), own[0].to_line().unwrap()).unwrap();
        let links = |records: &[Record]| {
            write(&Report::new("x", records, &Analysis::of(records)), &[&page::Html], folder.path()).unwrap();
            fs::read_to_string(folder.path().join("report.html"))
                .unwrap()
                .contains("\"links\":[\"records.jsonl\"]")
        };
        assert!(links(&own));
        assert!(!links(&other), "records of another session");
    }

    #[test]
    fn the_link_to_a_file_leads_out_of_the_folder_of_the_report() {
        let root = tempfile::tempdir().unwrap();
        let (page, file) = (root.path().join("pages/a"), root.path().join("runs/records.jsonl.zst"));
        fs::create_dir_all(&page).unwrap();
        fs::create_dir(root.path().join("runs")).unwrap();
        fs::write(&file, "").unwrap();
        assert_eq!(link(&page, &file).unwrap(), "../../runs/records.jsonl.zst");
        assert_eq!(link(&root.path().join("runs"), &file).unwrap(), "records.jsonl.zst");
        assert_eq!(link(&page, &root.path().join("absent")), None);
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_no_other_one_back() {
        let folder = tempfile::tempdir().unwrap();
        let records = [run("h2")];
        let analysis = Analysis::of(&records);
        // A folder has the name of the page.
        fs::create_dir(folder.path().join("report.html")).unwrap();
        let formats: Vec<&dyn Format> = vec![&page::Html, &markdown::Markdown];
        let error = write(&Report::new("x", &records, &analysis), &formats, folder.path()).unwrap_err();
        assert!(error.to_string().contains("report.html"), "{error}");
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["report.html", "summary.md"]);
    }
}
