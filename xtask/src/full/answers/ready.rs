//! The preparation of a program: its file, its build and its configuration.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{Outcome, programs::Program};
use crate::{
    full::interop::{filled, find, python},
    workspace::{self, Metadata},
};

/// A program that can be started.
pub(super) struct Ready {
    /// The temporary folder of the program, which is removed with this value.
    pub(super) folder: TempDir,
    command: Vec<String>,
    values: Vec<(&'static str, String)>,
}

impl Ready {
    /// Prepares a program. If the program or its compiler is not installed, adds a note and returns `None`. If it
    /// cannot be built, adds a failed check and returns `None`.
    pub(super) fn new(program: &Program, outcome: &mut Outcome) -> Result<Option<Self>> {
        let Some(tools) = Tools::of(program)? else {
            outcome.notes.push(format!("not available: {}", program.name));
            return Ok(None);
        };
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let values = values(folder.path())?;
        if let Some(config) = program.config {
            fs::write(folder.path().join("config"), fill(config, &values)).context("no configuration")?;
        }
        if let Some((compiler, words)) = tools.compiler {
            let words = words.iter().map(|word| fill(word, &values));
            let built = Command::new(compiler).args(words).status().context("cannot start a compiler")?;
            if !built.success() {
                outcome.check(program.name, "a program that builds", built.to_string(), false);
                return Ok(None);
            }
        }
        let mut command: Vec<String> = program.command.iter().map(|word| fill(word, &values)).collect();
        if let (Some(first), Some(file)) = (command.first_mut(), tools.file) {
            *first = file.to_string_lossy().into_owned();
        }
        Ok(Some(Self { folder, command, values }))
    }

    /// Returns the arguments of longhaul, followed by the command line.
    pub(super) fn words(&self, arguments: &[&str]) -> Vec<String> {
        let arguments = arguments.iter().map(|word| fill(word, &self.values));
        arguments.chain(["--".to_owned()]).chain(self.command.iter().cloned()).collect()
    }
}

/// The files that a program needs.
struct Tools {
    /// The file of the program; `None` if the program is still to be built.
    file: Option<PathBuf>,
    /// The compiler and its arguments.
    compiler: Option<(PathBuf, &'static [&'static str])>,
}

impl Tools {
    /// Finds the files of a program; `None` if one of them is not installed.
    fn of(program: &Program) -> Result<Option<Self>> {
        let name = program.command.first().copied().unwrap_or_default();
        let file = match name {
            "python" => {
                let python = python()?;
                program.modules.iter().all(|module| has_module(&python, module)).then_some(python)
            }
            _ => find(name),
        };
        let is_built = name.contains('/');
        let compiler = match program.built_by.and_then(|words| words.split_first()) {
            None => None,
            Some((compiler, words)) => match find(compiler) {
                Some(file) => Some((file, words)),
                None => return Ok(None),
            },
        };
        Ok((is_built || file.is_some()).then_some(Self { file: file.filter(|_| !is_built), compiler }))
    }
}

fn has_module(python: &Path, module: &str) -> bool {
    let tried = Command::new(python).args(["-c", &format!("import {module}")]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Returns the values of the placeholders.
fn values(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let root = workspace::root();
    Ok(vec![
        ("peers", text(root.join("tests/peers"))),
        ("crates", text(root.join("xtask/peers"))),
        ("examples", text(root.join("examples"))),
        ("target", text(Metadata::read()?.target_directory)),
        ("folder", text(folder.to_owned())),
        ("listen", free_port()?),
        ("upstream", free_port()?),
    ])
}

fn fill(text: &str, values: &[(&'static str, String)]) -> String {
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    filled(text, &values)
}

fn free_port() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port().to_string())
}
