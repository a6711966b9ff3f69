//! `cargo xtask third-party`: writes `THIRD-PARTY.txt`, with the licence texts of all packages that the program links,
//! and of the libraries in the page of a report.

mod packages;
mod text;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use packages::Package;
use text::{Source, Texts};

use crate::workspace;

/// The generated file, below the root.
const FILE: &str = "THIRD-PARTY.txt";

/// The notices and licences of the chart library and of the code that it contains, below the root.
const CHARTS: &str = "crates/analyse/src/formats/page/echarts.LICENSE";

/// Write the licence texts of all linked packages into THIRD-PARTY.txt
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the file is not up to date
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = workspace::root();
    let text = render(&packages::linked()?, root)?;
    let path = root.join(FILE);
    if !arguments.check {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if found != text {
        bail!("{FILE} does not fit Cargo.lock; run `cargo xtask third-party`, and commit the file");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the content of the file.
fn render(packages: &[Package], root: &Path) -> Result<String> {
    let mut texts = Texts::default();
    let mut without = Vec::new();
    for package in packages {
        let files = package.licence_files()?;
        if files.is_empty() {
            let licence = package.licence();
            ensure!(licence.contains("MIT"), "{} has no text of its licence, {licence}", package.identity());
            without.push(package);
        }
        for file in files {
            let source = Source { package: package.identity(), file: file.clone() };
            texts.add(&read(&package.folder().join(&file))?, source);
        }
    }
    let charts =
        Source { package: "Apache ECharts, in the report's page".into(), file: "echarts.LICENSE".into() };
    texts.add(&read(&root.join(CHARTS))?, charts);
    Ok(text::document(&texts, &without))
}

/// Reads the text of a file. Some names of authors are not in UTF-8.
fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
