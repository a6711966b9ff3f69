//! The rules for the names of files: a path in backquotes must exist, and a link whose text is the name of a page must
//! lead to that page.

use std::path::Path;

use super::page::Page;

/// The folders whose files pages name, by paths below the root.
const FOLDERS: [&str; 11] = [
    "benches/",
    "crates/",
    "deploy/",
    "docs/",
    "examples/",
    "fuzz/",
    "python/",
    "scripts/",
    "src/",
    "tests/",
    "xtask/",
];

/// The pages that are left out: those about files of other projects, and those about an earlier state of this one.
const LEFT_OUT: [&str; 3] = ["docs/upstream", "results", "CHANGELOG.md"];

/// Returns one line for each name of a file that is wrong.
pub(super) fn broken(pages: &[Page], root: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages.iter().filter(|page| !LEFT_OUT.iter().any(|out| page.path.starts_with(out))) {
        for (line, text) in page.prose() {
            let place = format!("{}:{line}", page.path.display());
            let missing = paths(text).filter(|path| !root.join(path).exists());
            broken.extend(missing.map(|path| format!("{place}: there is no {path}")));
            let wrong = labelled(text).filter(|(text, target)| !target.ends_with(text));
            broken.extend(wrong.map(|(text, target)| {
                format!("{place}: [{}] leads to {}", text.display(), target.display())
            }));
        }
    }
    broken
}

/// Returns the paths between single backquotes, without the test or the item behind `::`.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let spans = line.split('`').skip(1).step_by(2);
    let names = spans.map(|span| span.split("::").next().unwrap_or_default());
    names.filter(move |name| {
        FOLDERS.iter().any(|folder| name.starts_with(folder)) && name.chars().all(is_of_path)
    })
}

/// Returns the links whose texts are names of pages: the file names of text and target.
fn labelled(line: &str) -> impl Iterator<Item = (&Path, &Path)> {
    let pairs = line.split("](").zip(line.split("](").skip(1));
    let texts = pairs.filter_map(|(before, after)| {
        let (_, text) = before.rsplit_once('[')?;
        let (target, _) = after.split_once([')', '#'])?;
        text.ends_with(".md").then_some((Path::new(text), Path::new(target)))
    });
    texts.filter_map(|(text, target)| Some((Path::new(text.file_name()?), target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        broken(&[Page::new(Path::new(path), text.into())], Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    #[test]
    fn a_path_that_does_not_exist_is_reported_with_its_line() {
        let text =
            "`src/docs/page.rs`, `src/docs/` and\n`src/gone.rs`, `src/docs/page.rs::links`, `src/x::a_test`";
        assert_eq!(
            of("docs/a.md", text),
            ["docs/a.md:2: there is no src/gone.rs", "docs/a.md:2: there is no src/x"]
        );
    }

    #[test]
    fn commands_names_without_a_folder_blocks_and_files_of_other_projects_are_no_paths() {
        let text =
            "`gone.rs`, `cargo run -p src/gone.rs`, `target/gone`, src/gone.rs\n```sh\n`src/gone.rs`\n```";
        assert_eq!(of("docs/a.md", text), [""; 0]);
        assert_eq!(of("docs/upstream/a.md", "`src/gone.rs`"), [""; 0]);
        assert_eq!(of("results/2026-11-30-a/README.md", "`src/gone.rs`"), [""; 0]);
    }

    #[test]
    fn a_link_with_the_name_of_another_page_is_reported() {
        let text = "[b.md](b.md), [b](c.md), [docs/b.md](../b.md#x), [b.md](c.md#y)";
        assert_eq!(of("docs/a.md", text), ["docs/a.md:1: [b.md] leads to c.md"]);
    }
}
