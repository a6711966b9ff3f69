"""A hook of MkDocs: links that leave docs/ lead to the repository, and anchors are those of GitHub."""

import posixpath
import re

LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchor(heading, _separator):
    kept = (c for c in heading.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def on_config(config):
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link):
        target = link.group(1)
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if "://" in target or target.startswith("#") or path.startswith("docs/"):
            return link.group(0)
        return f"]({config['repo_url']}/blob/main/{path})"

    return LINK.sub(replaced, markdown)
