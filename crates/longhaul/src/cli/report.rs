//! The flags of `longhaul report`.

use std::path::PathBuf;

use clap::Args;

use crate::report::{FORMATS, Format};

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Files of records, or folders of results
    #[arg(required = true)]
    pub(crate) records: Vec<PathBuf>,
    /// The folder for the report
    #[arg(short, long, value_name = "DIR", default_value = "report")]
    pub(crate) out: PathBuf,
    /// Which files: html, markdown, csv, junit
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "html,markdown,csv,junit", value_parser = format)]
    pub(crate) format: Vec<&'static dyn Format>,
    /// Also write the pictures as SVG files
    #[arg(long)]
    pub(crate) svg: bool,
    /// A TOML file of ceilings, as for `longhaul check`: drawn into the pictures, and breaches are reported
    #[arg(long, value_name = "FILE")]
    pub(crate) ceilings: Option<PathBuf>,
    /// What the report is headed
    #[arg(long)]
    pub(crate) title: Option<String>,
}

fn format(name: &str) -> Result<&'static dyn Format, String> {
    let known = || FORMATS.map(|format| format.name()).join(", ");
    let found = FORMATS.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| format!("it must be one of {}", known()))
}

impl std::fmt::Debug for ReportArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportArgs")
            .field("records", &self.records)
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}
