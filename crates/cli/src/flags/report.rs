//! The flags of `longhaul report`.

use std::path::PathBuf;

use analyse::{FORMATS, Format};
use clap::Args;

use super::{
    names::{Named, named},
    values::distinct,
};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Files of records, or folders of results
    #[arg(required = true)]
    pub(crate) records: Vec<PathBuf>,
    /// Folder for the report
    #[arg(short, long, alias = "out", value_name = "DIR", default_value = "report")]
    pub(crate) output: PathBuf,
    /// Files to write [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = formats())]
    format: Vec<Named<&'static dyn Format>>,
    /// Also write the pictures as SVG files
    #[arg(long)]
    pub(crate) svg: bool,
    /// TOML file of ceilings, as for `longhaul check`: they are drawn into the pictures, and breaches are reported
    #[arg(long, value_name = "FILE")]
    pub(crate) ceilings: Option<PathBuf>,
    /// Title of the report [default: the command that made the records]
    #[arg(long)]
    pub(crate) title: Option<String>,
}

impl ReportArgs {
    /// Returns the formats to write.
    pub(crate) fn formats(&self) -> Vec<&'static dyn Format> {
        if self.format.is_empty() {
            return FORMATS.to_vec();
        }
        distinct(&self.format).iter().map(|Named(_, format)| *format).collect()
    }
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Named<&'static dyn Format>> {
    named(FORMATS.iter().map(|format| (format.name(), *format)))
}
