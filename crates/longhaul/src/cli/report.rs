//! The flags of `longhaul report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Files of records, or folders of results
    #[arg(required = true)]
    pub(crate) records: Vec<PathBuf>,
    /// The folder for the report
    #[arg(short, long, value_name = "DIR", default_value = "report")]
    pub(crate) out: PathBuf,
    /// Which files to write
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "html,markdown,csv,junit")]
    pub(crate) format: Vec<Format>,
    /// Also write the pictures as SVG files
    #[arg(long)]
    pub(crate) svg: bool,
    /// A TOML file of ceilings, as for `longhaul check`: drawn into the pictures, and breaches are reported
    #[arg(long, value_name = "FILE")]
    pub(crate) ceilings: Option<PathBuf>,
    /// What the report is headed
    #[arg(long, default_value = "longhaul report")]
    pub(crate) title: String,
}

/// A file of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// report.html, a page for a browser
    Html,
    /// summary.md
    Markdown,
    /// records.csv, a line a run
    Csv,
    /// junit.xml, a case a test
    Junit,
}
