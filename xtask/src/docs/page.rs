//! A page of Markdown: its links and its anchors.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::markdown;

/// The pages outside the folders of [`Page::all`], below the root.
const AT_THE_ROOT: [&str; 4] = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The folders that have pages.
const FOLDERS: [&str; 5] = ["docs", "results", "crates", "examples", "python"];

/// A page of the documentation.
#[derive(Debug)]
pub(super) struct Page {
    /// The path below the root.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A link from a page to a file of the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The line of the link, from 1.
    pub(super) line: usize,
    /// The path below the root.
    pub(super) path: PathBuf,
    /// The part after `#`.
    pub(super) anchor: Option<String>,
}

impl Page {
    /// Reads all pages of the documentation.
    ///
    /// # Errors
    /// Fails if a file or a folder cannot be read.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>> {
        let mut files: Vec<PathBuf> = AT_THE_ROOT.iter().map(|file| root.join(file)).collect();
        for folder in FOLDERS {
            files.extend(markdown::below(&root.join(folder))?);
        }
        let read = |file: PathBuf| {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Self::new(file.strip_prefix(root).unwrap_or(&file), text))
        };
        files.into_iter().map(read).collect()
    }

    pub(super) fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }

    /// Returns the links to files, without those to other hosts.
    pub(super) fn links(&self) -> Vec<Link> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            for target in targets(&without_code(text)) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (file, anchor) = match target.split_once('#') {
                    Some((file, anchor)) => (file, Some(anchor.to_owned())),
                    None => (target.as_str(), None),
                };
                let path = if file.is_empty() { self.path.clone() } else { resolved(folder, file) };
                links.push(Link { line, path, anchor });
            }
        }
        links
    }

    /// Returns the anchors of the headings, as GitHub forms them.
    pub(super) fn anchors(&self) -> HashSet<String> {
        let (mut anchors, mut seen) = (HashSet::new(), HashMap::new());
        for (_, line) in self.prose().filter(|(_, line)| line.starts_with('#')) {
            let anchor = anchor(line.trim_start_matches('#').trim());
            let count: &mut u32 = seen.entry(anchor.clone()).or_default();
            anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
            *count += 1;
        }
        anchors
    }

    /// Returns the lines outside fenced blocks, with their numbers from 1.
    pub(super) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !fenced && !is_fence
        })
    }
}

/// Returns the targets of the links in a line.
fn targets(line: &str) -> Vec<String> {
    let ends = line.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// Returns a line without the text between single backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// Returns the anchor of a heading: in lower case, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    without_targets(heading)
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Returns a heading with the text of its links in place of the links.
fn without_targets(heading: &str) -> String {
    let mut parts = heading.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + rest.split_once(')').map_or(rest, |(_, after)| after))
}

/// Returns a path below the root for a target that is relative to a folder.
fn resolved(folder: &Path, target: &str) -> PathBuf {
    let mut path = folder.to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir if path.parent().is_some() => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::new(Path::new("docs/a/page.md"), text.into())
    }

    #[test]
    fn links_are_resolved_against_the_folder_of_their_page() {
        let text = "See [x](../b.md#here), [y](#there), [z](https://some.host/c.md) and ![p](../../q.svg).\n\n[w](sub/w.md)";
        let links = page(text).links();
        let link = |line, path: &str, anchor: Option<&str>| Link {
            line,
            path: path.into(),
            anchor: anchor.map(str::to_owned),
        };
        assert_eq!(
            links,
            [
                link(1, "docs/b.md", Some("here")),
                link(1, "docs/a/page.md", Some("there")),
                link(1, "q.svg", None),
                link(3, "docs/a/sub/w.md", None),
            ]
        );
    }

    #[test]
    fn code_has_neither_links_nor_headings() {
        let page = page("`[a](b.md)`\n```sh\n# no heading\n[c](d.md)\n```\n# A heading");
        assert_eq!(page.links(), []);
        assert_eq!(page.anchors(), HashSet::from(["a-heading".to_owned()]));
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text =
            "# `--reader-rate` and `--limit-rate`\n## What [it](x.md) does, and why\n## Again\n## Again\n";
        let expected = ["--reader-rate-and---limit-rate", "what-it-does-and-why", "again", "again-1"];
        assert_eq!(page(text).anchors(), expected.map(str::to_owned).into());
    }
}
