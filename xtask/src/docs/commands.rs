//! The reference of the command line: the help of each command, as the program prints it.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The file, below the root.
pub(super) const FILE: &str = "docs/reference/commands.md";

/// The text before the commands.
const HEAD: &str = "# Command line

The help of each command, as `longhaul COMMAND --help` prints it. `cargo xtask docs` writes this page, and CI compares it with
the program. [Exit codes](exit-codes.md), [limits](limits.md), and the requests of [`send` and `fetch`](send-fetch.md) and of
[`serve`](serve.md) have pages of their own.
";

/// Returns the page for a program.
///
/// # Errors
/// Fails if the program does not run.
pub(super) fn page(program: &Path) -> Result<String> {
    let names = names(program)?;
    let helps = names.iter().map(|name| help(program, &[name])).collect::<Result<Vec<_>>>()?;
    Ok(written(&help(program, &[])?, &names, &helps))
}

/// Returns the names of all commands, taken from their manual pages.
fn names(program: &Path) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let pages = folder.path().to_str().context("a folder whose name is no UTF-8")?;
    output(program, &["man", "-o", pages])?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).context("cannot list the manual pages")?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("longhaul-").and_then(|rest| rest.strip_suffix(".1"));
        names.extend(name.map(str::to_owned));
    }
    ensure!(!names.is_empty(), "{} wrote no manual page of a command", program.display());
    names.sort();
    Ok(names)
}

fn help(program: &Path, command: &[&str]) -> Result<String> {
    output(program, &[command, &["--help"]].concat())
}

/// Runs the program. Returns its standard output.
fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    // With the width of a terminal, lines would break at other places.
    let output = Command::new(program)
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} {} failed", program.display(), arguments.join(" "));
    String::from_utf8(output.stdout).context("help that is no UTF-8")
}

/// Returns the page with the help of the program and of its commands.
fn written(overview: &str, names: &[String], helps: &[String]) -> String {
    let mut text = HEAD.to_owned();
    let links: Vec<String> = names.iter().map(|name| format!("[`{name}`](#longhaul-{name})")).collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "\nCommands: {}.\n\n```text\n{}\n```", links.join(", "), tidied(overview));
    for (name, help) in names.iter().zip(helps) {
        let _ = writeln!(text, "\n## longhaul {name}\n\n```text\n{}\n```", tidied(help));
    }
    text
}

/// Returns a text without spaces at the ends of lines and without empty lines at its end.
fn tidied(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_heading_and_a_link_to_it() {
        let page = written("All  \n\n", &["bench".into(), "man".into()], &["One\n".into(), "Two".into()]);
        let expected = "Commands: [`bench`](#longhaul-bench), [`man`](#longhaul-man).\n\n```text\nAll\n```\n\n\
                        ## longhaul bench\n\n```text\nOne\n```\n\n## longhaul man\n\n```text\nTwo\n```\n";
        assert_eq!(page.strip_prefix(HEAD).map(str::trim_start), Some(expected));
    }
}
