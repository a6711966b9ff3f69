//! The rules for links: each must lead to a file and an anchor that exist, and every page must be within two clicks of
//! the entry.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::page::{Link, Page};

/// The entry of the documentation, and the folder of its pages.
const ENTRY: &str = "docs/README.md";
const PAGES: &str = "docs";

/// The number of clicks from the entry within which every page must be.
const CLICKS: usize = 2;

/// Returns one line for each link whose file or anchor does not exist.
pub(super) fn broken(pages: &[Page], root: &Path) -> Vec<String> {
    let anchors: HashMap<&Path, HashSet<String>> =
        pages.iter().map(|page| (page.path.as_path(), page.anchors())).collect();
    let mut broken = Vec::new();
    for page in pages {
        for link in page.links() {
            let place = format!("{}:{}", page.path.display(), link.line);
            let known = anchors.get(link.path.as_path());
            if known.is_none() && !root.join(&link.path).exists() {
                broken.push(format!("{place}: there is no {}", link.path.display()));
            }
            if let (Some(anchor), Some(known)) = (link.anchor, known)
                && !known.contains(&anchor)
            {
                broken.push(format!("{place}: {} has no heading #{anchor}", link.path.display()));
            }
        }
    }
    broken
}

/// Returns one line for each page of the documentation that is more than two clicks away from the entry.
pub(super) fn beyond_two_clicks(pages: &[Page]) -> Vec<String> {
    let by_path: HashMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let mut near = HashSet::from([PathBuf::from(ENTRY)]);
    for _ in 0..CLICKS {
        let reached: Vec<&Page> =
            near.iter().filter_map(|path| by_path.get(path.as_path()).copied()).collect();
        for link in reached.into_iter().flat_map(Page::links) {
            near.insert(link.path.join("README.md"));
            near.insert(link.path);
        }
    }
    let is_far = |page: &&Page| page.path.starts_with(PAGES) && !near.contains(&page.path);
    let line = |page: &Page| format!("{}: more than {CLICKS} clicks away from {ENTRY}", page.path.display());
    pages.iter().filter(is_far).map(line).collect()
}

/// The heading of the questions that a reader comes with, and their number.
const QUESTIONS: (&str, usize) = ("## Ten questions", 10);

/// Returns one line for each question of the entry that has no link, and one if the number of questions is another, or
/// README does not link to the entry: then an answer is more than two clicks away from README.
pub(super) fn unanswered(pages: &[Page]) -> Vec<String> {
    let of = |path: &str| pages.iter().find(|page| page.path == Path::new(path));
    let mut missing = Vec::new();
    let leads_to_entry =
        |link: &Link| link.path == Path::new(ENTRY) || link.path.join("README.md") == Path::new(ENTRY);
    if !of("README.md").is_some_and(|page| page.links().iter().any(leads_to_entry)) {
        missing.push(format!("README.md: no link to {ENTRY}"));
    }
    let (heading, expected) = QUESTIONS;
    let text = of(ENTRY).map(|page| page.text.as_str()).unwrap_or_default();
    let section = text.split_once(heading).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
    let rows: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && line.contains('?')).collect();
    if rows.len() != expected {
        missing.push(format!("{ENTRY}: {} questions, {expected} expected", rows.len()));
    }
    let open = rows.iter().filter(|row| !row.contains("]("));
    missing.extend(open.map(|row| format!("{ENTRY}: no link answers: {row}")));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> Page {
        Page::new(Path::new(path), text.into())
    }

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_reported_with_its_line() {
        let pages =
            [page("docs/a.md", "# A\n\n[x](b.md#b) [y](b.md#c)\n[z](missing.md)"), page("docs/b.md", "# B")];
        let expected =
            ["docs/a.md:3: docs/b.md has no heading #c", "docs/a.md:4: there is no docs/missing.md"];
        assert_eq!(broken(&pages, Path::new("/no/such/root")), expected);
    }

    #[test]
    fn a_question_without_a_link_and_a_readme_without_one_are_reported() {
        let rows: Vec<String> = (0..10).map(|n| format!("| Why {n}? | [page](a.md) |")).collect();
        let entry =
            format!("# X\n## Ten questions\n\n| question | answer |\n|---|---|\n{}\n", rows.join("\n"));
        let of = |readme: &str, entry: &str| unanswered(&[page("README.md", readme), page(ENTRY, entry)]);
        assert!(of("[docs](docs)", &entry).is_empty());
        assert!(of("[docs](docs/README.md)", &entry).is_empty());
        assert_eq!(of("", &entry), ["README.md: no link to docs/README.md"]);
        let open = entry.replace("| Why 3? | [page](a.md) |", "| Why 3? | later |");
        assert_eq!(of("[docs](docs)", &open), ["docs/README.md: no link answers: | Why 3? | later |"]);
        let nine = entry.replace("| Why 3? | [page](a.md) |\n", "");
        assert_eq!(of("[docs](docs)", &nine), ["docs/README.md: 9 questions, 10 expected"]);
    }

    #[test]
    fn a_page_behind_three_clicks_is_reported() {
        let pages = [
            page(ENTRY, "[one](how-to)"),
            page("docs/how-to/README.md", "[two](two.md)"),
            page("docs/how-to/two.md", "[three](three.md)"),
            page("docs/how-to/three.md", ""),
            page("results/README.md", ""),
        ];
        assert_eq!(
            beyond_two_clicks(&pages),
            ["docs/how-to/three.md: more than 2 clicks away from docs/README.md"]
        );
    }
}
